"""Tables of β in plain Python floats, for modules that must not import torch (validation, `doctor`).

`engine.diffusion.schedule` makes tensors of them. Must not import torch or numpy.
"""

import math
from itertools import pairwise
from typing import Literal, get_args

from engine.diffusion.schedules import MAX_BETA, ScheduleName, schedule_named

BetaScaling = Literal["steps", "none"]

BETA_ENDS_BELONG_TO = 1000
"""The number of steps for which Ho et al. chose β from 1e-4 to 0.02."""


def betas(
    schedule: ScheduleName,
    steps: int,
    beta_scaling: BetaScaling = "steps",
    beta_start: float = 1e-4,
    beta_end: float = 0.02,
    zero_terminal_snr: bool = False,
) -> list[float]:
    """Return β_t for t = 0 … steps−1, each in (0, 1); exactly 1 only at the last step under zero terminal SNR.

    schedule: a name of `engine.diffusion.schedules.SCHEDULES`, and its file says how it is made.

    `beta_scaling = "steps"` multiplies both ends by 1000/steps, so that ᾱ_T stays about the same for any
    number of steps; "none" takes them as given. A scaled end is capped at 0.999, and so is every cosine β.
    With a single step, β is the end: that step has to turn the picture into noise.

    `zero_terminal_snr` shifts and stretches √ᾱ until its last value is 0 (Lin et al. 2024, algorithm 1).

    Raises UserError for an unknown name, ValueError for steps < 1 or ends outside 0 < start ≤ end < 1.
    """
    if steps < 1:
        raise ValueError(f"a schedule needs at least 1 step, not {steps}")
    made = schedule_named(schedule)
    if beta_scaling not in get_args(BetaScaling):
        raise ValueError(
            f"unknown beta_scaling {beta_scaling!r}; there are {', '.join(get_args(BetaScaling))}"
        )
    if not 0 < beta_start <= beta_end < 1:
        raise ValueError(f"β must have 0 < start ≤ end < 1, not start {beta_start}, end {beta_end}")

    scale = BETA_ENDS_BELONG_TO / steps if beta_scaling == "steps" else 1.0
    # The ends are capped, not each β: repeated capped βs would waste steps.
    table = made.betas(steps, *(_capped(end, scale) for end in (beta_start, beta_end)))
    return _with_zero_terminal_snr(table) if zero_terminal_snr else table


def terminal_alpha_bar(
    schedule: ScheduleName,
    steps: int,
    beta_scaling: BetaScaling = "steps",
    beta_start: float = 1e-4,
    beta_end: float = 0.02,
    zero_terminal_snr: bool = False,
) -> float:
    """Return ᾱ_T = Π(1 − β_t), in [0, 1): the share of the picture's variance left in the last x_t.

    Sampling starts from N(0, 1), which is right only if this is nearly 0. Arguments and errors are
    those of `betas`.
    """
    table = betas(schedule, steps, beta_scaling, beta_start, beta_end, zero_terminal_snr)
    return math.exp(log_alpha_bars(table)[-1])


def log_alpha_bars(table: list[float] | tuple[float, ...]) -> list[float]:
    """Return log ᾱ_t = Σ log(1 − β) up to each t; −inf from a β of 1 on.

    Everything else follows from it without cancellation: 1 − ᾱ_t is −expm1 of it, exact even for ᾱ ≈ 1.
    """
    total, sums = 0.0, []
    for beta in table:
        total += math.log1p(-beta) if beta < 1 else -math.inf
        sums.append(total)
    return sums


def _capped(end: float, scale: float) -> float:
    """Return a β end times its scale, at most 0.999; an unscaled end is the caller's own and stays."""
    return end if scale == 1.0 else min(end * scale, MAX_BETA)


def _with_zero_terminal_snr(table: list[float]) -> list[float]:
    if len(table) == 1:
        return [1.0]
    roots = [math.exp(0.5 * value) for value in log_alpha_bars(table)]
    # Keeping the first β stretches them back: the ratios of the others stay as they are.
    moved = [root - roots[-1] for root in roots]
    # A ratio of squares as (1 − q)(1 + q), because q is nearly 1 at the start.
    ratios = [b / a for a, b in pairwise(moved)]
    return [table[0], *((1 - q) * (1 + q) for q in ratios[:-1]), 1.0]
