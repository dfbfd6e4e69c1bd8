"""The forward process and the three things a network may predict: eps, x0 or v.

Everything is float32 whatever comes in: in bf16 ᾱ rounds to 1 at the first steps, and no noise would be
added. Must not know of networks or of how they are trained.
"""

from typing import TypeVar

from torch import Tensor

from engine.diffusion.names import Prediction
from engine.diffusion.schedule import Schedule

_Level = TypeVar("_Level", Tensor, float)


def add_noise(schedule: Schedule, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """Return x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε (Ho et al. 2020, eq. 4), always float32.

    x_0: (N, C, H, W) in [−1, 1]; eps: the same shape, from N(0, 1); t: (N,) int64 in 0 … T−1.
    """
    alpha, sigma = _levels(schedule, t)
    return alpha * x_0.float() + sigma * eps.float()


def velocity(schedule: Schedule, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """Return v = √ᾱ_t ε − √(1 − ᾱ_t) x_0 (Salimans & Ho 2022, section 4). Shapes as for `add_noise`; float32."""
    alpha, sigma = _levels(schedule, t)
    return alpha * eps.float() - sigma * x_0.float()


def target(schedule: Schedule, prediction: Prediction, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """Return the network's target: ε, x_0 or v. Shapes as for `add_noise`; float32.

    Raises ValueError for eps on a zero-terminal-SNR schedule.
    """
    check_prediction(schedule, prediction)
    if prediction == "eps":
        return eps.float()
    if prediction == "x0":
        return x_0.float()
    return velocity(schedule, x_0, eps, t)


def predict_x_0(schedule: Schedule, prediction: Prediction, output: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
    """Return the x_0 that the network's `output` for x_t stands for; not clipped.

    output, x_t: (N, C, H, W); t: (N,) int64; float32 comes back.
    Raises ValueError for eps on a zero-terminal-SNR schedule.
    """
    check_prediction(schedule, prediction)
    alpha, sigma = _levels(schedule, t)
    return x_0_from(prediction, output.float(), x_t.float(), alpha, sigma)


def predict_eps(schedule: Schedule, prediction: Prediction, output: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
    """Return the noise that the network's `output` for x_t stands for. Shapes and errors as for `predict_x_0`."""
    check_prediction(schedule, prediction)
    alpha, sigma = _levels(schedule, t)
    return eps_from(prediction, output.float(), x_t.float(), alpha, sigma)


def x_0_from(prediction: Prediction, output: Tensor, x_t: Tensor, alpha: _Level, sigma: _Level) -> Tensor:
    """Return x_0 for given √ᾱ (`alpha`) and √(1 − ᾱ) (`sigma`), as tensors or numbers; dtypes stay."""
    if prediction == "eps":
        return (x_t - sigma * output) / alpha
    if prediction == "x0":
        return output
    return alpha * x_t - sigma * output


def eps_from(prediction: Prediction, output: Tensor, x_t: Tensor, alpha: _Level, sigma: _Level) -> Tensor:
    """Return ε for given √ᾱ (`alpha`) and √(1 − ᾱ) (`sigma`), as tensors or numbers; dtypes stay."""
    if prediction == "eps":
        return output
    if prediction == "x0":
        return (x_t - alpha * output) / sigma
    return sigma * x_t + alpha * output


def check_prediction(schedule: Schedule, prediction: Prediction) -> None:
    """Raise ValueError if x_0 cannot be had: from eps, at the step with ᾱ = 0. Never syncs a device."""
    if prediction not in ("eps", "x0", "v"):
        raise ValueError(f"unknown prediction {prediction!r}; there are eps, x0, v")
    if prediction == "eps" and schedule.zero_terminal_snr:
        raise ValueError("prediction 'eps' cannot go with zero terminal SNR (division by zero); 'v' can")


def _levels(schedule: Schedule, t: Tensor) -> tuple[Tensor, Tensor]:
    return schedule.at(schedule.sqrt_alpha_bar, t), schedule.at(schedule.sqrt_one_minus_alpha_bar, t)
