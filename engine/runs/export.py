"""Exporting a checkpoint: its weights and its profile in one folder that is independent of this machine."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine.base.errors import DamagedError, UserError
from engine.base.files import unwritable
from engine.base.folders import ExportFolder, RunFolder
from engine.base.home import given_path
from engine.base.records import read_json
from engine.base.typed import Count, check_format, typed
from engine.config.names import Weights
from engine.config.profile import Profile
from engine.config.store import read_profile, to_toml
from engine.runs.checkpoints import CheckpointInfo, sha256
from engine.runs.record import read_record

FORMAT = 2
OLDEST = 1
"""Written unless the weights are stored as float16, so that older versions read what they can."""


@dataclass(frozen=True)
class Export:
    """An exported checkpoint: the run and step it was, the kind of its weights and their SHA-256, and the pictures
    with which the run began (as in run.json; {} in older exports).
    """

    folder: ExportFolder
    run: str
    step: int
    epochs: float
    weights: Weights
    sha256: str
    profile: Profile
    data: Mapping[str, Any] = field(default_factory=dict)


def export_checkpoint(
    run: RunFolder,
    info: CheckpointInfo,
    target: Path,
    weights: Weights = "ema",
    half: bool = False,
) -> Path:
    """Write model.safetensors, profile.toml and export.json (what it is, its hash, how to draw from it) to `target`.

    half: the weights are stored as float16, and drawn with as float32. `target` is made. Raises UserError if it has
    something in it or cannot be written, DamagedError for a checkpoint that is not whole, also if the weights are not
    the bytes that the manifest promises.
    """
    manifest = info.whole()
    source = info.folder.ema if weights == "ema" else info.folder.model
    digest = manifest.files[source.name]["sha256"]
    if sha256(source) != digest:
        raise DamagedError(f"{source} has been altered (SHA-256 differs)", "export another checkpoint")
    record = read_record(run)
    profile = record.profile
    facts = {
        "format": FORMAT if half else OLDEST,
        "run": run.name,
        "step": info.step,
        "epochs": manifest.epochs_seen,
        "weights": weights,
        "architecture": manifest.architecture,
        "sha256": digest,
        "data": record.frozen.get("data") or {},
        "input": f"x_t (N, 3, {profile.data.size}, {profile.data.size}) float32 in [-1, 1]; t (N,) int64",
        "predicts": profile.objective.prediction,
    }
    target = given_path(target)
    folder = ExportFolder(target)
    made = False
    try:
        made = not target.exists()
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise UserError(f"{target} is not empty", "name a new folder")
        try:
            if half:
                _halve(source, folder.weights)
                facts["sha256"] = sha256(folder.weights)
            else:
                shutil.copyfile(source, folder.weights)
            folder.profile.write_text(to_toml(profile), encoding="utf-8")
            folder.record.write_text(json.dumps(facts, indent=1) + "\n")
        except BaseException:
            # An incomplete export is useless, and would be in the way of the next attempt.
            for path in (folder.weights, folder.profile, folder.record):
                path.unlink(missing_ok=True)
            if made:
                target.rmdir()
            raise
    except OSError as error:
        raise unwritable(target, error, "name another folder") from None
    return target


def _halve(source: Path, target: Path) -> None:
    from safetensors.numpy import load_file, save_file

    with np.errstate(over="ignore"):
        halves = {name: value.astype(np.float16) for name, value in load_file(source).items()}
    for name, value in halves.items():
        if not np.isfinite(value).all():
            raise UserError(f"{name} has weights that float16 cannot hold", "omit --half")
    save_file(halves, target)


@dataclass(frozen=True)
class _StoredExport:
    """export.json."""

    run: str
    step: Count
    epochs: float
    weights: Weights
    sha256: str
    data: dict[str, Any] = field(default_factory=dict)


def read_export(path: Path) -> Export:
    """Read an exported folder, without its weights. Raises UserError if it is not an export or of a newer format,
    DamagedError for a damaged record, ProfileError.
    """
    folder = ExportFolder(given_path(path).absolute())
    if not folder.record.is_file():
        raise UserError(
            f"{folder.path} has no exported checkpoint",
            "`checkpoints export RUN@WHICH DIR` writes such a folder",
        )
    facts = read_json(folder.record, "the record of the export")
    try:
        what = "the record of the export"
        stored = typed(_StoredExport, check_format(facts, FORMAT, what, folder.record), what)
    except DamagedError as error:
        raise DamagedError(
            f"the record of the export is damaged: {folder.record} ({error.what})", "export it again"
        ) from None
    return Export(
        folder, stored.run, stored.step, stored.epochs, stored.weights, stored.sha256,
        read_profile(folder.profile), stored.data,
    )  # fmt: skip
