"""Losses per picture and their weights by timestep. Must not know of models, optimizers or precision."""

import torch
from torch import Tensor
from torch.nn import functional

from engine.diffusion.forward import check_prediction, predict_eps
from engine.diffusion.names import LossKind, Prediction
from engine.diffusion.schedule import Schedule


def loss_per_picture(output: Tensor, target: Tensor, kind: LossKind) -> Tensor:
    """Return the mean over each picture's values: (N, C, H, W) twice → (N,) float32, whatever dtype the output has.

    huber is the smooth L1 with β = 1 (½d² for |d| < 1, |d| − ½ beyond), the paper's.
    Raises ValueError for shapes that differ or an unknown kind.
    """
    if output.shape != target.shape:
        raise ValueError(
            f"the output {tuple(output.shape)} and its target {tuple(target.shape)} differ in shape"
        )
    output, target = output.float(), target.float()
    if kind == "huber":
        each = functional.smooth_l1_loss(output, target, reduction="none", beta=1.0)
    elif kind == "l1":
        each = functional.l1_loss(output, target, reduction="none")
    elif kind == "l2":
        each = functional.mse_loss(output, target, reduction="none")
    else:
        raise ValueError(f"unknown loss {kind!r}; there are huber, l1, l2")
    return each.flatten(1).mean(1)


def eps_error(
    schedule: Schedule, prediction: Prediction, output: Tensor, x_t: Tensor, t: Tensor, eps: Tensor
) -> Tensor:
    """Return ‖ε̂ − ε‖² a value of each picture, (N,) float32, whatever the network predicts: comparable across
    objectives.

    output, x_t, eps: (N, C, H, W); t: (N,) int64. Raises ValueError as `predict_eps`.
    """
    found = predict_eps(schedule, prediction, output, x_t, t)
    return (found - eps.float()).square().flatten(1).mean(1)


def weights(
    schedule: Schedule, t: Tensor, prediction: Prediction, min_snr_gamma: float | None = None
) -> Tensor:
    """Return the factor of each picture's loss: t (N,) int64 → (N,) float32, ones without γ.

    min-SNR-γ (Hang et al. 2023, section 3.4) with s = ᾱ/(1 − ᾱ): eps min(s, γ)/s, x0 min(s, γ),
    v min(s, γ)/(s + 1).
    All three weigh the error of x_0 with min(s, γ); at zero terminal SNR that is 0 at the last step.

    Raises ValueError for γ ≤ 0, or eps on a zero-terminal-SNR schedule.
    """
    check_prediction(schedule, prediction)
    if min_snr_gamma is None:
        return torch.ones(t.shape, dtype=torch.float32, device=t.device)
    if not min_snr_gamma > 0:
        raise ValueError(f"min_snr_gamma must be above 0, not {min_snr_gamma}")
    snr = schedule.snr[t]
    capped = snr.clamp(max=min_snr_gamma)
    if prediction == "eps":
        return capped / snr
    if prediction == "x0":
        return capped
    return capped / (snr + 1)
