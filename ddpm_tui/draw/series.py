"""Curves as numbers: growing points, smoothing, and reduction to screen columns. Knows no glyphs and no colours."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]
Unit = Literal["steps", "epochs", "pictures"]
UNITS: tuple[Unit, ...] = ("steps", "epochs", "pictures")


class Points:
    """Values along a run, each with its step, epochs and pictures seen (float64 columns, ascending). Grows.

    A value that is not finite is a gap: it is kept, and nothing is drawn through it.
    """

    def __init__(
        self, steps: ArrayLike = (), epochs: ArrayLike = (), pictures: ArrayLike = (), y: ArrayLike = ()
    ) -> None:
        self._table = np.empty((4, 256), dtype=np.float64)
        self._size = 0
        self._smooth = _Smoothed()
        self.extend(steps, epochs, pictures, y)

    def __len__(self) -> int:
        return self._size

    @property
    def y(self) -> Reals:
        """Return the values as logged (n,)."""
        return self._table[3, : self._size]

    def x(self, unit: Unit) -> Reals:
        """Return the values' positions, in that unit (n,)."""
        return self._table[UNITS.index(unit), : self._size]

    def extend(self, steps: ArrayLike, epochs: ArrayLike, pictures: ArrayLike, y: ArrayLike) -> None:
        """Append values, all four of one length (or scalars).

        Steps that do not go on from the last one rewind to there: a run resumed from a checkpoint has lost the later
        steps, and inside one call the later value of a step wins too.
        """
        new = np.stack(
            np.broadcast_arrays(
                *(np.atleast_1d(np.asarray(c, np.float64)) for c in (steps, epochs, pictures, y))
            )
        )
        if not new.shape[1]:
            return
        # Keep a value only if no later one is at or before its step.
        following = np.minimum.accumulate(new[0, ::-1])[::-1]
        new = new[:, np.r_[new[0, :-1] < following[1:], True]]
        self._truncate(int(np.searchsorted(self._table[0, : self._size], new[0, 0])))
        needed = self._size + new.shape[1]
        if needed > self._table.shape[1]:
            grown = np.empty((4, max(needed, 2 * self._table.shape[1])), dtype=np.float64)
            grown[:, : self._size] = self._table[:, : self._size]
            self._table = grown
        self._table[:, self._size : needed] = new
        self._size = needed

    def smoothed(self, half_life: float) -> Reals:
        """Return the values smoothed over `half_life` pictures (n,); see `smooth`. Kept, and extended as points
        come."""
        return self._smooth.upto(self.x("pictures"), self.y, half_life)

    def _truncate(self, size: int) -> None:
        if size < self._size:
            self._size = size
            self._smooth.reset()


@dataclass
class Series:
    """One run's curves. `slot` is its place in the palette, kept for as long as it is shown: colours do not shift."""

    name: str
    slot: int
    train: Points = field(default_factory=Points)
    validation: Points = field(default_factory=Points)


@dataclass(frozen=True)
class Mark:
    """A vertical line: a chunk border, a change of the learning rate, the target of a job."""

    step: float
    epoch: float
    pictures: float
    text: str
    kind: Literal["chunk", "lr", "event"] = "chunk"

    def x(self, unit: Unit) -> float:
        return {"steps": self.step, "epochs": self.epoch, "pictures": self.pictures}[unit]


def smooth(x: ArrayLike, y: ArrayLike, half_life: float) -> Reals:
    """Smooth y (n,) by a debiased exponential mean along x (n,), with a half-life in the unit of x.

    Early on a loss falls by half within a fraction of any fixed half-life, and a mean that long hangs far above it.
    So at v = x − beginning the half-life is h(v) = min(half_life, v/EARLY). Value i stands for the stretch
    (x[i−1], x[i]] (losses are logged as means over it), and with τ(x) = ∫ dv/h(v), the half-lives gone by,

        s(x_i) = Σ y_j (2^(τ_j − τ_i) − 2^(τ_(j−1) − τ_i)) / Σ (the same weights),   j up to i:

    the result depends neither on how densely the run was logged nor on its length, and since the weights are those
    of values seen so far the first value is not favoured. Gaps stay gaps and weigh nothing. A half-life of zero
    returns y.
    """
    return _Smoothed().upto(np.asarray(x, np.float64), np.asarray(y, np.float64), half_life)


EARLY = 8.0
"""In the beginning the half-life is this part of what was seen."""


