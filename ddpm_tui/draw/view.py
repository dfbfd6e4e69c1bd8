"""The part of the curves in view: zoom, pan, follow, inspect. State and arithmetic; draws nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ddpm_tui.draw.axis import nice_step, snug
from ddpm_tui.draw.series import Mark, Reals, Series, Unit, nearest_index

_CLOSEST = 8.0  # zoomed in as far as this many logged points
_JUMPS = 8  # a view that follows moves on by this part of its width


@dataclass(frozen=True)
class Plot:
    """The contents of the chart: the runs, in painting order (the last on top), and the vertical marks.

    `target` is the end of a running job, in each unit: with it the axis stands still while the run grows.
    """

    series: Sequence[Series] = ()
    marks: Sequence[Mark] = ()
    target: Mark | None = None

    def extent(self, unit: Unit) -> tuple[float, float]:
        """Return the range from the first to the last point of any curve, (0, 1) if there is none yet."""
        xs = [p.x(unit) for s in self.series for p in (s.train, s.validation) if len(p)]
        if not xs:
            return 0.0, 1.0
        return min(float(x[0]) for x in xs), max(float(x[-1]) for x in xs)


@dataclass(frozen=True)
class View:
    """How to look: `span` None shows everything; `follow` keeps the newest point in a zoomed view.

    `cursor` is the place inspected, in `unit`, None when not inspecting; the view does not move on under it.
    `half_life` is in pictures, whatever the unit, so that runs with different batch sizes can be compared.
    """

    unit: Unit = "epochs"
    log: bool = True
    half_life: float = 20_000.0
    span: tuple[float, float] | None = None
    follow: bool = True
    cursor: float | None = None
    raw: bool = True

    def range(self, plot: Plot) -> tuple[float, float]:
        """Return the stretch of x shown, in the view's unit."""
        first, last = plot.extent(self.unit)
        if self.span is None:
            end = last if plot.target is None else max(last, plot.target.x(self.unit))
            start = 0.0 if 0 <= first <= 0.25 * end else first
            return start, _steady_end(start, end, plot.target is not None)
        left, right = self.span
        if self.follow and self.cursor is None and last > right:
            # Move by whole jumps: between two of them only the newest columns change on the screen.
            jump = (right - left) / _JUMPS
            moved = jump * math.ceil((last - right) / jump)
            return left + moved, right + moved
        return left, right

    def zoomed(self, plot: Plot, factor: float) -> "View":
        """Zoom in (factor < 1) or out, about the cursor, else about the newest end when it is in sight."""
        left, right = self.range(plot)
        _, last = plot.extent(self.unit)
        anchor = self.cursor if self.cursor is not None and left <= self.cursor <= right else None
        following = self.follow and last <= right
        if anchor is None:
            anchor = min(right, last) if following else (left + right) / 2
        whole = replace(self, span=None).range(plot)
        width = max((right - left) * factor, self._closest(plot))
        if width >= whole[1] - whole[0]:
            return self.fitted()
        start = anchor - (anchor - left) * width / (right - left)
        if following and self.cursor is None:
            start = last - width * (1 - 0.5 / _JUMPS)  # half a jump of room before the next one
        span = _within(start, width, whole)
        return replace(self, span=span, follow=self.follow and span[1] >= last)

    def panned(self, plot: Plot, part: float) -> "View":
        """Move by that part of the width; panning away from the newest point stops following it."""
        if self.span is None:
            return self
        left, right = self.range(plot)
        width = right - left
        whole = replace(self, span=None).range(plot)
        span = _within(left + part * width, width, whole)
        return replace(self, span=span, follow=span[1] >= plot.extent(self.unit)[1])

    def fitted(self) -> "View":
        """Show everything again, and follow."""
        return replace(self, span=None, follow=True)

    def in_unit(self, plot: Plot, unit: Unit) -> "View":
        """Return the same stretch and cursor in another unit, by the run that reaches farthest."""
        if unit == self.unit:
            return self
        longest = max(
            (p for s in plot.series for p in (s.train, s.validation) if len(p) > 1),
            key=lambda p: float(p.x(self.unit)[-1]),
            default=None,
        )
        if longest is None:
            return replace(self, unit=unit, span=None, cursor=None)
        scale = float(longest.x(unit)[-1]) / (float(longest.x(self.unit)[-1]) or 1.0)
        span = None if self.span is None else (self.span[0] * scale, self.span[1] * scale)
        return replace(
            self, unit=unit, span=span, cursor=None if self.cursor is None else self.cursor * scale
        )

    def inspecting(self, plot: Plot, at: float | None = None) -> "View":
        """Put the cursor on the logged point nearest to `at` (the newest in sight by default)."""
        left, right = self.range(plot)
        wanted = right if at is None else at
        xs = [c.x(self.unit) for s in plot.series for c in (s.train, s.validation)]
        xs = [x[np.searchsorted(x, left) : np.searchsorted(x, right, "right")] for x in xs]
        near = [float(x[i]) for x in xs if (i := nearest_index(x, wanted)) is not None]
        return replace(self, cursor=min(near, key=lambda x: abs(x - wanted), default=None))

    def stepped(self, plot: Plot, columns: int, width: int) -> "View":
        """Move the cursor by that many screen columns of `width`, at least to the next point; pans at the edge."""
        if self.cursor is None or not columns:
            return self.inspecting(plot)
        left, right = self.range(plot)
        target = self.cursor + columns * (right - left) / max(1, width)
        sign = 1 if columns > 0 else -1
        xs = [c.x(self.unit) for s in plot.series for c in (s.train, s.validation)]
        # Of each curve the point nearest to a whole column on and, if points are sparser than columns, the next.
        near = [
            float(x[i])
            for x in xs
            for i in (nearest_index(x, target), _beside(x, self.cursor, sign))
            if i is not None
        ]
        ahead = [x for x in near if (x - self.cursor) * sign > 0]
        if not ahead:
            return self
        found = min(ahead, key=lambda x: abs(x - target))
        view = replace(self, cursor=found)
        if not left <= found <= right and self.span is not None:
            width_x = right - left
            whole = replace(self, span=None).range(plot)
            span = _within(found - width_x / 2, width_x, whole)
            view = replace(view, span=span, follow=span[1] >= plot.extent(self.unit)[1])
        return view

    def _closest(self, plot: Plot) -> float:
        gaps = [
            float(x[-1] - x[0]) / (len(x) - 1)
            for s in plot.series
            for x in (s.train.x(self.unit),)
            if len(x) > 1
        ]
        return _CLOSEST * min(gaps, default=1.0 / _CLOSEST)


