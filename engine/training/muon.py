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
    """(n, rows, columns) → the same shape in `dtype`: U Vᵀ of each U S Vᵀ, roughly; zero stays zero.

    In float32 long matrices are iterated through their Gram matrices, which takes a fraction of the operations. With
    fewer bits small eigenvalues would come out negative there, and grow.
    """
    x = matrices.to(dtype)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    through_gram = dtype == torch.float32 and x.shape[2] > 2 * x.shape[1]
    x = _through_gram(x) if through_gram else _straight(x)
    return x.mT if tall else x


def _straight(x: Tensor) -> Tensor:
    """X ← (a + b G + c G²) X with G = X Xᵀ, again and again."""
    a, b, c = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _through_gram(x: Tensor) -> Tensor:
    """The same product of polynomials, put together from G alone, which they turn into P G P; then applied to X."""
    a, b, c = NEWTON_SCHULZ
    gram = x @ x.mT
    product: Tensor | None = None
    for number in range(ITERATIONS):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        product = polynomial if product is None else polynomial @ product
        if number < ITERATIONS - 1:
            gram = polynomial @ gram @ polynomial
    assert product is not None
    return product @ x


def inner_weights(model: nn.Module) -> list[Tensor]:
    """What Muon is for: the kernels of all convolutions but the first and the last.

    Depthwise kernels are left out, whose channels have nothing to do with one another, and so are the layers of the
    time embedding: of them AdamW learns as much in less time.
    """
    ends = {id(module) for name, module in model.named_children() if name in ("enter", "leave")}
    return [
        module.weight
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        and module.groups == 1
        and id(module) not in ends
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
        # 1, or 0 for a step that changes nothing.
        go: Tensor | float = 1.0 if found_inf is None else (found_inf == 0).float()
        for parameters in self._by_shape():
            self._update(parameters, go)

    def _by_shape(self) -> list[list[Tensor]]:
        """The inner weights with a gradient; those of one shape are orthogonalised together."""
        found: dict[torch.Size, list[Tensor]] = {}
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None:
                found.setdefault(parameter.shape, []).append(parameter)
        return list(found.values())

    def _update(self, parameters: list[Tensor], go: Tensor | float) -> None:
        """Carry the momenta on, look ahead as Nesterov does, and take the steps of some weights of one shape."""
        rate, decay = self.param_groups[0]["lr"], self.param_groups[0]["weight_decay"]
        gradients = torch.stack([p.grad.flatten(1) for p in parameters])  # type: ignore[union-attr]
        if isinstance(go, Tensor):
            gradients = torch.where(go > 0, gradients, 0.0)
        momenta = torch.stack([self._momentum(p).flatten(1) for p in parameters])
        momenta.mul_(1 + (MOMENTUM - 1) * go).add_(gradients)
        for parameter, momentum in zip(parameters, momenta, strict=True):
            self._momentum(parameter).copy_(momentum.view(parameter.shape))
        steps = orthogonalised(gradients.add_(momenta, alpha=MOMENTUM), self.dtype).float()
        steps *= rate * RMS * max(steps.shape[1:]) ** 0.5 * go
        for parameter, step in zip(parameters, steps, strict=True):
            if decay:
                parameter.mul_(1 - rate * decay * go)
            parameter.sub_(step.reshape(parameter.shape))

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if MOMENTUM_KEY not in state:
            state[MOMENTUM_KEY] = torch.zeros_like(parameter)
        momentum: Tensor = state[MOMENTUM_KEY]
        return momentum
