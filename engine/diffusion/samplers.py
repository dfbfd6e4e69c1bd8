"""From noise to pictures: ddpm, ddim and dpmpp over any chosen timesteps, and noise of each picture's own.

Coefficients are Python floats made from log ᾱ in float64, so a sampler is as exact as the dtype of x_t:
float32 in use, float64 in tests. Must not know of networks (a denoiser is a callable), files or previews.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from engine.diffusion.forward import Prediction, check_prediction, eps_from, x_0_from
from engine.diffusion.randomness import generator_for
from engine.diffusion.schedule import Schedule
from engine.diffusion.spacing import Spacing, timesteps

SamplerName = Literal["ddpm", "ddim", "dpmpp"]
Variance = Literal["fixed_small", "fixed_large"]
Denoiser = Callable[[Tensor, Tensor], Tensor]
"""x_t (N, C, H, W) and t (N,) int64 → the network's output (N, C, H, W), of any floating dtype."""
OnStep = Callable[[int, Tensor, Tensor], None]
"""Called after each step with its index 0 … S−1, the new x (N, C, H, W) and the x_0 estimated for it."""


class NoiseSource(Protocol):
    """Where x_T and the noise of each step come from."""

    def initial(self) -> Tensor:
        """x_T: (N, C, H, W) from N(0, 1), the same at every call."""

    def next(self) -> Tensor:
        """Fresh noise of the same shape for one step."""


