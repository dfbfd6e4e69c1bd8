"""DDIM (Song et al. 2021a): with η = 0 without noise, with η = 1 as ddpm with fixed_small."""

import math

from torch import Tensor

from engine.diffusion.samplers.step import NoiseLevel, SamplerOptions, step_beta


class Ddim:
    """Song et al. 2021a, eq. 12 and 16."""

    def __init__(self, options: SamplerOptions) -> None:
        self._noise = options.noise
        self._eta = options.eta

    def __call__(self, here: NoiseLevel, there: NoiseLevel, x: Tensor, x_0: Tensor, eps: Tensor) -> Tensor:
        # σ² = η² (1 − ᾱ_s)/(1 − ᾱ_t)·(1 − ᾱ_t/ᾱ_s); the direction to x_t has that much less variance.
        share = self._eta**2 * step_beta(here, there) / here.variance
        moved = there.alpha * x_0 + (there.sigma * math.sqrt(max(0.0, 1 - share))) * eps
        if self._eta == 0:
            return moved
        return moved + (there.sigma * math.sqrt(share)) * self._noise.next().to(x)
