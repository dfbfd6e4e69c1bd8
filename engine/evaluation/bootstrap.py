"""The certainty of a figure: percentile intervals from resampling (Efron 1979). Must not know the measures."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.base.errors import UserError

RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A figure and the interval that holds the truth with the level asked for."""

    value: float
    low: float
    high: float


def bootstrap(
    values: ArrayLike,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return the mean of `values` (N,), or another statistic, with its percentile interval.

    `statistic` takes values drawn anew, (resamples, N), and returns (resamples,); it is also applied to the values
    themselves, (1, N). Raises UserError for fewer than 2 values.
    """
    given = np.asarray(values, np.float64).reshape(-1)
    if len(given) < 2:
        raise UserError(f"{len(given)} value has no interval", "a score needs at least 2 pictures")
    found = statistic or (lambda drawn: drawn.mean(axis=1))
    value = float(found(given[None])[0])
    rng = np.random.default_rng(seed)
    # In parts: a thousand draws of 50,000 values at once would be 400 MB.
    part = max(1, 4_000_000 // len(given))
    estimates = np.concatenate(
        [
            found(given[rng.integers(len(given), size=(min(part, resamples - start), len(given)))])
            for start in range(0, resamples, part)
        ]
    )
    return interval_of(value, estimates, level)


def interval_of(value: float, estimates: ArrayLike, level: float = 0.95) -> Interval:
    """Return the percentile interval around `value` from estimates (R,) that were made by resampling."""
    tail = (1 - level) / 2
    low, high = np.quantile(np.asarray(estimates, np.float64), [tail, 1 - tail])
    return Interval(value, float(low), float(high))
