"""Bits per dimension of pictures under a network, by the variational bound and term by term.

The bound's own arithmetic is `engine.diffusion.likelihood`; here it is taken over a data set in batches.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from engine.base.errors import UserError
from engine.diffusion.likelihood import variational_bound
from engine.diffusion.names import Prediction, Variance
from engine.diffusion.noise import PictureNoise
from engine.diffusion.reverse import Denoiser
from engine.diffusion.schedule import Schedule
from engine.evaluation.bootstrap import Interval, bootstrap
from engine.evaluation.pictures import Pictures, check_pictures

OnBatch = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class BitsPerDim:
    """The bound, smaller is better, and its known parts, which add up to it (Ho et al. 2020, eq. 5).

    total: the mean over pictures with its interval · prior: L_T, the rest in x_T · transitions: Σ L_t, the
    denoising steps · decoder: L_0, the last step down to the byte · variance: of p; the bound is one on that p.
    """

    total: Interval
    prior: float
    transitions: float
    decoder: float
    timesteps: tuple[int, ...]
    terms: tuple[float, ...]
    """each timestep's mean term, in the order of `timesteps`"""
    variance: Variance


def bits_per_dim(
    denoise: Denoiser,
    schedule: Schedule,
    prediction: Prediction,
    pictures: Pictures,
    *,
    variance: Variance = "fixed_large",
    stride: int = 1,
    seed: int = 0,
    batch: int = 64,
    device: torch.device | str = "cpu",
    on_batch: OnBatch = lambda done, total: None,
) -> BitsPerDim:
    """Return the bound on pictures uint8 (N, 3, H, W), clipped as the samplers clip.

    The noise is a function of (seed, picture). Every `stride`-th timestep is computed and stands for the ones
    between. fixed_large is the default because its bound is the tighter one by far: with few steps, and if a network
    is not perfect, β̃ promises a precision that it does not keep. Raises UserError for fewer than 2 pictures or a
    stride below 1.
    """
    check_pictures(pictures, "the set")
    if stride < 1:
        raise UserError(f"stride {stride}: every timestep is 1, every second one 2")
    timesteps = tuple(dict.fromkeys([0, *range(schedule.steps - 1, 0, -stride)]))
    totals, priors, terms = [], [], []
    for start in range(0, len(pictures), batch):
        part = np.ascontiguousarray(pictures[start : start + batch])
        x_0 = (torch.from_numpy(part).float() / 127.5 - 1).to(device)
        noise = PictureNoise(seed, range(start, start + len(part)), tuple(part.shape[1:]), device)
        with torch.no_grad():
            bound = variational_bound(
                denoise, schedule, prediction, x_0, noise, variance=variance, timesteps=timesteps
            )
        totals.append(bound.total.cpu().double().numpy())
        priors.append(bound.prior.cpu().double().numpy())
        terms.append(bound.steps.cpu().double().numpy())
        on_batch(start + len(part), len(pictures))
    each, mean = np.concatenate(totals), np.concatenate(terms).mean(axis=0)
    prior, decoder = float(np.concatenate(priors).mean()), float(mean[timesteps.index(0)])
    total = bootstrap(each, seed=seed)
    return BitsPerDim(
        total, prior, total.value - prior - decoder, decoder, timesteps, tuple(map(float, mean)), variance
    )