class PictureNoise:
    """Noise drawn picture by picture, so that it depends on (seed, index) and not on the batch.

    `indices` are the pictures' numbers in their sample set, `shape_chw` is (C, H, W). Everything is drawn on
    the CPU in float32 and moved to `device`, so that a seed gives the same noise on every device. `initial`
    has generators of its own: every sampler starts from the same x_T, and asking twice changes nothing.
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
        """x_T: (N, C, H, W) float32 on the device, the same at every call."""
        return self._draw(self._generators("sampling.initial"))

    def next(self) -> Tensor:
        """The noise of the next step: (N, C, H, W) float32 on the device."""
        return self._draw(self._steps)

    def _generators(self, purpose: str) -> list[torch.Generator]:
        return [generator_for(self._seed, purpose, index) for index in self._indices]

    def _draw(self, generators: list[torch.Generator]) -> Tensor:
        drawn = torch.empty(len(generators), *self._shape)
        for picture, generator in zip(drawn, generators, strict=True):
            torch.randn(self._shape, generator=generator, out=picture)
        return drawn.to(self._device)


@dataclass(frozen=True)
class _Level:
    """How noisy x is at one moment of sampling: x = √ᾱ x_0 + √(1 − ᾱ) ε."""

    log_alpha_bar: float

    @property
    def alpha(self) -> float:
        """√ᾱ."""
        return math.exp(0.5 * self.log_alpha_bar)

    @property
    def variance(self) -> float:
        """1 − ᾱ."""
        return -math.expm1(self.log_alpha_bar)

    @property
    def sigma(self) -> float:
        """√(1 − ᾱ)."""
        return math.sqrt(self.variance)

    @property
    def lambda_(self) -> float:
        """log(√ᾱ/√(1 − ᾱ)), half the log-SNR: −inf for pure noise, +inf for a clean picture."""
        return 0.5 * (self.log_alpha_bar - math.log(self.variance)) if self.variance > 0 else math.inf


_CLEAN = _Level(0.0)


class _Stepper(Protocol):
    def __call__(self, here: _Level, there: _Level, x: Tensor, x_0: Tensor, eps: Tensor) -> Tensor:
        """x at the level `there` from x at the noisier level `here` and what the denoiser makes of it."""


@torch.no_grad()
def sample(
    denoise: Denoiser,
    schedule: Schedule,
    prediction: Prediction,
    shape_or_noise: Sequence[int] | Tensor | None = None,
    *,
    sampler: SamplerName,
    steps: int,
    noise: NoiseSource,
    spacing: Spacing = "trailing",
    eta: float = 0.0,
    clip: bool = True,
    variance: Variance = "fixed_small",
    on_step: OnStep | None = None,
) -> Tensor:
    """Pictures (N, C, H, W), about in [−1, 1] (exactly so where `clip`), of the dtype and device of x_T.

    - `denoise` is asked once a step; its output may have any floating dtype, the maths stays in that of x_T
      (float32 from `PictureNoise`).
    - `shape_or_noise` is x_T itself; None or a shape takes `noise.initial()`, which must have that shape.
    - `steps` S in 1 … T and `spacing` choose the timesteps; a step leads to the next *selected* one, the last
      to the clean picture: the x_0 estimated there, with no noise whatever its t.
    - ddpm: ancestral sampling (Ho et al. 2020, algorithm 2) on the chosen steps; `variance` is β̃
      (fixed_small) or β (fixed_large) of each step taken.
    - ddim: eq. 12 of Song et al. 2021a with η = `eta` in 0 … 1; 0 is deterministic, 1 is ddpm's fixed_small.
    - dpmpp: DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2): second order, from this x_0 and the one before.
    - `clip` clamps each estimated x_0 to [−1, 1] and recomputes ε from it. Where 1/√ᾱ_T is in the thousands
      (cosine), a small error of ε is otherwise a huge one of x_0.

    Raises ValueError for arguments outside these ranges, or eps on a zero-terminal-SNR schedule.
    """
    check_prediction(schedule, prediction)
    step = _stepper(sampler, eta, variance, noise)
    chosen = timesteps(schedule.steps, steps, spacing, schedule.log_alpha_bars)
    levels = [*(_Level(schedule.log_alpha_bars[t]) for t in chosen), _CLEAN]

    x = _start(shape_or_noise, noise)
    for index, t in enumerate(chosen):
        here, there = levels[index], levels[index + 1]
        output = denoise(x, torch.full((x.shape[0],), t, dtype=torch.int64, device=x.device)).to(x.dtype)
        x_0 = x_0_from(prediction, output, x, here.alpha, here.sigma)
        if clip:
            x_0 = x_0.clamp(-1, 1)
            eps = eps_from("x0", x_0, x, here.alpha, here.sigma)
        else:
            eps = eps_from(prediction, output, x, here.alpha, here.sigma)
        # All three would arrive at x_0 by their own formulas; said once, no rounding and no noise get in.
        x = x_0 if there is _CLEAN else step(here, there, x, x_0, eps)
        if on_step is not None:
            on_step(index, x, x_0)
    return x


def to_uint8(x: Tensor) -> Tensor:
    """Pictures as bytes: (N, C, H, W) floating in [−1, 1] → (N, H, W, C) uint8, contiguous, same device.

    Clamped first and then rounded: a value left to wrap around is a speck of a wrong colour. NaN becomes 0.
    """
    scaled = torch.nan_to_num(x.float(), nan=-1.0).clamp(-1, 1).add(1).mul(127.5).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _start(shape_or_noise: Sequence[int] | Tensor | None, noise: NoiseSource) -> Tensor:
    if isinstance(shape_or_noise, Tensor):
        return shape_or_noise
    x = noise.initial()
    if shape_or_noise is not None and tuple(shape_or_noise) != tuple(x.shape):
        raise ValueError(f"the noise has the shape {tuple(x.shape)}, not {tuple(shape_or_noise)}")
    return x


def _stepper(sampler: SamplerName, eta: float, variance: Variance, noise: NoiseSource) -> _Stepper:
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be from 0 to 1, not {eta}")
    if variance not in get_args(Variance):
        raise ValueError(f"unknown variance {variance!r}; there are {', '.join(get_args(Variance))}")
    if sampler == "ddpm":
        return _Ddpm(noise, variance)
    if sampler == "ddim":
        return _Ddim(noise, eta)
    if sampler == "dpmpp":
        return _Dpmpp()
    raise ValueError(f"unknown sampler {sampler!r}; there are {', '.join(get_args(SamplerName))}")


def _step_beta(here: _Level, there: _Level) -> float:
    """1 − ᾱ_here/ᾱ_there: the β of the one step that these two levels are apart."""
    return -math.expm1(here.log_alpha_bar - there.log_alpha_bar)


class _Ddpm:
    """The posterior q(x_s | x_t, x_0) of Ho et al. 2020, eq. 6 and 7, for any s < t."""

    def __init__(self, noise: NoiseSource, variance: Variance) -> None:
        self._noise = noise
        self._variance = variance

    def __call__(self, here: _Level, there: _Level, x: Tensor, x_0: Tensor, eps: Tensor) -> Tensor:
        beta = _step_beta(here, there)
        kept = there.variance / here.variance
        mean = (there.alpha * beta / here.variance) * x_0 + (math.sqrt(1 - beta) * kept) * x
        variance = kept * beta if self._variance == "fixed_small" else beta
        return mean + math.sqrt(variance) * self._noise.next().to(x)


class _Ddim:
    """Song et al. 2021a, eq. 12 and 16."""

    def __init__(self, noise: NoiseSource, eta: float) -> None:
        self._noise = noise
        self._eta = eta

    def __call__(self, here: _Level, there: _Level, x: Tensor, x_0: Tensor, eps: Tensor) -> Tensor:
        # σ² = η² (1 − ᾱ_s)/(1 − ᾱ_t)·(1 − ᾱ_t/ᾱ_s); what it takes, the direction to x_t gives up.
        share = self._eta**2 * _step_beta(here, there) / here.variance
        moved = there.alpha * x_0 + (there.sigma * math.sqrt(max(0.0, 1 - share))) * eps
        if self._eta == 0:
            return moved
        return moved + (there.sigma * math.sqrt(share)) * self._noise.next().to(x)


class _Dpmpp:
    """DPM-Solver++(2M), Lu et al. 2022b, algorithm 2, in terms of x_0.

    x_s = σ_s/σ_t x_t + α_s (1 − e^{−h}) D with h = λ_s − λ_t: nothing is multiplied by 1/α, so a step from
    α near 0 is harmless, and the one from α = 0 (h = ∞) and the one after it are of first order by themselves.
    """

    def __init__(self) -> None:
        self._before: tuple[_Level, Tensor] | None = None

    def __call__(self, here: _Level, there: _Level, x: Tensor, x_0: Tensor, eps: Tensor) -> Tensor:
        h = there.lambda_ - here.lambda_
        direction = x_0
        if self._before is not None:
            level, x_0_before = self._before
            half_ratio = h / (2 * (here.lambda_ - level.lambda_))
            direction = (1 + half_ratio) * x_0 - half_ratio * x_0_before
        self._before = here, x_0
        return (there.sigma / here.sigma) * x - (there.alpha * math.expm1(-h)) * direction
