"""Taking a checkpoint along: its weights and its profile in one folder that needs nothing of this machine."""

import json
import shutil
from pathlib import Path
from typing import Literal

from engine.errors import UserError
from engine.home import RunFolder
from engine.profiles_store import to_toml
from engine.runs.checkpoints import CheckpointInfo, sha256
from engine.runs.record import read_record


def export_checkpoint(
    run: RunFolder, info: CheckpointInfo, target: Path, weights: Literal["ema", "raw"] = "ema"
) -> Path:
    """Write model.safetensors, profile.toml and export.json (what it is, its hash, how to draw from it) to `target`.

    `target` is made; raises UserError where it has something in it or cannot be written, or where the weights
    are not the bytes the manifest promises; DamagedError for a checkpoint that is not whole.
    """
    manifest = info.whole()
    source = info.folder.ema if weights == "ema" else info.folder.model
    digest = manifest.files[source.name]["sha256"]
    if sha256(source) != digest:
        raise UserError(f"{source} has been altered", "export another checkpoint")
    profile = read_record(run).profile
    facts = {
        "format": 1,
        "run": run.name,
        "step": info.step,
        "epochs": manifest.epochs_seen,
        "weights": weights,
        "architecture": manifest.architecture,
        "sha256": digest,
        "input": f"x_t (N, 3, {profile.data.size}, {profile.data.size}) float32 in [-1, 1]; t (N,) int64",
        "predicts": profile.objective.prediction,
    }
    target = target.expanduser()
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise UserError(f"{target} is not empty", "name a new folder")
        shutil.copyfile(source, target / "model.safetensors")
        (target / "profile.toml").write_text(to_toml(profile), encoding="utf-8")
        (target / "export.json").write_text(json.dumps(facts, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {target} ({error.strerror})", "name another folder") from None
    return target
