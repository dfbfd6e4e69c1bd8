"""Noise of each picture's own: the start of sampling and the noise that its steps add."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from engine.diffusion.randomness import generator_for


class NoiseSource(Protocol):
    """The source of x_T and of the noise of each step."""

    def initial(self) -> Tensor:
        """Return x_T: (N, C, H, W) from N(0, 1), the same at every call."""

    def next(self) -> Tensor:
        """Return fresh noise of the same shape for one step."""


class PictureNoise:
    """Noise drawn picture by picture, so that it depends on (seed, index) and not on the batch.

    `indices` are the pictures' numbers in their sample set, `shape_chw` is (C, H, W). Everything is drawn on
    the CPU in float32 and moved to `device`, so that a seed gives the same noise on every device. `initial`
    has generators of its own: every sampler starts from the same x_T, and calling it twice changes nothing.
    """

    def __init__(
        self,
        seed: int,
        indices: Sequence[int],
        shape_chw: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        self._seed = seed
        self._indices = tuple(indices)
        self._shape = tuple(shape_chw)
        self._device = torch.device(device)
        self._steps = self._generators("sampling.steps")

    def initial(self) -> Tensor:
        """Return x_T: (N, C, H, W) float32 on the device, the same at every call."""
        return self._draw(self._generators("sampling.initial"))

    def next(self) -> Tensor:
        """Return the noise of the next step: (N, C, H, W) float32 on the device."""
        return self._draw(self._steps)

    def _generators(self, purpose: str) -> list[torch.Generator]:
        return [generator_for(self._seed, purpose, index) for index in self._indices]

    def _draw(self, generators: list[torch.Generator]) -> Tensor:
        drawn = torch.empty(len(generators), *self._shape)
        for picture, generator in zip(drawn, generators, strict=True):
            torch.randn(self._shape, generator=generator, out=picture)
        return drawn.to(self._device)