def y_range(lows: Sequence[np.ndarray], highs: Sequence[np.ndarray], log: bool) -> tuple[float, float]:
    """Return round ends around everything drawn; (0, 1), or (0.1, 1) on a log axis, if nothing is drawn."""
    low = np.concatenate([*lows, np.empty(0)])
    high = np.concatenate([*highs, np.empty(0)])
    if log:
        low, high = low[low > 0], high[high > 0]
    low, high = low[np.isfinite(low)], high[np.isfinite(high)]
    if not len(low) or not len(high):
        return (0.1, 1.0) if log else (0.0, 1.0)
    return snug(float(low.min()), float(high.max()), log)


def _beside(x: Reals, at: float, sign: int) -> int | None:
    """Return the index of the point next to `at` on that side, None if there is none."""
    i = int(np.searchsorted(x, at, "right")) if sign > 0 else int(np.searchsorted(x, at, "left")) - 1
    return i if 0 <= i < len(x) else None


def _steady_end(start: float, end: float, known: bool) -> float:
    """Return the right end of a whole view: the target itself, else rounded up, so that not every point moves them
    all."""
    if not end > start:
        return start + 1.0
    if known:
        return end
    step = nice_step(end - start, 12)
    return start + step * math.ceil((end - start) / step - 1e-9)


def _within(start: float, width: float, whole: tuple[float, float]) -> tuple[float, float]:
    start = min(max(start, whole[0]), max(whole[0], whole[1] - width))
    return start, start + width
