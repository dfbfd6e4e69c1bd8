"""Ancestral sampling (Ho et al. 2020, algorithm 2) on any chosen timesteps."""

import math

from torch import Tensor

from engine.diffusion.samplers.step import NoiseLevel, SamplerOptions, step_beta


class Ddpm:
    """The posterior q(x_s | x_t, x_0) of Ho et al. 2020, eq. 6 and 7, for any s < t."""

    def __init__(self, options: SamplerOptions) -> None:
        self._noise = options.noise
        self._variance = options.variance

    def __call__(self, here: NoiseLevel, there: NoiseLevel, x: Tensor, x_0: Tensor, eps: Tensor) -> Tensor:
        beta = step_beta(here, there)
        kept = there.variance / here.variance
        mean = (there.alpha * beta / here.variance) * x_0 + (math.sqrt(1 - beta) * kept) * x
        variance = kept * beta if self._variance == "fixed_small" else beta
        return mean + math.sqrt(variance) * self._noise.next().to(x)
