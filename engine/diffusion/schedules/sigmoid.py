"""The sigmoid schedule."""

import math

from engine.diffusion.schedules.shares import shares

_REACH = 6.0


def betas(steps: int, start: float, end: float) -> list[float]:
    """Return the logistic function of −6 … 6, stretched between the ends; see `engine.diffusion.schedules.Betas`."""
    if steps == 1:
        return [end]
    return [start + (end - start) / (1 + math.exp(_REACH * (1 - 2 * share))) for share in shares(steps)]
