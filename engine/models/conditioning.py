"""The network's input about a picture beside the noise: a vector that is added to the time embedding."""

import torch
from torch import Tensor, nn

from engine.config.names import LabelKind


class LabelEmbedding(nn.Module):
    """Labels of N pictures → (N, channels), which is zero at first whatever they are.

    So adding one leaves a network's function unchanged at first. kind "class": y (N,) int64 of 0 … count−1, count
    for unknown; "attributes": y (N, count) of any real dtype, −1 absent, 0 unknown, +1 present, and values between.
    """

    def __init__(self, kind: LabelKind, count: int, channels: int) -> None:
        super().__init__()
        self.kind, self.count = kind, count
        if kind == "class":
            self.table = nn.Embedding(count + 1, channels)
            nn.init.zeros_(self.table.weight)
        else:
            self.first = nn.Linear(count, channels, bias=False)
            self.second = nn.Linear(channels, channels)
            nn.init.zeros_(self.second.weight)
            nn.init.zeros_(self.second.bias)

    def forward(self, y: Tensor | None, n: int) -> Tensor:
        """Embed y; for None, `n` pictures with unknown labels."""
        device = next(self.parameters()).device
        if y is None:
            y = self.unknown(n, device)
        if self.kind == "class":
            found: Tensor = self.table(y)
            return found
        hidden = nn.functional.silu(self.first(y.to(self.first.weight.dtype)))
        out: Tensor = self.second(hidden)
        return out

    def unknown(self, n: int, device: torch.device) -> Tensor:
        """Return y of n pictures with unknown labels."""
        if self.kind == "class":
            return torch.full((n,), self.count, dtype=torch.int64, device=device)
        return torch.zeros(n, self.count, device=device)
