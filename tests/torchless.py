"""Runs with history and checkpoints made without torch, for everything that only reads them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from engine.base.folders import CheckpointFolder, RunFolder
from engine.base.home import Home
from engine.config.store import build_profile, save_profile, to_toml
from engine.data.catalog import add_source
from engine.runs.checkpoints import Manifest, publish
from engine.runs.metrics import MetricsWriter
from engine.runs.record import freeze
from tests.tiny import TINY, make_run

STEPS_PER_EPOCH = 7
BATCH = 8


def publish_at(run: RunFolder, step: int, **facts: Any) -> CheckpointFolder:
    """A whole checkpoint at `step` whose weights differ from those of every other step."""
    epoch, position = divmod(step, STEPS_PER_EPOCH)
    known: dict[str, Any] = {
        "step": step,
        "epoch": epoch,
        "images": step * BATCH,
        "position": position * BATCH,
        "steps_per_epoch": STEPS_PER_EPOCH,
        "architecture": "unet-test",
        "created": "2026-01-01T00:00:00+00:00",
        "torch_version": "2",
    }

    def write(folder: CheckpointFolder) -> None:
        for path, value in ((folder.model, step), (folder.ema, step + 0.5), (folder.optimizer, -step)):
            save_file({"conv.weight": np.full((2, 3), value, np.float32)}, path)

    return publish(run, Manifest(**{**known, **facts}), write)


def trained_run(home: Home, name: str, epochs: int = 4, **sections: dict[str, Any]) -> RunFolder:
    """A run of `epochs` epochs, each with its lines of metrics and a checkpoint; every second ends a chunk.

    The eps error falls until the last but one epoch, so `best` is not `latest`.
    """
    run = make_run(home, name, **sections)
    freeze(run, plan={"device_name": "a CPU", "reasons": ["fp32"]}, steps_per_epoch=STEPS_PER_EPOCH)
    extend(run, range(1, epochs + 1), best=max(1, epochs - 1))
    return run


def extend(run: RunFolder, epochs: Iterable[int], best: int = 0) -> None:
    """Metrics and a checkpoint for each of `epochs`."""
    writer = MetricsWriter(run.metrics)
    for epoch in epochs:
        step = epoch * STEPS_PER_EPOCH
        error = 0.1 if epoch == best else 0.5 / epoch
        line = {"step": step, "epoch": epoch, "images": step * BATCH}
        writer.write({"kind": "train", **line, "loss": 1 / epoch, "lr": 1e-3, "grad_norm": 0.5, "bad": 0})
        writer.write(
            {"kind": "epoch", **line, "train_loss": 1 / epoch, "val_loss": 1.1 / epoch, "eps_error": error}
            | {"lr": 1e-3, "seconds": 0.1}
        )
        publish_at(
            run,
            step,
            metrics_offset=writer.sync(),
            chunk_end=epoch % 2 == 0,
            train_loss=1 / epoch,
            val_loss=1.1 / epoch,
            eps_error=error,
            lr=1e-3,
        )
    writer.close()


def with_tiny_profile(home: Home, pictures: Path) -> None:
    """Give a home the data set `dots` of `pictures` and the profile `tiny`."""
    add_source(home, pictures, "dots")
    save_profile(home, "tiny", to_toml(build_profile(TINY, "tiny")))


def spoil_manifest(folder: CheckpointFolder, **changes: Any) -> None:
    """Change what a manifest says, as no program of ours would."""
    content = json.loads(folder.manifest.read_text())
    content.pop("digest", None)  # as one of an older version, which nothing protects
    folder.manifest.write_text(json.dumps({**content, **changes}))
