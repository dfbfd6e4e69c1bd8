"""Distances of feature sets: Fréchet, kernel, precision and recall. Features in, numbers out, all in float64.

Which network made the features, and whether the distance may be called FID, is for the caller to say.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.base.errors import UserError
from engine.evaluation.bootstrap import Interval, interval_of

Features = NDArray[np.floating]
"""(N, D)"""
OnPart = Callable[[int, int], None]
"""(done, total)"""
Parts = Callable[[int], Iterator[int]]
"""Where each chunk of so many rows starts."""


def check_features(a: Features, b: Features | None = None) -> None:
    """Check features. Raises UserError for fewer than 2 rows, anything but (N, D), infinite values, or widths that
    differ."""
    for features in (a,) if b is None else (a, b):
        if features.ndim != 2 or features.shape[1] < 1:
            raise UserError(f"features have the shape {features.shape}", "they are (N, D)")
        if len(features) < 2:
            raise UserError(f"there is {len(features)} row of features", "a distance needs at least 2")
        if not np.isfinite(features).all():
            raise UserError("features have values that are not finite", "check the extractor")
    if b is not None and a.shape[1] != b.shape[1]:
        raise UserError(
            f"features are {a.shape[1]} and {b.shape[1]} wide", "compare features of one extractor"
        )


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """mean (D,), covariance (D, D) with N − 1 below, of n rows."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    n: int
    rows: NDArray[np.float64] | None = None
    """R (n, D) with RᵀR the covariance, where that has fewer rows than columns"""

    @classmethod
    def of(cls, features: Features) -> "FeatureStatistics":
        """Compute the statistics of features. Raises UserError for fewer than 2 rows."""
        check_features(features)
        exact = np.asarray(features, np.float64)
        mean, n = exact.mean(axis=0), len(exact)
        rows = (exact - mean) / np.sqrt(n - 1) if n < exact.shape[1] else None
        return cls(mean, np.atleast_2d(np.cov(exact, rowvar=False)), n, rows)

    @cached_property
    def root(self) -> NDArray[np.float64]:
        """Return the covariance's symmetric square root (D, D); kept, for one reference is compared with many sets."""
        values, vectors = np.linalg.eigh(self.covariance)
        found: NDArray[np.float64] = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
        return found


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Return ‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½) (Heusel et al. 2017), never below 0.

    The trace of the root is taken from the eigenvalues of the symmetric Σ_a^½ Σ_b Σ_a^½, which are those of
    Σ_a Σ_b: real and stable even if there are fewer rows than features. With Σ_b = RᵀR of few rows they are
    those of the small (R Σ_a^½)(R Σ_a^½)ᵀ too.
    """
    if a.mean.shape != b.mean.shape:
        raise UserError(
            f"statistics are {len(a.mean)} and {len(b.mean)} wide", "compare features of one extractor"
        )
    if b.rows is not None:
        half = b.rows @ a.root
        product = half @ half.T
    else:
        product = a.root @ b.covariance @ a.root
    mixed = np.sqrt(np.clip(np.linalg.eigvalsh((product + product.T) / 2), 0, None)).sum()
    distance = ((a.mean - b.mean) ** 2).sum() + np.trace(a.covariance) + np.trace(b.covariance) - 2 * mixed
    return max(0.0, float(distance))


def kernel_distance(a: Features, b: Features) -> float:
    """Return the unbiased MMD² with the kernel (x·y / D + 1)³ (Bińkowski et al. 2018), all rows; may be a little
    below 0."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    n, m, width = len(x), len(y), x.shape[1]
    xx, yy, xy = ((p @ q.T / width + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    return float(
        (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.mean()
    )


def kid(
    a: Features,
    b: Features,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
    on_part: OnPart = lambda done, total: None,
) -> Interval:
    """Return the mean kernel distance over random subsets of both sets, and the interval of the subsets' mean.

    `subset_size` is at most the smaller set's; `on_part` is called before each subset and may raise to stop.
    Raises UserError for fewer than 2 rows or widths that differ.
    """
    check_features(a, b)
    size = min(subset_size, len(a), len(b))
    rng = np.random.default_rng(seed)
    found = np.empty(subsets)
    for done in range(subsets):
        on_part(done, subsets)
        rows = rng.choice(len(a), size, replace=False), rng.choice(len(b), size, replace=False)
        found[done] = kernel_distance(a[rows[0]], b[rows[1]])
    draws = found[rng.integers(len(found), size=(1000, len(found)))].mean(axis=1)
    return interval_of(float(found.mean()), draws)


def precision_recall(
    real: Features,
    fake: Features,
    *,
    k: int = 3,
    chunk: int = 1000,
    on_part: OnPart = lambda done, total: None,
) -> tuple[float, float]:
    """Return improved precision and recall (Kynkäänniemi et al. 2019): the share of fakes within the real pictures'
    balls, and of real ones within the fakes'. A ball reaches to its k-th nearest neighbour.

    `on_part` is called before each `chunk` of rows and may raise to stop.
    Raises UserError if a set has k rows or fewer.
    """
    check_features(real, fake)
    if min(len(real), len(fake)) <= k:
        raise UserError(
            f"precision and recall by {k} neighbours need more than {k} pictures a set", "draw more"
        )
    x, y = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    done, total = 0, 2 * (-(-len(x) // chunk) - (-len(y) // chunk))

    def parts(count: int) -> Iterator[int]:
        nonlocal done
        for start in range(0, count, chunk):
            on_part(done, total)
            yield start
            done += 1

    return (
        _share_inside(y, x, _radii(x, k, chunk, parts), chunk, parts),
        _share_inside(x, y, _radii(y, k, chunk, parts), chunk, parts),
    )


def _squared(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.clip(found, 0, None)


def _radii(points: NDArray[np.float64], k: int, chunk: int, parts: Parts) -> NDArray[np.float64]:
    """Return the squared distance of each point to its k-th nearest other one."""
    radii = np.empty(len(points))
    for start in parts(len(points)):
        distances = _squared(points[start : start + chunk], points)
        # Itself is one of them, at (numerically almost) 0.
        distances[np.arange(len(distances)), np.arange(start, start + len(distances))] = -1
        radii[start : start + chunk] = np.partition(distances, k, axis=1)[:, k]
    return radii


def _share_inside(
    points: NDArray[np.float64],
    centres: NDArray[np.float64],
    radii: NDArray[np.float64],
    chunk: int,
    parts: Parts,
) -> float:
    inside = 0
    for start in parts(len(points)):
        distances = _squared(points[start : start + chunk], centres)
        inside += int((distances <= radii[None]).any(axis=1).sum())
    return inside / len(points)
