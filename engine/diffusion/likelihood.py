"""Bits per dimension by the variational bound, term by term (Ho et al. 2020, eq. 5).

    −log p(x_0) ≤ L_T + Σ_{t=1}^{T−1} L_t + L_0

with L_T the rest of the picture in x_T, L_t the loss of each denoising step, and L_0 the cost of the last
one, down to the 256 levels of a byte. Every figure is per picture, in bits per dimension, float32. Must not
know of data sets or of how scores are stored.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.forward import add_noise, check_prediction, predict_x_0
from engine.diffusion.names import Prediction, Variance
from engine.diffusion.noise import NoiseSource
from engine.diffusion.reverse import Denoiser
from engine.diffusion.schedule import Schedule

_HALF_LEVEL = 1 / 255
"""Half the distance of two byte values, in [−1, 1]."""


@dataclass(frozen=True, eq=False)
class VariationalBound:
    """The bound and its parts, in bits per dimension; smaller is better."""

    prior: Tensor
    """L_T (N,): KL(q(x_T | x_0) ‖ N(0, 1)). Nothing learns it away; large where ᾱ_T is not nearly 0."""
    steps: Tensor
    """(N, S): the term of each timestep asked for, in the order of `timesteps`."""
    timesteps: tuple[int, ...]
    total: Tensor
    """(N,): the whole bound; an unbiased estimate of it where not every timestep was asked for."""


def vlb_terms(
    schedule: Schedule,
    prediction: Prediction,
    output: Tensor,
    x_0: Tensor,
    x_t: Tensor,
    t: Tensor,
    *,
    variance: Variance = "fixed_small",
    clip: bool = True,
) -> Tensor:
    """Return the term of the bound at each picture's t: (N,) float32, bits per dimension.

    For t > 0: KL(q(x_{t−1} | x_t, x_0) ‖ p(x_{t−1} | x_t)) (eq. 8). For t = 0: −log₂ p(x_0 | x_1) by the
    discretised Gaussian (eq. 13). p's mean comes from `output`; its variance is β̃_t (fixed_small) or β_t
    (fixed_large), and β̃ of the next step at t = 0 for both, as β̃ itself is 0 there. A measure, not a loss: its
    gradient is not defined at t = 0.

    output, x_0, x_t: (N, C, H, W), x_0 in [−1, 1] on the byte grid (levels 2/255 apart), x_t from `add_noise`;
    t: (N,) int64. `clip` clamps the estimate of x_0 to [−1, 1] first, as the samplers do.
    Raises ValueError for eps on a zero-terminal-SNR schedule.
    """
    x_0 = x_0.float()
    estimate = predict_x_0(schedule, prediction, output, x_t, t)
    if clip:
        estimate = estimate.clamp(-1, 1)
    return torch.where(
        t > 0,
        _kl(schedule, x_0, estimate, t, variance),
        # The mean of p(x_0 | x_1) is the estimate itself: at t = 0 the weight of x_t in eq. 7 is 0.
        _discretised_bits(x_0, estimate, _decoder_deviation(schedule)),
    )


def prior_bits(schedule: Schedule, x_0: Tensor) -> Tensor:
    """Return L_T: KL(q(x_T | x_0) ‖ N(0, 1)), (N, C, H, W) → (N,) float32, bits per dimension; 0 at zero terminal
    SNR."""
    log_alpha_bar = schedule.log_alpha_bars[-1]
    kept = math.exp(log_alpha_bar)
    power = x_0.float().square().flatten(1).mean(1)
    return 0.5 * (kept * power - kept - math.log1p(-kept)) / math.log(2)


def variational_bound(
    denoise: Denoiser,
    schedule: Schedule,
    prediction: Prediction,
    x_0: Tensor,
    noise: NoiseSource,
    *,
    variance: Variance = "fixed_small",
    clip: bool = True,
    timesteps: Sequence[int] | None = None,
) -> VariationalBound:
    """Return the bound for pictures x_0 (N, C, H, W) in [−1, 1] on the byte grid, one sample of x_t for each t.

    `noise.next()` is drawn once for each of `timesteps`, every one of 0 … T−1 by default (T passes of the
    network). A subset must hold t = 0 and makes `total` an estimate: the mean of its other terms, times T − 1.

    Raises ValueError for a subset without 0, with doubles or outside 0 … T−1, or only 0 of a longer schedule.
    """
    check_prediction(schedule, prediction)
    chosen = tuple(range(schedule.steps)) if timesteps is None else tuple(timesteps)
    if len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(schedule.steps)):
        raise ValueError(f"timesteps must be different and within 0 … {schedule.steps - 1}")
    if 0 not in chosen or (len(chosen) == 1 and schedule.steps > 1):
        raise ValueError("timesteps must hold 0 and at least one other: both kinds of term are needed")

    terms = []
    with torch.no_grad():
        for value in chosen:
            t = torch.full((x_0.shape[0],), value, dtype=torch.int64, device=x_0.device)
            x_t = add_noise(schedule, x_0, noise.next(), t)
            output = denoise(x_t, t)
            terms.append(vlb_terms(schedule, prediction, output, x_0, x_t, t, variance=variance, clip=clip))
    steps = torch.stack(terms, dim=1)
    prior = prior_bits(schedule, x_0)
    first = chosen.index(0)
    decoder = steps[:, first]
    others = steps.sum(1) - decoder
    scale = (schedule.steps - 1) / (len(chosen) - 1) if len(chosen) > 1 else 0.0
    return VariationalBound(prior, steps, chosen, prior + decoder + scale * others)


def _kl(schedule: Schedule, x_0: Tensor, estimate: Tensor, t: Tensor, variance: Variance) -> Tensor:
    """Compute eq. 8: both means share the part of x_t, so only the difference in x_0 is left, and nothing cancels."""
    between = schedule.posterior_mean_x_0[t].square() * (x_0 - estimate).square().flatten(1).mean(1)
    small = schedule.posterior_variance[t]
    if variance == "fixed_small":
        return 0.5 * between / small / math.log(2)
    large = schedule.betas[t]
    ratio = small / large
    return 0.5 * (ratio - 1 - ratio.log() + between / large) / math.log(2)


def _decoder_deviation(schedule: Schedule) -> Tensor:
    """Return the standard deviation of p(x_0 | x_1), a scalar; a schedule of one step has only its β."""
    return (schedule.posterior_variance[1] if schedule.steps > 1 else schedule.betas[0]).sqrt()


def _discretised_bits(x_0: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Compute eq. 13: the Gaussian's mass between the neighbouring half levels; the outermost levels reach to
    infinity."""
    up = (x_0 - mean + _HALF_LEVEL) / deviation
    down = (x_0 - mean - _HALF_LEVEL) / deviation
    up = torch.where(x_0 > 1 - _HALF_LEVEL, math.inf, up)
    down = torch.where(x_0 < -1 + _HALF_LEVEL, -math.inf, down)
    # A mass in the right tail is a difference of two ones; in the left tail, of two small numbers.
    mirrored = down > 0
    up, down = torch.where(mirrored, -down, up), torch.where(mirrored, -up, down)
    log_up, log_down = torch.special.log_ndtr(up), torch.special.log_ndtr(down)
    log_mass: Tensor = log_up + torch.log1p(-(log_down - log_up).exp())
    return -log_mass.flatten(1).mean(1) / math.log(2)
