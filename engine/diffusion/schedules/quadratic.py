"""The quadratic schedule."""

import math

from engine.diffusion.schedules.shares import shares


def betas(steps: int, start: float, end: float) -> list[float]:
    """Return β_t with √β_t evenly between the square roots of the ends; see `engine.diffusion.schedules.Betas`."""
    if steps == 1:
        return [end]
    low, high = math.sqrt(start), math.sqrt(end)
    return [(low + share * (high - low)) ** 2 for share in shares(steps)]
