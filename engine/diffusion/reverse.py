"""The reverse process: from noise to pictures by any sampler over any chosen timesteps.

Must not know of networks (a denoiser is a callable), files or previews.
"""

from collections.abc import Callable, Sequence
from typing import get_args

import torch
from torch import Tensor

from engine.base.named import load
from engine.diffusion.forward import check_prediction, eps_from, x_0_from
from engine.diffusion.names import Prediction, Variance
from engine.diffusion.noise import NoiseSource
from engine.diffusion.samplers import SamplerName, sampler_named
from engine.diffusion.samplers.step import CLEAN, NoiseLevel, SamplerOptions, SamplerStep
from engine.diffusion.schedule import Schedule
from engine.diffusion.spacing import Spacing, timesteps

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""x_t (N, C, H, W) and t (N,) int64 → the network's output (N, C, H, W), of any floating dtype."""
OnStep = Callable[[int, Tensor, Tensor], None]
"""Called after each step with its index 0 … S−1, the new x (N, C, H, W) and the x_0 estimated for it."""


@torch.no_grad()
def sample(
    denoise: Denoiser,
    schedule: Schedule,
    prediction: Prediction,
    shape_or_noise: Sequence[int] | Tensor | None = None,
    *,
    sampler: SamplerName,
    steps: int,
    noise: NoiseSource,
    spacing: Spacing = "trailing",
    eta: float = 0.0,
    clip: bool = True,
    variance: Variance = "fixed_small",
    begin: int = 0,
    on_step: OnStep | None = None,
) -> Tensor:
    """Draw pictures (N, C, H, W), about in [−1, 1] (exactly so if `clip`), of the dtype and device of x_T.

    - `denoise` is called once a step; its output may have any floating dtype, the maths stays in that of x_T
    (float32 from `PictureNoise`). - `shape_or_noise` is x_T itself; None or a shape takes `noise.initial()`, which
    must have that shape. - `steps` S in 1 … T and `spacing` choose the timesteps; a step leads to the next
    *selected* one, the last to the clean picture: the x_0 estimated there, with no noise whatever its t. - `sampler`
    is a name of `engine.diffusion.samplers.SAMPLERS`, which gives its use of `eta` (0 … 1) and `variance`. - `clip`
    clamps each estimated x_0 to [−1, 1] and recomputes ε from it. If 1/√ᾱ_T is in the thousands (cosine), a small
    error of ε is otherwise a huge one of x_0.

    - `begin`: steps that are left out; `shape_or_noise` is then a picture at the noise of the first that is done.

    Raises UserError for an unknown sampler, ValueError for arguments outside these ranges, or eps on a
    zero-terminal-SNR schedule.
    """
    check_prediction(schedule, prediction)
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be from 0 to 1, not {eta}")
    if variance not in get_args(Variance):
        raise ValueError(f"unknown variance {variance!r}; there are {', '.join(get_args(Variance))}")
    step: SamplerStep = load(sampler_named(sampler).step)(SamplerOptions(noise, eta, variance))
    chosen = timesteps(schedule.steps, steps, spacing, schedule.log_alpha_bars)
    levels = [*(NoiseLevel(schedule.log_alpha_bars[t]) for t in chosen), CLEAN]

    x = _start(shape_or_noise, noise)
    for index, t in enumerate(chosen[begin:], begin):
        here, there = levels[index], levels[index + 1]
        output = denoise(x, torch.full((x.shape[0],), t, dtype=torch.int64, device=x.device)).to(x.dtype)
        x_0 = x_0_from(prediction, output, x, here.alpha, here.sigma)
        if clip:
            x_0 = x_0.clamp(-1, 1)
            eps = eps_from("x0", x_0, x, here.alpha, here.sigma)
        else:
            eps = eps_from(prediction, output, x, here.alpha, here.sigma)
        # All three would arrive at x_0 by their own formulas; said once, no rounding and no noise get in.
        x = x_0 if there is CLEAN else step(here, there, x, x_0, eps)
        if on_step is not None:
            on_step(index, x, x_0)
    return x


def to_uint8(x: Tensor) -> Tensor:
    """Return pictures as bytes: (N, C, H, W) floating in [−1, 1] → (N, H, W, C) uint8, contiguous, same device.

    Clamped first and then rounded: a value left to wrap around is a speck of a wrong colour. NaN becomes 0.
    """
    scaled = torch.nan_to_num(x.float(), nan=-1.0).clamp(-1, 1).add(1).mul(127.5).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _start(shape_or_noise: Sequence[int] | Tensor | None, noise: NoiseSource) -> Tensor:
    if isinstance(shape_or_noise, Tensor):
        return shape_or_noise
    x = noise.initial()
    if shape_or_noise is not None and tuple(shape_or_noise) != tuple(x.shape):
        raise ValueError(f"the noise has the shape {tuple(x.shape)}, not {tuple(shape_or_noise)}")
    return x
