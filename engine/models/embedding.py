"""The timestep as a vector: sinusoids of many wavelengths through a small MLP."""

import math

import torch
from torch import Tensor, nn

LONGEST_WAVE = 10_000


def sinusoids(t: Tensor, dim: int) -> Tensor:
    """Embed t (N,) → (N, dim) float32: sines and cosines with wavelengths from 2π to 2π·10,000 (Vaswani et al.,
    section 3.5). An odd `dim` ends in a zero."""
    half = dim // 2
    rates = torch.exp(-math.log(LONGEST_WAVE) * torch.arange(half, device=t.device) / max(1, half - 1))
    angles = t[:, None].float() * rates
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    return nn.functional.pad(waves, (0, dim % 2))


class TimeEmbedding(nn.Module):
    """t (N,) int64 → (N, channels): sinusoids, linear, SiLU, linear, SiLU (every block starts from a SiLU of it)."""

    def __init__(self, dim: int, channels: int) -> None:
        super().__init__()
        self.dim = dim
        self.first = nn.Linear(dim, channels)
        self.second = nn.Linear(channels, channels)

    def forward(self, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Embed t. labels: (N, channels), added before the last SiLU."""
        hidden = self.second(nn.functional.silu(self.first(sinusoids(t, self.dim))))
        return nn.functional.silu(hidden if labels is None else hidden + labels)
