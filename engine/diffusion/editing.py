"""Editing pictures by the reverse process: between two, from one, and within one. Knows denoisers and tensors only."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engine.diffusion.forward import eps_from, x_0_from
from engine.diffusion.names import Prediction
from engine.diffusion.noise import NoiseSource
from engine.diffusion.reverse import Denoiser
from engine.diffusion.samplers.ddpm import Ddpm
from engine.diffusion.samplers.step import CLEAN, NoiseLevel, SamplerOptions, step_beta
from engine.diffusion.schedule import Schedule

Visits = Callable[[int], object]
"""Hears of each network call as it is made, with their number so far."""

FIXED_POINTS = 4
"""Network calls for each step of an inversion: its noise is that of its noisier end, which is being sought."""


def slerp(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """Interpolate between two noises (1, C, H, W) along the sphere on which both approximately lie; share (N,) in 0
    … 1 → (N, C, H, W).

    A straight line would pass through noise of too small a norm (Shoemake 1985; Song et al. 2021a, appendix D.5).
    """
    one, other = a.flatten().double(), b.flatten().double()
    cosine = float((one @ other) / (one.norm() * other.norm()).clamp(min=1e-12))
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    share = share.double().to(a.device)
    if math.sin(angle) < 1e-6:
        weights = (1 - share, share)
    else:
        weights = (
            torch.sin((1 - share) * angle) / math.sin(angle),
            torch.sin(share * angle) / math.sin(angle),
        )
    first, second = (w.view(-1, 1, 1, 1).to(a.dtype) for w in weights)
    return first * a + second * b


@torch.no_grad()
def invert(
    denoise: Denoiser,
    schedule: Schedule,
    prediction: Prediction,
    x_0: Tensor,
    chosen: Sequence[int],
    visit: Visits = lambda calls: None,
) -> Tensor:
    """Return the noise (N, C, H, W) from which ddim without clipping draws x_0 at the timesteps `chosen`, falling
    ones.

    Each step of ddim (Song et al. 2021a, eq. 12 with η = 0) is solved for its noisier end by a fixed point (Pan et
    al. 2023), because the network is called there. `visit` may raise to stop.
    """
    x, calls = x_0, 0
    levels = [CLEAN, *(NoiseLevel(schedule.log_alpha_bars[t]) for t in reversed(chosen))]
    for t, there, here in zip(reversed(chosen), levels, levels[1:], strict=False):
        ratio = here.alpha / there.alpha
        steps = torch.full((len(x),), t, dtype=torch.int64, device=x.device)
        noisy = x
        for _ in range(FIXED_POINTS):
            output = denoise(noisy, steps).to(x.dtype)
            calls += 1
            visit(calls)
            eps = eps_from(prediction, output, noisy, here.alpha, here.sigma)
            noisy = ratio * x + (here.sigma - there.sigma * ratio) * eps
        x = noisy
    return x


@torch.no_grad()
def inpaint(
    denoise: Denoiser,
    schedule: Schedule,
    prediction: Prediction,
    x_0: Tensor,
    mask: Tensor,
    chosen: Sequence[int],
    noise: NoiseSource,
    repeats: int,
    clip: bool = True,
    visit: Visits = lambda calls: None,
) -> Tensor:
    """Draw anew the part of x_0 (N, C, H, W) that `mask` (1, 1, H, W) covers with 1.

    RePaint (Lugmayr et al. 2022, algorithm 1) at the timesteps `chosen`, falling ones: the known part is noised to
    each level and put around the drawn part; each step is done `repeats` times, noised again in between, so that the
    two fit together. Outside of the mask the result is x_0.
    """
    step = Ddpm(SamplerOptions(noise))
    levels = [*(NoiseLevel(schedule.log_alpha_bars[t]) for t in chosen), CLEAN]
    x, calls = noise.initial().to(x_0), 0
    for index, t in enumerate(chosen):
        here, there = levels[index], levels[index + 1]
        steps = torch.full((len(x),), t, dtype=torch.int64, device=x.device)
        for again in range(repeats):
            known = here.alpha * x_0 + here.sigma * noise.next().to(x_0)
            x = torch.lerp(known, x, mask)
            output = denoise(x, steps).to(x.dtype)
            calls += 1
            visit(calls)
            guess = x_0_from(prediction, output, x, here.alpha, here.sigma)
            guess = guess.clamp(-1, 1) if clip else guess
            if there is CLEAN:
                x = guess
                break
            eps = eps_from("x0", guess, x, here.alpha, here.sigma)
            x = step(here, there, x, guess, eps)
            if again + 1 < repeats:
                beta = step_beta(here, there)
                x = math.sqrt(1 - beta) * x + math.sqrt(beta) * noise.next().to(x)
    return torch.where(mask > 0, x, x_0)
