"""DPM-Solver++(2M) (Lu et al. 2022b): second order, from this estimate of x_0 and the one before."""

import math

from torch import Tensor

from engine.diffusion.samplers.step import NoiseLevel, SamplerOptions


class Dpmpp:
    """DPM-Solver++(2M), Lu et al. 2022b, algorithm 2, in terms of x_0.

    x_s = σ_s/σ_t x_t + α_s (1 − e^{−h}) D with h = λ_s − λ_t: nothing is multiplied by 1/α, so a step from
    α near 0 is harmless, and the one from α = 0 (h = ∞) and the one after it are of first order by themselves.
    """

    def __init__(self, options: SamplerOptions) -> None:
        self._before: tuple[NoiseLevel, Tensor] | None = None

    def __call__(self, here: NoiseLevel, there: NoiseLevel, x: Tensor, x_0: Tensor, eps: Tensor) -> Tensor:
        h = there.lambda_ - here.lambda_
        direction = x_0
        if self._before is not None:
            level, x_0_before = self._before
            half_ratio = h / (2 * (here.lambda_ - level.lambda_))
            direction = (1 + half_ratio) * x_0 - half_ratio * x_0_before
        self._before = here, x_0
        return (there.sigma / here.sigma) * x - (there.alpha * math.expm1(-h)) * direction
