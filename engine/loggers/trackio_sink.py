"""trackio: SQLite on this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trackio

from engine.loggers.targets import Opening

PROJECT = "ddpm-tui"


class TrackioSink:
    """One run of a project; a logger that starts again goes on with it."""

    def __init__(self, opening: Opening) -> None:
        self._run: Any = trackio.init(
            project=opening.place or PROJECT,
            name=opening.run,
            config=dict(opening.config),
            resume="allow" if opening.last_step is not None else "never",
            embed=False,
        )

    def scalars(self, step: int, values: Mapping[str, float], time: float) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, png: Path) -> None:
        self._run.log({name: trackio.Image(str(png))}, step=step)

    def flush(self) -> None:
        """Do nothing: trackio writes by a thread of its own."""

    def close(self) -> None:
        self._run.finish()
