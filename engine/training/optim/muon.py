"""Muon: steps along the momentum with all its singular values made equal (Jordan 2024), for the inner weights; AdamW
for the rest.

A convolution's gradient is dominated by few directions; a step of equal size along all of them learns more from the
same pictures. torch's own Muon supports matrices only, one after the other, and cannot skip a step on the device.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from engine.training.optim import moments

MOMENTUM: Final = 0.95
MOMENTUM_KEY: Final = "momentum"
"""The key of the momentum in the optimizer's state."""

NEWTON_SCHULZ: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic that drives singular values into about 0.7 … 1.2 (Jordan 2024)."""
ITERATIONS: Final = 5
SMALLEST: Final = 1e-7
"""The smallest norm by which a matrix is divided."""

RMS: Final = 0.2
"""The root mean square of an update at learning rate 1: about that of AdamW, so that both use one rate (Liu et al.
2025).
"""


def orthogonalised(stacks: Sequence[Tensor]) -> list[Tensor]:
    """Return approximately U Vᵀ for each U S Vᵀ of each (n, rows, columns) float32, in the same shapes; zero stays
    zero.

    The iteration X ← (a + b G + c G²) X with G = X Xᵀ uses only the Gram matrices, all of one size together whatever
    their lengths, which needs a fraction of the operations, and on a GPU of the kernel launches. It needs the full
    precision of float32: with TF32 (ten bits) or bf16 (seven bits), small eigenvalues become negative and grow.
    """
    wide = [x.mT if x.shape[1] > x.shape[2] else x for x in stacks]
    found = list(stacks)
    for side in dict.fromkeys(x.shape[1] for x in wide):
        chosen = [number for number, x in enumerate(wide) if x.shape[1] == side]
        lengths = [len(wide[number]) for number in chosen]
        grams = torch.cat([wide[number] @ wide[number].mT for number in chosen])
        norms = grams.diagonal(dim1=1, dim2=2).sum(1).sqrt().clamp(min=SMALLEST)[:, None, None]
        factors = _product(grams / norms.square()) / norms
        for number, factor in zip(chosen, torch.split(factors, lengths), strict=True):
            x = factor @ wide[number]
            found[number] = x if x.shape == stacks[number].shape else x.mT
    return found


def _product(gram: Tensor) -> Tensor:
    """Return the product P of all polynomials by which X is multiplied; each step updates G to P G P."""
    a, b, c = NEWTON_SCHULZ
    product: Tensor | None = None
    for number in range(ITERATIONS):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        product = polynomial if product is None else polynomial @ product
        if number < ITERATIONS - 1:
            gram = polynomial @ gram @ polynomial
    assert product is not None
    return product


@contextmanager
def _all_bits() -> Iterator[None]:
    """Disable TF32 in the block, whatever the plan has for the network."""
    flags = torch.backends.cuda.matmul
    before, flags.allow_tf32 = flags.allow_tf32, False
    try:
        yield
    finally:
        flags.allow_tf32 = before


def inner_weights(model: nn.Module) -> list[Tensor]:
    """Return the weights that Muon updates: the kernels of all convolutions except the first and the last.

    Depthwise kernels are excluded because their channels are independent, and the layers of the time embedding
    because AdamW learns them equally well in less time.
    """
    ends = {id(module) for name, module in model.named_children() if name in ("conv_in", "conv_out")}
    return [
        module.weight
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        and module.groups == 1
        and id(module) not in ends
    ]


class Muon(Optimizer):
    """Muon for the inner weights, each as a matrix of its first dimension and all others; fused AdamW for the rest.

    Both use one learning rate and one weight decay. As with torch's fused optimizers, a step changes nothing if
    `found_inf` is not 0, and nothing waits for the device. Every inner weight has one momentum of its own shape.
    """

    _step_supports_amp_scaling = True  # tells GradScaler that found_inf is handled here

    def __init__(self, model: nn.Module, *, lr: float, fused: bool, **adamw: Any) -> None:
        """Create the optimizer. adamw: betas, eps and weight_decay."""
        inner = inner_weights(model)
        chosen = set(map(id, inner))
        rest = [p for p in model.parameters() if id(p) not in chosen]
        super().__init__(inner, {"lr": lr, "fused": fused, "weight_decay": adamw["weight_decay"]})
        self._adamw = AdamW(rest, lr=lr, fused=fused, **adamw)
        # One state and one list of groups, so that this object can be saved, restored and given its rate.
        self._adamw.state = self.state
        self.param_groups += self._adamw.param_groups

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update all weights that have a gradient. Raises ValueError for a closure, which is not supported."""
        if closure is not None:
            raise ValueError("Muon.step takes no closure")
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        self._adamw.found_inf, self._adamw.grad_scale = found_inf, getattr(self, "grad_scale", None)  # type: ignore[attr-defined]
        self._adamw.step()
        # 1, or 0 for a step that changes nothing.
        go: Tensor | float = 1.0 if found_inf is None else (found_inf == 0).float()
        shapes = self._by_shape()
        ahead = [self._ahead(parameters, go) for parameters in shapes]
        with _all_bits():
            directions = orthogonalised(ahead)
        for parameters, direction in zip(shapes, directions, strict=True):
            self._walk(parameters, direction, go)

    def _by_shape(self) -> list[list[Tensor]]:
        """Return the inner weights that have a gradient; those of one shape are orthogonalised together."""
        found: dict[torch.Size, list[Tensor]] = {}
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None:
                found.setdefault(parameter.shape, []).append(parameter)
        return list(found.values())

    def _ahead(self, parameters: list[Tensor], go: Tensor | float) -> Tensor:
        """Update the momenta of weights of one shape, and return Nesterov's look-ahead, (n, rows, columns) float32."""
        ahead = torch.stack([_in_memory_order(p.grad, p).flatten(1) for p in parameters])  # type: ignore[arg-type]
        if isinstance(go, Tensor):
            ahead.nan_to_num_(0.0, 0.0, 0.0).mul_(go)
        momenta = [_in_memory_order(self._momentum(p), p).view(len(p), -1) for p in parameters]
        torch._foreach_mul_(momenta, 1 + (MOMENTUM - 1) * go)
        torch._foreach_add_(momenta, ahead.unbind())
        torch._foreach_add_(ahead.unbind(), momenta, alpha=MOMENTUM)
        return ahead

    def _walk(self, parameters: list[Tensor], direction: Tensor, go: Tensor | float) -> None:
        """Move weights of one shape along (n, rows, columns), and apply weight decay."""
        rate, decay = self.param_groups[0]["lr"], self.param_groups[0]["weight_decay"]
        matrices = [_in_memory_order(p, p).view(len(p), -1) for p in parameters]
        if decay:
            torch._foreach_mul_(matrices, 1 - rate * decay * go)
        steps = direction.mul_(rate * RMS * max(direction.shape[1:]) ** 0.5 * go)
        torch._foreach_sub_(matrices, steps.unbind())

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if MOMENTUM_KEY not in state:
            state[MOMENTUM_KEY] = torch.zeros_like(parameter)
        momentum: Tensor = state[MOMENTUM_KEY]
        return momentum


def _in_memory_order(values: Tensor, parameter: Tensor) -> Tensor:
    """Return `values`, of a weight's shape, with dimensions in the order of the weight's memory, so that nothing is
    copied.

    Orthogonalisation does not depend on the order of columns.
    """
    return values if parameter.is_contiguous() else values.permute(0, 2, 3, 1)


def make(model: nn.Module, **settings: Any) -> Optimizer:
    """See `engine.training.optim.Make`."""
    return Muon(model, **settings)


def kept(model: nn.Module) -> int:
    """Two moments of every weight, of an inner one its momentum alone."""
    return moments(model) - sum(parameter.numel() for parameter in inner_weights(model))
