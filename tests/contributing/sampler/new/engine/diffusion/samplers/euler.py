"""Euler's method on the probability flow, in terms of x/√ᾱ (Karras et al. 2022, algorithm 1)."""

from torch import Tensor

from engine.diffusion.samplers.step import NoiseLevel, SamplerOptions


class Euler:
    """x/√ᾱ moves along ε by the change of √(1 − ᾱ)/√ᾱ."""

    def __init__(self, options: SamplerOptions) -> None:
        pass

    def __call__(self, here: NoiseLevel, there: NoiseLevel, x: Tensor, x_0: Tensor, eps: Tensor) -> Tensor:
        moved = there.sigma / there.alpha - here.sigma / here.alpha
        return there.alpha * (x / here.alpha + moved * eps)
