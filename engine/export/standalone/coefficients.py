"""The samplers as tables of numbers: the factors of each step. Imports nothing but the standard library.

Every sampler is linear in its inputs, once the estimated picture is clipped:

    x_0 = clip(from_x · x + from_output · output)
    x   = keep · x + picture · x_0 + before · (x_0 of the step before) + noise · z,   z ~ N(0, 1)
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from engine.diffusion.spacing import Spacing, timesteps


class SamplingStep(NamedTuple):
    """One step: the timestep given to the network, and the six factors."""

    t: int
    from_x: float
    from_output: float
    keep: float
    picture: float
    before: float
    noise: float


def coefficients(
    log_alpha_bars: Sequence[float | None],
    prediction: str,
    sampler: str,
    steps: int,
    spacing: Spacing,
    eta: float = 0.0,
    variance: str = "fixed_small",
) -> list[SamplingStep]:
    """Return the steps of a sampler, the noisiest first.

    log_alpha_bars: log ᾱ_t for each timestep, None for −inf · prediction: "eps", "x0" or "v" · sampler: "ddpm" (Ho
    et al. 2020, eq. 6 and 7), "ddim" (Song et al. 2021a, eq. 12) or "dpmpp" (Lu et al. 2022b, algorithm 2) · steps,
    spacing: which timesteps are visited · eta: of ddim · variance: of ddpm. Raises ValueError for unknown names.
    """
    logs = [-math.inf if value is None else value for value in log_alpha_bars]
    chosen = timesteps(len(logs), steps, spacing, logs)
    levels = [*(logs[t] for t in chosen), 0.0]
    table = []
    for index, t in enumerate(chosen):
        here, there = levels[index], levels[index + 1]
        read = _reading(prediction, here)
        if index + 1 == len(chosen):  # the last step leads to the estimated picture itself
            table.append(SamplingStep(t, *read, 0.0, 1.0, 0.0, 0.0))
        elif sampler == "ddpm":
            table.append(SamplingStep(t, *read, *_ddpm(here, there, variance)))
        elif sampler == "ddim":
            table.append(SamplingStep(t, *read, *_ddim(here, there, eta)))
        elif sampler == "dpmpp":
            table.append(SamplingStep(t, *read, *_dpmpp(levels[index - 1] if index else None, here, there)))
        else:
            raise ValueError(f"unknown sampler {sampler!r}; there are ddpm, ddim, dpmpp")
    return table


def _reading(prediction: str, here: float) -> tuple[float, float]:
    alpha, sigma = _alpha(here), math.sqrt(_variance(here))
    if prediction == "eps":
        return 1 / alpha, -sigma / alpha
    if prediction == "x0":
        return 0.0, 1.0
    if prediction == "v":
        return alpha, -sigma
    raise ValueError(f"unknown prediction {prediction!r}; there are eps, x0, v")


def _ddpm(here: float, there: float, variance: str) -> tuple[float, float, float, float]:
    beta = -math.expm1(here - there)
    kept = _variance(there) / _variance(here)
    spread = {"fixed_small": kept * beta, "fixed_large": beta}
    if variance not in spread:
        raise ValueError(f"unknown variance {variance!r}; there are fixed_small, fixed_large")
    picture = _alpha(there) * beta / _variance(here)
    return math.sqrt(1 - beta) * kept, picture, 0.0, math.sqrt(spread[variance])


def _ddim(here: float, there: float, eta: float) -> tuple[float, float, float, float]:
    share = eta**2 * -math.expm1(here - there) / _variance(here)
    sigma = math.sqrt(_variance(there))
    direction = sigma * math.sqrt(max(0.0, 1 - share)) / math.sqrt(_variance(here))
    return direction, _alpha(there) - direction * _alpha(here), 0.0, sigma * math.sqrt(share)


def _dpmpp(earlier: float | None, here: float, there: float) -> tuple[float, float, float, float]:
    h = _lambda(there) - _lambda(here)
    ratio = 0.0 if earlier is None else h / (2 * (_lambda(here) - _lambda(earlier)))
    moved = -_alpha(there) * math.expm1(-h)
    return math.sqrt(_variance(there) / _variance(here)), moved * (1 + ratio), -moved * ratio, 0.0


def _alpha(log_alpha_bar: float) -> float:
    """Return √ᾱ."""
    return math.exp(0.5 * log_alpha_bar)


def _variance(log_alpha_bar: float) -> float:
    """Return 1 − ᾱ."""
    return -math.expm1(log_alpha_bar)


def _lambda(log_alpha_bar: float) -> float:
    """Return half the log-SNR."""
    return 0.5 * (log_alpha_bar - math.log(_variance(log_alpha_bar)))
