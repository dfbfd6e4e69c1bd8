"""Optimizers, one file each; `engine.config.optimizers` is their table."""

from typing import Any, Protocol

import torch
from torch import nn

from engine.base.named import load, pick
from engine.config.optimizers import OPTIMIZERS


class Make(Protocol):
    """The function `make` of an optimizer's file."""

    def __call__(self, model: nn.Module, **settings: Any) -> torch.optim.Optimizer:
        """The optimizer of all weights of `model`. settings: lr, betas, eps, weight_decay, fused (bool).

        It skips a step on the device if `found_inf` is set on it, as torch's fused kernels do.
        """
        ...


class Kept(Protocol):
    """The function `kept` of an optimizer's file."""

    def __call__(self, model: nn.Module) -> int:
        """How many float32 numbers it keeps for the weights of `model`."""
        ...


def make_optimizer(name: str, model: nn.Module, **settings: Any) -> torch.optim.Optimizer:
    """See `Make`. Raises UserError, with the nearest name, for one that is not in the table."""
    make: Make = load(f"{pick(OPTIMIZERS, 'optimizer', name).module}:make")
    return make(model, **settings)


def kept_by_optimizer(name: str, model: nn.Module) -> int:
    """See `Kept`. Raises UserError, with the nearest name, for one that is not in the table."""
    kept: Kept = load(f"{pick(OPTIMIZERS, 'optimizer', name).module}:kept")
    return kept(model)


def moments(model: nn.Module) -> int:
    """Two float32 numbers for each weight."""
    return 2 * sum(parameter.numel() for parameter in model.parameters())
