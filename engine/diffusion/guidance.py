"""Guidance: away from a worse denoiser's prediction, towards a better one's. Sampling only.

Knows denoisers and log-SNR; the choice of the worse one (the same network without labels, or an earlier checkpoint)
is its caller's business.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engine.diffusion.reverse import Denoiser

Pair = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""x_t (N, C, H, W), t (N,) → what the main and the guiding denoiser say of it, each (N, C, H, W)."""

Interval = tuple[float, float]
"""log-SNR from … to: outside of it nothing is guided."""


def guided(
    main: Denoiser,
    pair: Pair,
    weight: float,
    log_alpha_bars: Sequence[float] = (),
    interval: Interval | None = None,
) -> Denoiser:
    """Return a denoiser with output g + w (m − g); m is the main one's output and g the guide's.

    Ho & Salimans 2022, eq. 6 with w = 1 + their w, if the guide is the same network without labels; Karras et al.
    2024a, eq. 3, if it is a worse version of it. The outputs may be eps, x_0 or v: at one x_t each is linear in the
    others. At weight 1 it is m. Within `interval` alone (Kynkäänniemi et al. 2024) if there is one: outside of it
    `main` is called and the guide is not. `log_alpha_bars` is the schedule's, for the interval.

    All of t must be one timestep, as samplers have it. Raises ValueError for a weight that is no finite number, or
    an interval whose ends are not in order.
    """
    if not math.isfinite(weight):
        raise ValueError(f"the weight of guidance is {weight}")
    if interval is not None and not interval[0] < interval[1]:
        raise ValueError(f"the interval of guidance goes from {interval[0]} to {interval[1]}")

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        if interval is not None and not interval[0] <= log_snr(log_alpha_bars[int(t[0])]) <= interval[1]:
            return main(x_t, t)
        towards, away = pair(x_t, t)
        # In half precision the difference of two outputs has few bits left.
        dtype = torch.promote_types(away.dtype, torch.float32)
        return torch.lerp(away.to(dtype), towards.to(dtype), weight)

    return denoise


def log_snr(log_alpha_bar: float) -> float:
    """Return log(ᾱ/(1 − ᾱ)) from log ᾱ: −inf for pure noise, +inf for a clean picture."""
    if log_alpha_bar == -math.inf:
        return -math.inf
    return log_alpha_bar - math.log(-math.expm1(log_alpha_bar)) if log_alpha_bar < 0 else math.inf
