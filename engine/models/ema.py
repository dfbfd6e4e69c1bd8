"""Exponential moving average of the weights, its half-life counted in pictures (EDM2, section 3)."""

import torch
from torch import Tensor, nn


def decay(images: int, batch_size: int, halflife: int, warmup: float) -> float:
    """Return β of one update after `images` pictures: 0.5^(batch / half-life).

    The half-life is at most `warmup` × images, so that the average forgets the initial noise early on.
    """
    effective = min(float(halflife), warmup * images)
    return 0.5 ** (batch_size / effective) if effective > 0 else 0.0


class Ema:
    """Averaged copies of a model's parameters, float32, updated in one fused pass."""

    def __init__(self, model: nn.Module) -> None:
        self.names = [name for name, _ in model.named_parameters()]
        self._source = [p for _, p in model.named_parameters()]
        self.values = [p.detach().clone().float() for p in self._source]

    @torch.no_grad()
    def update(self, images: int, batch_size: int, halflife: int, warmup: float) -> None:
        weight = 1.0 - decay(images, batch_size, halflife, warmup)
        torch._foreach_lerp_(self.values, [p.detach() for p in self._source], weight)

    def state(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.values, strict=True))

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        for name, value in self.state().items():
            value.copy_(state[name])

    def swapped_in(self) -> "_Swap":
        """Return a context in which the model holds the averaged weights; the trained ones are back after it,
        whatever happens inside."""
        return _Swap(self._source, self.values)


class _Swap:
    """Exchanges storage, not values: nothing is copied and nothing can be lost."""

    def __init__(self, source: list[nn.Parameter], values: list[Tensor]) -> None:
        self._source, self._values = source, values

    def __enter__(self) -> None:
        self._exchange()

    def __exit__(self, *_: object) -> None:
        self._exchange()

    def _exchange(self) -> None:
        for index, parameter in enumerate(self._source):
            parameter.data, self._values[index] = self._values[index], parameter.data
