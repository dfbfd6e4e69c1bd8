"""Weights & Biases, online or offline as WANDB_MODE says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from engine.loggers.targets import Opening

PROJECT = "ddpm-tui"


class WandbSink:
    """One run of a project; a logger that starts again goes on with it."""

    def __init__(self, opening: Opening) -> None:
        self._run: Any = wandb.init(
            project=opening.place or PROJECT,
            name=opening.run,
            id=opening.key,
            resume="allow",
            config=dict(opening.config),
            settings=wandb.Settings(console="off", quiet=True, silent=True, x_disable_stats=True),
        )
        # wandb's own counter must rise by each call; ours is a number of its own, and each curve's axis.
        self._run.define_metric("trainer/step")
        self._run.define_metric("*", step_metric="trainer/step")

    def scalars(self, step: int, values: Mapping[str, float], time: float) -> None:
        self._run.log({**values, "trainer/step": step, "trainer/time": time})

    def picture(self, step: int, name: str, png: Path) -> None:
        self._run.log({name: wandb.Image(str(png)), "trainer/step": step})

    def flush(self) -> None:
        """Do nothing: wandb sends by a process of its own."""

    def close(self) -> None:
        self._run.finish()
