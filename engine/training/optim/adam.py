"""Adam (Kingma & Ba 2015)."""

from typing import Any

import torch
from torch import nn

from engine.training.optim import moments


def make(model: nn.Module, **settings: Any) -> torch.optim.Optimizer:
    """See `engine.training.optim.Make`."""
    return torch.optim.Adam(model.parameters(), **settings)


def kept(model: nn.Module) -> int:
    """Two moments of every weight."""
    return moments(model)
