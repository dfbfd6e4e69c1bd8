"""The cosine schedule (Nichol & Dhariwal 2021, eq. 17)."""

import math
from itertools import pairwise

from engine.diffusion.schedules import MAX_BETA

_OFFSET = 0.008


def betas(steps: int, start: float, end: float) -> list[float]:
    """Return 1 − ᾱ_t/ᾱ_{t−1} of ᾱ = cos²((t/T + s)/(1 + s)·π/2), s = 0.008, each at most 0.999."""
    angles = [(step / steps + _OFFSET) / (1 + _OFFSET) * math.pi / 2 for step in range(steps + 1)]
    # 1 − cos²b/cos²a = sin(b − a)·sin(b + a)/cos²a: the left side loses the digits of the first, tiny β.
    return [min(math.sin(b - a) * math.sin(b + a) / math.cos(a) ** 2, MAX_BETA) for a, b in pairwise(angles)]
