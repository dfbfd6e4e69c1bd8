"""Data of which everything is known: each pixel is N(mean, deviation²), so the best denoiser is a formula."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from engine.diffusion.names import Prediction
from engine.diffusion.schedule import Schedule


class Gaussian:
    """Pixels from N(mean, deviation²) under one schedule; everything at the precision of its argument."""

    def __init__(self, schedule: Schedule, mean: float = 0.2, deviation: float = 0.3) -> None:
        self.mean, self.deviation = mean, deviation
        bar = [math.exp(value) for value in schedule.log_alpha_bars]
        self.alpha = [math.sqrt(value) for value in bar]
        self.sigma = [math.sqrt(-math.expm1(value)) for value in schedule.log_alpha_bars]

    def variance_at(self, t: int) -> float:
        """Var x_t."""
        return self.alpha[t] ** 2 * self.deviation**2 + self.sigma[t] ** 2

    def gain(self, t: int) -> float:
        """d E[x_0 | x_t] / d x_t."""
        return self.alpha[t] * self.deviation**2 / self.variance_at(t)

    def x_0(self, x: Tensor, t: int) -> Tensor:
        """E[x_0 | x_t]."""
        return self.mean + self.gain(t) * (x - self.alpha[t] * self.mean)

    def flow(self, x: Tensor, t: int, s: int | None) -> Tensor:
        """Where the probability flow takes x from t: to s, or to the data. It keeps the standard score."""
        score = (x - self.alpha[t] * self.mean) / math.sqrt(self.variance_at(t))
        if s is None:
            return self.mean + self.deviation * score
        return self.alpha[s] * self.mean + math.sqrt(self.variance_at(s)) * score

    def denoiser(self, prediction: Prediction) -> Callable[[Tensor, Tensor], Tensor]:
        """The network that knows everything, saying it as eps, x0 or v."""

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            step = int(t[0])
            x_0 = self.x_0(x, step)
            eps = (x - self.alpha[step] * x_0) / self.sigma[step]
            if prediction == "v":
                return self.alpha[step] * eps - self.sigma[step] * x_0
            return eps if prediction == "eps" else x_0

        return denoise


class Drawn:
    """A noise source of one generator, in any dtype, that counts its draws."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        self.shape, self.dtype = shape, dtype
        self.start = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
        self.generator = torch.Generator().manual_seed(seed + 1)
        self.count = 0

    def initial(self) -> Tensor:
        return self.start

    def next(self) -> Tensor:
        self.count += 1
        return torch.randn(self.shape, generator=self.generator, dtype=self.dtype)
