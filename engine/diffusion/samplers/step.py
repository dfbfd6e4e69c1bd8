"""The parts of every sampler: two noise levels, and a step from one to the other.

Coefficients are Python floats made from log ᾱ in float64, so a sampler is as exact as the dtype of x_t:
float32 in use, float64 in tests.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from engine.diffusion.names import Variance
from engine.diffusion.noise import NoiseSource


@dataclass(frozen=True)
class NoiseLevel:
    """How noisy x is at one moment of sampling: x = √ᾱ x_0 + √(1 − ᾱ) ε."""

    log_alpha_bar: float

    @property
    def alpha(self) -> float:
        """Return √ᾱ."""
        return math.exp(0.5 * self.log_alpha_bar)

    @property
    def variance(self) -> float:
        """Return 1 − ᾱ."""
        return -math.expm1(self.log_alpha_bar)

    @property
    def sigma(self) -> float:
        """Return √(1 − ᾱ)."""
        return math.sqrt(self.variance)

    @property
    def lambda_(self) -> float:
        """Return log(√ᾱ/√(1 − ᾱ)), half the log-SNR: −inf for pure noise, +inf for a clean picture."""
        return 0.5 * (self.log_alpha_bar - math.log(self.variance)) if self.variance > 0 else math.inf


CLEAN = NoiseLevel(0.0)
"""A picture without noise, to which the last step of every sampler leads."""


@dataclass(frozen=True)
class SamplerOptions:
    """The options that a sampler may use, each as its line of the table says.

    noise: of the steps · eta: 0 (no noise) to 1 (as much as ddpm's) · variance: of each step of ddpm.
    """

    noise: NoiseSource
    eta: float = 0.0
    variance: Variance = "fixed_small"


class SamplerStep(Protocol):
    """The interface of a sampler: made anew of `SamplerOptions` for each batch, it may remember the steps before."""

    def __call__(self, here: NoiseLevel, there: NoiseLevel, x: Tensor, x_0: Tensor, eps: Tensor) -> Tensor:
        """Return x (N, C, H, W) at the level `there` from x at the noisier level `here`.

        x_0, eps: (N, C, H, W), estimated from the output of the network at `here`, and consistent with x.
        `there` is never the clean picture: the last step is the estimate itself.
        """
        ...


def step_beta(here: NoiseLevel, there: NoiseLevel) -> float:
    """Return 1 − ᾱ_here/ᾱ_there: the β of the one step that these two levels are apart."""
    return -math.expm1(here.log_alpha_bar - there.log_alpha_bar)
