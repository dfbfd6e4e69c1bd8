"""The noise schedule as tensors, which training and the bound look up by timestep.

Tables are built in float64 and kept in float32. Must not know of profiles or files.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

from engine.diffusion import tables
from engine.diffusion.schedules import ScheduleName
from engine.diffusion.tables import BetaScaling


@dataclass(frozen=True, eq=False, kw_only=True)
class Schedule:
    """q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I) for t = 0 … steps−1 (Ho et al. 2020, eq. 4).

    Every table is a float32 tensor of shape (steps,) on one device; index it with t of shape (N,) int64, or
    use `at` to get (N, 1, 1, 1). `log_alpha_bars` holds log ᾱ as Python floats, in full precision, for the
    samplers. Build it with `create` or `from_betas`.
    """

    log_alpha_bars: tuple[float, ...] = field(repr=False)
    """log ᾱ_t in float64; −inf at the last step of a zero-terminal-SNR schedule."""
    zero_terminal_snr: bool
    """Whether the last x_t is pure noise exactly (ᾱ_T = 0)."""

    betas: Tensor = field(repr=False)
    alphas: Tensor = field(repr=False)
    alpha_bar: Tensor = field(repr=False)
    sqrt_alpha_bar: Tensor = field(repr=False)
    one_minus_alpha_bar: Tensor = field(repr=False)
    sqrt_one_minus_alpha_bar: Tensor = field(repr=False)
    snr: Tensor = field(repr=False)
    """ᾱ/(1 − ᾱ)."""
    log_snr: Tensor = field(repr=False)
    """log of `snr`: −inf where that is 0."""
    posterior_variance: Tensor = field(repr=False)
    """β̃_t = (1 − ᾱ_{t−1})/(1 − ᾱ_t)·β_t, 0 at t = 0 (Ho et al. 2020, eq. 7)."""
    posterior_mean_x_0: Tensor = field(repr=False)
    """What multiplies x_0 in the mean of q(x_{t−1} | x_t, x_0): √ᾱ_{t−1} β_t/(1 − ᾱ_t) (eq. 7)."""
    posterior_mean_x_t: Tensor = field(repr=False)
    """What multiplies x_t there: √α_t (1 − ᾱ_{t−1})/(1 − ᾱ_t) (eq. 7)."""

    @classmethod
    def create(
        cls,
        name: ScheduleName,
        steps: int,
        beta_scaling: BetaScaling = "steps",
        beta_start: float = 1e-4,
        beta_end: float = 0.02,
        zero_terminal_snr: bool = False,
        device: torch.device | str = "cpu",
    ) -> Self:
        """Return the named schedule; arguments and errors as for `engine.diffusion.tables.betas`."""
        table = tables.betas(name, steps, beta_scaling, beta_start, beta_end, zero_terminal_snr)
        return cls.from_betas(table, device)

    @classmethod
    def from_betas(cls, betas: Sequence[float], device: torch.device | str = "cpu") -> Self:
        """Return the schedule of any β table: each in (0, 1), the last one possibly 1 (zero terminal SNR).

        Raises ValueError for an empty table or a β outside that.
        """
        table = [float(beta) for beta in betas]
        if not table:
            raise ValueError("a schedule needs at least 1 step")
        for t, beta in enumerate(table):
            if not (0 < beta < 1 or (beta == 1 and t == len(table) - 1)):
                raise ValueError(
                    f"β must be above 0 and below 1 (1 only at the last step), not {beta} at t = {t}"
                )

        logs = tables.log_alpha_bars(table)
        beta_t = torch.tensor(table, dtype=torch.float64)
        log_alpha_bar = torch.tensor(logs, dtype=torch.float64)
        # 1 − ᾱ from the logarithm: subtracting would keep 12 digits of 16 at the first step, 3 in float32.
        one_minus = -torch.expm1(log_alpha_bar)
        before = torch.cat([torch.zeros(1, dtype=torch.float64), log_alpha_bar[:-1]])
        one_minus_before = -torch.expm1(before)
        log_snr = log_alpha_bar - one_minus.log()
        made = {
            "betas": beta_t,
            "alphas": 1 - beta_t,
            "alpha_bar": log_alpha_bar.exp(),
            "sqrt_alpha_bar": (0.5 * log_alpha_bar).exp(),
            "one_minus_alpha_bar": one_minus,
            "sqrt_one_minus_alpha_bar": one_minus.sqrt(),
            "snr": log_snr.exp(),
            "log_snr": log_snr,
            "posterior_variance": one_minus_before / one_minus * beta_t,
            "posterior_mean_x_0": (0.5 * before).exp() * beta_t / one_minus,
            "posterior_mean_x_t": (1 - beta_t).sqrt() * one_minus_before / one_minus,
        }
        return cls(
            log_alpha_bars=tuple(logs),
            zero_terminal_snr=logs[-1] == -math.inf,
            **{key: value.to(device=device, dtype=torch.float32) for key, value in made.items()},
        )

    @property
    def steps(self) -> int:
        """Return T, the number of timesteps."""
        return len(self.log_alpha_bars)

    @property
    def device(self) -> torch.device:
        """Return the device of the tables."""
        return self.betas.device

    def to(self, device: torch.device | str) -> Self:
        """Return the same schedule with its tables on `device`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    def at(self, table: Tensor, t: Tensor) -> Tensor:
        """Return `table` (steps,) at t (N,) int64, shaped (N, 1, 1, 1) to broadcast over pictures (N, C, H, W)."""
        return table[t].view(-1, 1, 1, 1)
