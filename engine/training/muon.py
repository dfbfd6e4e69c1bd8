"""Muon: steps along the momentum with all its singular values made equal (Jordan 2024), for the inner weights;
AdamW for the rest.

A gradient of a convolution is dominated by few directions; a step of equal size along all of them learns more from as
many pictures. torch's own Muon takes matrices alone, one after the other, and cannot skip a step on the device.
"""

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

MOMENTUM: Final = 0.95
MOMENTUM_KEY: Final = "momentum"
"""Its name in the optimizer's state."""

NEWTON_SCHULZ: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic that drives singular values into about 0.7 … 1.2 (Jordan 2024)."""
ITERATIONS: Final = 5

RMS: Final = 0.2
"""Root mean square of an update at learning rate 1: about AdamW's, so that both take one rate (Liu et al. 2025)."""


def orthogonalised(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """(n, rows, columns) → the same shape in `dtype`: U V^T of each U S V^T, roughly; zero stays zero."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.to(dtype)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def inner_weights(model: nn.Module) -> list[nn.Parameter]:
    """What Muon is for: every weight that is a full matrix, but for the first and the last layer's.

    Left out are biases and norms, and depthwise kernels, whose channels have nothing to do with one another.
    """
    ends = {id(module) for name, module in model.named_children() if name in ("enter", "leave")}
    return [
        parameter
        for module in model.modules()
        if id(module) not in ends and getattr(module, "groups", 1) == 1
        for parameter in module.parameters(recurse=False)
        if parameter.ndim >= 2
    ]


class Muon(Optimizer):
    """Muon for the inner weights, each a matrix of its first dimension and all others; fused AdamW for the rest.

    One learning rate and one weight decay for both. As with the fused optimizers of torch, a step changes nothing where
    `found_inf` is not 0, and nothing waits for the device. Every inner weight keeps one momentum like itself.
    """

    _step_supports_amp_scaling = True  # how GradScaler knows that found_inf is looked at here

    def __init__(
        self, model: nn.Module, *, dtype: torch.dtype, lr: float | Tensor, fused: bool, **adamw: Any
    ) -> None:
        """dtype: what the orthogonalisation computes in · adamw: betas, eps and weight_decay."""
        inner = inner_weights(model)
        chosen = set(map(id, inner))
        rest = [p for p in model.parameters() if id(p) not in chosen]
        super().__init__(inner, {"lr": lr, "fused": fused, "weight_decay": adamw["weight_decay"]})
        self.dtype = dtype
        self._adamw = AdamW(rest, lr=lr, fused=fused, **adamw)
        # One state and one list of groups: this object is what is saved, restored and given its rate.
        self._adamw.state = self.state
        self.param_groups += self._adamw.param_groups

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of everything that has a gradient. Raises ValueError for a closure: none is evaluated here."""
        if closure is not None:
            raise ValueError("Muon.step takes no closure")
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        self._adamw.found_inf, self._adamw.grad_scale = found_inf, getattr(self, "grad_scale", None)  # type: ignore[attr-defined]
        self._adamw.step()
        rate, decay = self.param_groups[0]["lr"], self.param_groups[0]["weight_decay"]
        for parameters in self._by_shape():
            update = self._update(parameters, found_inf)
            size = rate * RMS * max(update.shape[1:]) ** 0.5
            for parameter, direction in zip(parameters, update, strict=True):
                change = size * direction.reshape(parameter.shape) + (rate * decay) * parameter
                parameter.sub_(change if found_inf is None else torch.where(found_inf > 0, 0.0, change))

    def _by_shape(self) -> list[list[nn.Parameter]]:
        """The inner weights with a gradient; those of one shape are orthogonalised together."""
        found: dict[torch.Size, list[nn.Parameter]] = {}
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None:
                found.setdefault(parameter.shape, []).append(parameter)
        return list(found.values())

    def _update(self, parameters: list[nn.Parameter], found_inf: Tensor | None) -> Tensor:
        """Carry the momenta on and orthogonalise them, looking ahead as Nesterov's: (n, rows, columns) float32."""
        ahead = []
        for parameter in parameters:
            gradient = parameter.grad
            assert gradient is not None
            state = self.state[parameter]
            if MOMENTUM_KEY not in state:
                state[MOMENTUM_KEY] = torch.zeros_like(parameter)
            momentum = state[MOMENTUM_KEY]
            carried = MOMENTUM * momentum + gradient
            momentum.copy_(carried if found_inf is None else torch.where(found_inf > 0, momentum, carried))
            ahead.append((gradient + MOMENTUM * momentum).flatten(1))
        return orthogonalised(torch.stack(ahead), self.dtype).float()
