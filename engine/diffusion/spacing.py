"""The timesteps that a sampler visits, out of T. Imports nothing but the standard library."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, get_args

Spacing = Literal["trailing", "linspace", "leading", "logsnr"]

_NOISIEST_LOG_SNR = -10.0
"""Below this (ᾱ about 4.5e-5, the end of the linear schedule) x_t is noise, and steps between are wasted."""


def timesteps(
    T: int,  # noqa: N803 - T and S are the papers' letters
    S: int,  # noqa: N803
    spacing: Spacing = "trailing",
    log_alpha_bars: Sequence[float] | None = None,
) -> list[int]:
    """Return S different timesteps of 0 … T−1, the noisiest first, for any S in 1 … T (Lin et al. 2024, table 2).

    - trailing: T − 1 first, then every T/S-th; T − k·T/S rounded, less one. - linspace: both ends, T − 1 and 0, and
    evenly between; a single step is T − 1. - leading: k·T/S rounded down. It leaves out the noisiest steps, though
    sampling starts from pure noise; it is here for comparing with work that used it. - logsnr: both ends, and evenly
    in the log-SNR between (Lu et al. 2022a, section 3.4), which suits a solver of few steps; it alone needs the
    schedule's `log_alpha_bars`, T of them. A log-SNR below −10 gets no steps but the first.

    Raises ValueError for S outside 1 … T, an unknown spacing, or a missing or misfitting `log_alpha_bars`.
    """
    if not 1 <= S <= T:
        raise ValueError(f"steps must be from 1 to the schedule's {T}, not {S}")
    if spacing == "trailing":
        # Fractions round exactly at halves, for which floats may err so that two steps fall on one.
        return [round(T - k * Fraction(T, S)) - 1 for k in range(S)]
    if spacing == "linspace":
        if S == 1:
            return [T - 1]
        return [round(k * Fraction(T - 1, S - 1)) for k in reversed(range(S))]
    if spacing == "leading":
        return [k * T // S for k in reversed(range(S))]
    if spacing == "logsnr":
        if log_alpha_bars is None or len(log_alpha_bars) != T:
            raise ValueError(f"spacing 'logsnr' needs the schedule's {T} log_alpha_bars")
        return _even_in_log_snr(S, log_alpha_bars)
    raise ValueError(f"unknown spacing {spacing!r}; there are {', '.join(get_args(Spacing))}")


def _even_in_log_snr(count: int, log_alpha_bars: Sequence[float]) -> list[int]:
    log_snr = [bar - math.log(-math.expm1(bar)) for bar in log_alpha_bars]
    last = len(log_snr) - 1
    noisiest, cleanest = max(log_snr[last], min(_NOISIEST_LOG_SNR, log_snr[0])), log_snr[0]
    chosen = [last]
    for k in range(1, count):
        wanted = noisiest + (cleanest - noisiest) * k / (count - 1)
        nearest = min(range(last + 1), key=lambda t: abs(log_snr[t] - wanted))
        # If wanted levels crowd on few timesteps, take the next free one, but leave as many as are still to come.
        chosen.append(max(min(nearest, chosen[-1] - 1), count - 1 - k))
    return chosen
