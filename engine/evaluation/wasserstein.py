"""Sliced Wasserstein distance of pixel patches on a Laplacian pyramid (Karras et al. 2018, section 5).

Needs no network and no weights. Small if two sets have the same statistics at each scale of detail; it says
nothing of whether a face is whole.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from engine.evaluation.bootstrap import Interval
from engine.evaluation.pictures import Pictures, check_pictures, check_same_size

PATCH = 7
SMALLEST = 16
"""Pixels a side of the coarsest level."""
Projected = NDArray[np.float32]
GROUPS = 10
"""The pictures' parts that the interval is made from."""


@dataclass(frozen=True)
class SlicedWasserstein:
    """mean over the levels, with its interval; levels: pixels a side → distance, finest first."""

    mean: Interval
    levels: dict[int, float]


def sliced_wasserstein(
    a: Pictures,
    b: Pictures,
    *,
    projections: int = 256,
    patches: int = 32,
    seed: int = 0,
    on_part: Callable[[int, int], None] = lambda done, total: None,
) -> SlicedWasserstein:
    """Return the distance between the patches of two sets, uint8 (N, 3, H, W) and (M, 3, H, W), times 1000 as in the
    paper.

    From each picture's every level `patches` patches of 7×7 pixels are taken, each colour normalised over its set to
    mean 0 and deviation 1, and compared along `projections` random directions. Sets of different sizes are compared
    by their quantiles. The interval is a jackknife over ten parts of the first set (fewer if it is small).
    Deterministic in `seed`. `on_part` is called with how many parts of the work are done; it may raise to stop.
    Raises UserError for fewer than 2 pictures, or sizes that differ.
    """
    check_pictures(a, "the first set")
    check_pictures(b, "the second set")
    check_same_size(a, b)
    random = torch.Generator().manual_seed(seed)
    levels: dict[int, float] = {}
    parts: list[NDArray[np.float64]] = []
    done, total = 0, len(_sides(a.shape[2:])) * (3 + min(GROUPS, len(a)))

    def ticked() -> None:
        nonlocal done
        done += 1
        on_part(done, total)

    for (first, second), side in zip(
        zip(_pyramid(a), _pyramid(b), strict=True), _sides(a.shape[2:]), strict=True
    ):
        directions = torch.randn(3 * PATCH * PATCH, projections, generator=random)
        directions /= directions.norm(dim=0)
        # The same places in both sets: for as many pictures as both have, only the pictures differ.
        places = _places(max(len(a), len(b)), first.shape[2:], patches, random)
        mine = _projected(first, places[: len(first)], directions)
        ticked()
        others = np.sort(_projected(second, places[: len(second)], directions))
        ticked()
        levels[side] = 1000 * _distance(np.sort(mine), others)
        ticked()
        parts.append(1000 * _leave_out(mine, others, len(a), patches, ticked))
    mean = float(np.mean(list(levels.values())))
    estimates = np.mean(parts, axis=0)
    spread = float(np.sqrt((len(estimates) - 1) * np.mean((estimates - estimates.mean()) ** 2)))
    return SlicedWasserstein(Interval(mean, max(0.0, mean - 1.96 * spread), mean + 1.96 * spread), levels)


def _sides(shape: tuple[int, ...]) -> list[int]:
    side, found = min(shape), [min(shape)]
    while side >= 2 * SMALLEST and side % 2 == 0:
        side //= 2
        found.append(side)
    return found


def _pyramid(pictures: Pictures) -> list[Tensor]:
    """Return Laplacian levels (N, 3, H/2^i, W/2^i) float32, finest first; the last is the rest of the picture."""
    levels = []
    current = torch.from_numpy(np.ascontiguousarray(pictures)).float() / 127.5 - 1
    for _ in range(len(_sides(pictures.shape[2:])) - 1):
        smaller = functional.avg_pool2d(_blur(current), 2)
        back = functional.interpolate(smaller, scale_factor=2, mode="bilinear", align_corners=False)
        levels.append(current - back)
        current = smaller
    return [*levels, current]


def _blur(x: Tensor) -> Tensor:
    """Apply the binomial filter of five, in each colour."""
    row = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    kernel = torch.outer(row, row).expand(3, 1, 5, 5)
    return functional.conv2d(functional.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, groups=3)


def _places(count: int, shape: tuple[int, ...], patches: int, random: torch.Generator) -> Tensor:
    """Draw upper left corners (count, patches, 2)."""
    rows, columns = (torch.randint(side - PATCH + 1, (count, patches), generator=random) for side in shape)
    return torch.stack([rows, columns], dim=2)


def _projected(level: Tensor, places: Tensor, directions: Tensor) -> Projected:
    """Return normalised patches along each direction: (projections, N × patches), unsorted."""
    found = torch.empty(len(level), places.shape[1], 3, PATCH, PATCH)
    for start in range(0, len(level), 256):
        part, corner = level[start : start + 256], places[start : start + 256]
        windows = part.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # (n, 3, H', W', 7, 7), a view
        index = torch.arange(len(part))[:, None]
        found[start : start + 256] = windows[index, :, corner[..., 0], corner[..., 1]]
    mean = found.mean(dim=(0, 1, 3, 4), keepdim=True)
    deviation = found.std(dim=(0, 1, 3, 4), keepdim=True).clamp_min(1e-8)
    rows = ((found - mean) / deviation).flatten(2).flatten(0, 1)
    return np.ascontiguousarray((directions.T @ rows.T).numpy())


def _distance(a: Projected, b: Projected) -> float:
    """Return the mean over directions of the Wasserstein-1 distance of two sorted samples of one dimension."""
    count = min(a.shape[1], b.shape[1])
    if a.shape[1] != b.shape[1]:
        middle = (np.arange(count) + 0.5) / count
        a, b = (v[:, (middle * v.shape[1]).astype(np.int64)] for v in (a, b))
    return float(np.abs(a - b).mean(dtype=np.float64))


def _leave_out(
    a: Projected, b: Projected, pictures: int, patches: int, ticked: Callable[[], None]
) -> NDArray[np.float64]:
    """Return the distance without one part of the first set's pictures, for each part; b is sorted."""
    groups = min(GROUPS, pictures)
    group = np.arange(pictures).repeat(patches) * groups // pictures
    few = slice(0, 64)  # directions: the spread over parts needs fewer than the figure itself
    found = np.empty(groups)
    for g in range(groups):
        found[g] = _distance(np.sort(a[few, group != g]), b[few])
        ticked()
    return found
