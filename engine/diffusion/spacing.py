"""Which of the T timesteps a sampler visits. Imports nothing but the standard library."""

from fractions import Fraction
from typing import Literal, get_args

Spacing = Literal["trailing", "linspace", "leading"]


def timesteps(T: int, S: int, spacing: Spacing = "trailing") -> list[int]:  # noqa: N803 - the papers' letters
    """S different timesteps of 0 … T−1, the noisiest first, for any S in 1 … T (Lin et al. 2024, table 2).

    - trailing: T − 1 first, then every T/S-th; T − k·T/S rounded, less one.
    - linspace: both ends, 0 and T − 1, and evenly between; a single step is T − 1.
    - leading: k·T/S rounded down. It leaves out the noisiest steps, though sampling starts from pure noise;
      it is here for comparing with work that used it.

    Raises ValueError for S outside 1 … T or an unknown spacing.
    """
    if not 1 <= S <= T:
        raise ValueError(f"steps must be from 1 to the schedule's {T}, not {S}")
    if spacing == "trailing":
        # Fractions round where floats would guess: at halves, where two steps may fall on one.
        return [round(T - k * Fraction(T, S)) - 1 for k in range(S)]
    if spacing == "linspace":
        if S == 1:
            return [T - 1]
        return [round(k * Fraction(T - 1, S - 1)) for k in reversed(range(S))]
    if spacing == "leading":
        return [k * T // S for k in reversed(range(S))]
    raise ValueError(f"unknown spacing {spacing!r}; there are {', '.join(get_args(Spacing))}")
