"""A run's curves as the chart's data: points that grow, and marks. Imported after the first paint."""

import math
from collections.abc import Iterable

import numpy as np

from ddpm_tui.draw.series import Mark, Series
from ddpm_tui.tui.state.curves import Columns, RunCurves
from ddpm_tui.tui.state.snapshot import RunView


class Plotter:
    """Keeps one Series a run and appends only new points. A run keeps its colour as long as it is known here."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self._done: dict[str, tuple[int, int, int]] = {}
        self._slots: dict[str, int] = {}

    def slot(self, run: str) -> int:
        """Return the run's colour: the first free one when it is first seen, the same from then on."""
        taken = set(self._slots.values())
        return self._slots.setdefault(run, next(n for n in range(len(taken) + 1) if n not in taken))

    @property
    def known(self) -> tuple[str, ...]:
        """Return the runs that have a colour."""
        return tuple(self._slots)

    def forget(self, runs: Iterable[str]) -> None:
        """Free the colours of these runs, which are shown no more."""
        for run in runs:
            self._series.pop(run, None)
            self._done.pop(run, None)
            self._slots.pop(run, None)

    def series(self, curves: RunCurves) -> tuple[Series, bool]:
        """Return the run's series with everything in `curves`, and whether anything was appended."""
        name = curves.run
        generation, train, epochs = self._done.get(name, (curves.generation, 0, 0))
        series = self._series.get(name)
        if series is None or generation != curves.generation or train > curves.points:
            series = Series(name, self.slot(name))
            train = epochs = 0
            self._series[name] = series
        new_train, new_epochs = curves.points, len(curves.epochs.get("step", ()))
        if new_train > train:
            t = curves.train
            series.train.extend(t["step"][train:], t["epoch"][train:], t["images"][train:], t["loss"][train:])
        if new_epochs > epochs:
            e = curves.epochs
            good = np.isfinite(e["val_loss"][epochs:])
            columns = (e[k][epochs:][good] for k in ("step", "epoch", "images", "val_loss"))
            series.validation.extend(*columns)
        self._done[name] = (curves.generation, new_train, new_epochs)
        return series, (new_train, new_epochs) != (train, epochs)


def marks(curves: RunCurves, run: RunView | None = None) -> tuple[Mark, ...]:
    """Return chunk borders, learning-rate steps and troubles of a run as vertical lines; from its record, the
    beginning of each segment of its learning-rate plan."""
    found = []
    for event in curves.events:
        kind = event.get("event")
        step, epoch = _number(event.get("step")), _number(event.get("epoch"))
        if step is None:
            continue
        place = _place(curves, step)
        if epoch is None:
            epoch = place[0]
        name = {"chunk": "chunk", "lr": "lr"}.get(str(kind), "event")
        found.append(Mark(step, epoch, place[1], str(event.get("text", kind)), name))  # type: ignore[arg-type]
    for segment in run.segments if run else ():
        step, images = _at_epoch(curves, segment.start)
        found.append(Mark(step, segment.start, images, f"learning rate up to {segment.peak:g}", "lr"))
    return tuple(found)


def mark_at(curves: RunCurves, step: int, text: str | None = None) -> Mark:
    """Return a checkpoint of the run as a vertical line. text: its label; by default its step."""
    return Mark(step, *_place(curves, step), f"@{step}" if text is None else text, "event")


def target(curves: RunCurves, to_epoch: float | None) -> Mark | None:
    """Return the end of a job as a mark, so that the axis is there before the curve is."""
    if not to_epoch:
        return None
    step, images = _at_epoch(curves, to_epoch)
    return Mark(step, float(to_epoch), images, f"epoch {to_epoch:g}")


def _at_epoch(curves: RunCurves, epoch: float) -> tuple[float, float]:
    """Return (steps, pictures) at an epoch: from the lines around it, and past the newest at the pace of the newest
    ones; the epoch itself before there are any."""
    steps, epochs, images = (curves.train.get(k, np.empty(0)) for k in ("step", "epoch", "images"))
    if not len(steps) or not epochs[-1] > 0:
        return float(epoch), float(epoch)
    if epoch <= epochs[-1]:
        return float(np.interp(epoch, epochs, steps)), float(np.interp(epoch, epochs, images))
    # From the newest lines alone: a branch's parent may have had batches of another size.
    before = max(0, len(steps) - 2)
    done, at = float(epochs[-1] - epochs[before]), (float(steps[-1]), float(images[-1]))
    if done <= 0:
        done, rates = float(epochs[-1]), at
    else:
        rates = (at[0] - float(steps[before]), at[1] - float(images[before]))
    share = (epoch - float(epochs[-1])) / done
    return at[0] + rates[0] * share, at[1] + rates[1] * share


def last_finite(columns: Columns, name: str) -> float | None:
    """Return the newest value of a column that is a number, near its end."""
    values = columns.get(name)
    if values is None:
        return None
    for value in reversed(values[-50:]):
        if math.isfinite(value):
            return float(value)
    return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _place(curves: RunCurves, step: float) -> tuple[float, float]:
    """Return (epochs, pictures) at a step, from the lines around it."""
    steps = curves.train.get("step", np.empty(0))
    if not len(steps):
        return 0.0, 0.0
    return (
        float(np.interp(step, steps, curves.train["epoch"])),
        float(np.interp(step, steps, curves.train["images"])),
    )