class _Smoothed:
    """`smooth` with the state it ended in, so that new points cost only themselves."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._half_life = -1.0
        self._done: Reals = np.empty(0)
        self._sum = self._weight = 0.0

    def upto(self, x: Reals, y: Reals, half_life: float) -> Reals:
        if half_life != self._half_life or len(x) < len(self._done) or len(self._done) < 2:
            self.reset()
            self._half_life = half_life
        start = len(self._done)
        if start == len(x):
            return self._done
        if half_life <= 0:
            self._done = np.where(np.isfinite(y), y, np.nan)
            return self._done
        # The first value stands for a stretch as long as the second one's.
        beginning = x[0] - (x[1] - x[0] if len(x) > 1 else 1.0)
        before = x[start - 1 : start] if start else np.array([beginning])
        decay = np.exp2(-np.diff(_half_lives(np.r_[before, x[start:]] - beginning, half_life)))
        finite = np.isfinite(y[start:])
        gain = np.where(finite, 1.0 - decay, 0.0)
        sums = _scan(decay, gain * np.where(finite, y[start:], 0.0), self._sum)
        weights = _scan(decay, gain, self._weight)
        with np.errstate(invalid="ignore", divide="ignore"):
            new = np.where(weights > 0, sums / weights, y[start:])
        self._sum, self._weight = float(sums[-1]), float(weights[-1])
        self._done = np.r_[self._done, np.where(finite, new, np.nan)]
        return self._done


def _half_lives(v: Reals, half_life: float) -> Reals:
    """Return τ(v) of `smooth`, −∞ at the beginning: logarithmic while the half-life grows, then linear."""
    full = EARLY * half_life
    with np.errstate(divide="ignore"):
        growing = EARLY * (1.0 + np.log(np.minimum(v, full) / full))
    tau: Reals = np.where(v < full, growing, v / half_life)
    return tau


def _scan(decay: Reals, gain: Reals, carry: float) -> Reals:
    """Return s_i = decay_i · s_(i−1) + gain_i with s_(−1) = carry: blocks side by side, then the carries between
    them."""
    n = len(decay)
    width = max(1, int(np.sqrt(n)))
    blocks = -(-n // width)
    d = np.ones((blocks, width))
    g = np.zeros((blocks, width))
    d.flat[:n], g.flat[:n] = decay, gain
    for k in range(1, width):
        g[:, k] += d[:, k] * g[:, k - 1]
    reach = np.cumprod(d, axis=1)
    carries = np.empty(blocks)
    for b in range(blocks):
        carries[b] = carry
        carry = g[b, -1] + reach[b, -1] * carry
    g += reach * carries[:, None]
    flat: Reals = g.ravel()[:n]
    return flat


def columns(x: Reals, y: Reals, left: float, right: float, count: int) -> tuple[Reals, Reals]:
    """Return the curve as `count` columns between left and right: its lowest and highest value in each (NaN: none).

    Every finite value is inside its column's span, so no minimum or maximum is lost however many points fall in
    one column; if points are sparse the spans follow the straight line between them, but not across a gap.
    """
    low, high = np.full(count, np.nan), np.full(count, np.nan)
    if not len(x) or not right > left:
        return low, high
    # One point more on each side, for the lines that enter and leave.
    first = max(0, int(np.searchsorted(x, left, "left")) - 1)
    last = min(len(x), int(np.searchsorted(x, right, "right")) + 1)
    x, y = x[first:last], y[first:last]
    finite = np.isfinite(y)
    joined = None  # whether each point is joined to the one before; None: all are
    if not finite.all():
        kept = np.flatnonzero(finite)
        if not len(kept):
            return low, high
        joined = np.r_[False, np.diff(kept) == 1]
        x, y = x[kept], y[kept]
    edges = left + (right - left) * np.arange(count + 1) / count
    # A point on the right edge belongs to the last column.
    starts = np.searchsorted(x, edges, "left")
    starts[-1] = np.searchsorted(x, right, "right")
    filled = np.flatnonzero(starts[1:] > starts[:-1])
    if len(filled):
        # reduceat takes the last of its slices to the end of the array: cut it off first.
        inside, bounds = y[: starts[-1]], starts[filled]
        low[filled] = np.minimum.reduceat(inside, bounds)
        high[filled] = np.maximum.reduceat(inside, bounds)
    after = np.clip(np.searchsorted(x, edges, "left"), 1, max(1, len(x) - 1))
    if len(x) > 1:
        width = x[after] - x[after - 1]
        part = (edges - x[after - 1]) / np.where(width > 0, width, 1.0)
        crossing = y[after - 1] + (y[after] - y[after - 1]) * part
        crossing[(part < 0) | (part > 1)] = np.nan
        if joined is not None:
            crossing[~joined[after]] = np.nan
        low = np.fmin(low, np.fmin(crossing[:-1], crossing[1:]))
        high = np.fmax(high, np.fmax(crossing[:-1], crossing[1:]))
    return low, high


def nearest_index(x: Reals, at: float) -> int | None:
    """Return the index of the point nearest to `at`, None if there is no point."""
    if not len(x):
        return None
    i = int(np.clip(np.searchsorted(x, at), 1, max(1, len(x) - 1)))
    return i if len(x) > 1 and abs(x[i] - at) < abs(x[i - 1] - at) else i - 1
