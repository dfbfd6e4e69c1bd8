"""The targets of a run's logs: one table of loggers, and the texts that name a target ("tensorboard:DIR", "wandb")."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from engine.base.errors import UsageError, UserError, misused, unknown


class Sink(Protocol):
    """A writer into one tool. Every method may raise OSError, or an error of the tool's own."""

    def scalars(self, step: int, values: Mapping[str, float], time: float) -> None:
        """Write numbers by name at a step; time: the wall clock, seconds."""

    def picture(self, step: int, name: str, png: Path) -> None:
        """Write a picture at a step."""

    def flush(self) -> None:
        """Return when all entries are on the disk, or on their way."""

    def close(self) -> None:
        """End: no more entries come."""


@dataclass(frozen=True)
class Opening:
    """The arguments for opening a sink. place: of the target, "" if none was given · run: its name · key: stands for
    the run and the target, the same after a restart · last_step: up to which everything was written before, None at
    first · config: the profile · text: the same as TOML."""

    place: str
    run: str
    key: str
    last_step: int | None
    config: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class Logger:
    """One line. sink: a class made of an `Opening`, as "module:class" · package: the one imported · extra: the one
    to install · folder: the place is a folder, and has to be given."""

    sink: str
    package: str
    extra: str
    folder: bool = False


LOGGERS: dict[str, Logger] = {
    "tensorboard": Logger(
        "engine.loggers.tensorboard_sink:TensorBoardSink", "tensorboard", "tensorboard", folder=True
    ),
    "wandb": Logger("engine.loggers.wandb_sink:WandbSink", "wandb", "wandb"),
    "trackio": Logger("engine.loggers.trackio_sink:TrackioSink", "trackio", "trackio"),
    "mlflow": Logger("engine.loggers.mlflow_sink:MlflowSink", "mlflow", "mlflow", folder=True),
}

PLACES = "tensorboard:DIR, wandb, wandb:PROJECT, trackio, trackio:PROJECT, mlflow:DIR"


@dataclass(frozen=True)
class LogTarget:
    """One logger with its place: a folder's absolute path, a project, or ""."""

    logger: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.logger}:{self.place}" if self.place else self.logger

    def open(self, opening: Opening) -> Sink:
        """Open the sink. Raises UserError if the tool refuses, with its own first line."""
        self.check()
        module, _, name = LOGGERS[self.logger].sink.partition(":")
        try:
            sink: Sink = getattr(importlib.import_module(module), name)(opening)
        except Exception as error:  # each tool has errors of its own
            raise UserError(
                f"{self} cannot be written to: {first_line(error)}", "name another --to"
            ) from None
        return sink

    def check(self) -> None:
        """Raise UserError if the tool's package is not installed."""
        logger = LOGGERS[self.logger]
        if find_spec(logger.package) is None:
            raise UserError(
                f"--to {self} needs {logger.package}, which is not installed",
                f"pip install 'ddpm-tui[{logger.extra}]'",
            )


def parse_target(text: str, below: Path) -> LogTarget:
    """Parse a target from its text; a relative folder is one in `below`. Raises UsageError if it is none."""
    name, _, place = text.partition(":")
    if name not in LOGGERS:
        raise misused(unknown("logger", name, LOGGERS, PLACES))
    if LOGGERS[name].folder:
        if not place:
            raise UsageError(f"{name} needs a folder", f"{name}:DIR")
        place = str(below / Path(place).expanduser())
    return LogTarget(name, place)


def first_line(error: BaseException) -> str:
    """Return an error's message on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0]
