"""The metrics and previews of one run, followed cheaply. Imported after the first paint: it brings NumPy."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.base.folders import RunFolder
from engine.runs.metrics import Metrics

Columns = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class RunCurves:
    """The present contents of metrics.jsonl and previews/. Arrays are float64 (n,) with NaN for values that a line
    lacks.

    train: step, epoch (with fraction), images, loss, lr, grad_norm, … · epochs: one entry a whole epoch, with
    train_loss, val_loss, eps_error · events: chunk borders, rate changes, NaN · generation: changes when the
    file was cut and read anew, so points drawn before are no longer true · previews: steps that have one.
    """

    run: str
    train: Columns = field(default_factory=dict)
    epochs: Columns = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()
    corrupt_lines: int = 0
    generation: int = 0
    previews: tuple[int, ...] = ()
    preview_paths: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        return len(self.train.get("step", ()))


class RunFollower:
    """Reads one run again and again; `poll` is cheap if nothing changed."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._metrics = Metrics(folder.metrics)
        self._generation = 0
        self._points = 0
        self._previews: tuple[tuple[int, str], ...] = ()
        self._previews_mtime = -1
        self.curves = RunCurves(folder.name)

    def poll(self) -> RunCurves:
        """Return the present curves; the same object as before if nothing changed. A deleted run keeps its last."""
        changed = self._metrics.poll()
        # The reader forgets an emptied file without reporting it.
        changed = changed or len(self._metrics.train["step"]) < self._points
        previews = self._list_previews()
        if not changed and previews == self._previews:
            return self.curves
        self._previews = previews
        train, epochs = self._metrics.train, self._metrics.epochs
        if len(train["step"]) < self._points:
            self._generation += 1
        self._points = len(train["step"])
        self.curves = RunCurves(
            self.folder.name,
            train,
            epochs,
            tuple(self._metrics.events),
            self._metrics.corrupt_lines,
            self._generation,
            tuple(step for step, _ in previews),
            tuple(path for _, path in previews),
        )
        return self.curves

    def _list_previews(self) -> tuple[tuple[int, str], ...]:
        folder = self.folder.previews
        try:
            mtime = folder.stat().st_mtime_ns
            if mtime == self._previews_mtime:
                return self._previews
            self._previews_mtime = mtime
            found = [e for e in os.scandir(folder) if e.name.endswith(".png") and e.name[:-4].isdecimal()]
        except OSError:
            return self._previews
        return tuple(sorted((int(e.name[:-4]), e.path) for e in found))
