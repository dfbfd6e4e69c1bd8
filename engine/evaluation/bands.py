"""Losses on held-out pictures along the noise, picture by picture, so that they have intervals: the training loss by
timestep band, and the eps error by log-SNR.

Must not know of files or runs; the losses themselves are `engine.diffusion.loss`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.base.errors import UserError
from engine.diffusion.bands import BANDS as LEVELS
from engine.diffusion.bands import timesteps
from engine.diffusion.forward import add_noise, target
from engine.diffusion.loss import eps_error, loss_per_picture
from engine.diffusion.names import LossKind, Prediction
from engine.diffusion.randomness import generator_for
from engine.diffusion.reverse import Denoiser
from engine.diffusion.schedule import Schedule
from engine.evaluation.bootstrap import Interval, bootstrap
from engine.evaluation.pictures import Pictures, check_pictures

BANDS = 10


@dataclass(frozen=True)
class Bands:
    """edges: T's parts, len(loss) + 1 of them; loss: each band's mean; mean: over all bands."""

    edges: tuple[int, ...]
    loss: tuple[Interval, ...]
    eps_error: tuple[Interval, ...]
    """E‖ε̂ − ε‖² a value, comparable across objectives"""
    mean: Interval


def band_losses(
    denoise: Denoiser,
    schedule: Schedule,
    prediction: Prediction,
    loss: LossKind,
    pictures: Pictures,
    *,
    bands: int = BANDS,
    seed: int = 0,
    batch: int = 64,
    device: torch.device | str = "cpu",
) -> Bands:
    """Return each picture's loss in each of `bands` equal parts of 0 … T−1.

    Each picture, uint8 (N, 3, H, W), is noised once in each band, at a timestep of that band and with noise that are
    functions of (seed, band). Unweighted; raises UserError for fewer than 2."""
    check_pictures(pictures, "the set")
    if not 1 <= bands <= schedule.steps:
        raise UserError(f"{bands} bands of {schedule.steps} timesteps", f"1 to {schedule.steps} are possible")
    edges = np.linspace(0, schedule.steps, bands + 1).round().astype(int)
    losses, errors = np.empty((bands, len(pictures))), np.empty((bands, len(pictures)))
    for band in range(bands):
        random = generator_for(seed, "evaluation bands", band)
        t_all = torch.randint(int(edges[band]), int(edges[band + 1]), (len(pictures),), generator=random)
        for rows, x_0, eps, t, x_t, output in _denoised(
            denoise, schedule, pictures, t_all, random, batch, device
        ):
            wanted = target(schedule, prediction, x_0, eps, t)
            losses[band, rows] = loss_per_picture(output, wanted, loss).cpu().numpy()
            errors[band, rows] = eps_error(schedule, prediction, output, x_t, t, eps).cpu().numpy()
    return Bands(
        tuple(int(e) for e in edges),
        tuple(bootstrap(row, seed=seed) for row in losses),
        tuple(bootstrap(row, seed=seed) for row in errors),
        bootstrap(losses.mean(axis=0), seed=seed),
    )


def eps_errors(
    denoiser: Callable[[int], Denoiser],
    schedule: Schedule,
    prediction: Prediction,
    pictures: Pictures,
    *,
    seed: int = 0,
    batch: int = 64,
    device: torch.device | str = "cpu",
) -> tuple[list[float], NDArray[np.float64]]:
    """Return the log-SNR levels that the schedule reaches, and E‖ε̂ − ε‖² a value at each: float64 (levels, N).

    `@best` uses this figure: the levels are those of `engine.training.validation`, which has the mean at every epoch
    of fewer pictures; here each picture is at every level. `denoiser` is told how many calls there will be.
    pictures: uint8 (N, 3, H, W); the noise is a function of (seed, level, batch). Raises UserError for fewer than
    2 pictures, or a schedule that reaches no level.
    """
    check_pictures(pictures, "the held-out set")
    reached = [(level, t) for level, (t, near) in zip(LEVELS, timesteps(schedule), strict=True) if near]
    if not reached:
        raise UserError("the schedule reaches no level at which the eps error is taken", "use more steps")
    denoise = denoiser(len(reached) * -(-len(pictures) // batch))
    errors = np.empty((len(reached), len(pictures)))
    for row, (_, step) in enumerate(reached):
        random = generator_for(seed, "evaluation eps error", row)
        t_all = torch.full((len(pictures),), step, dtype=torch.int64)
        for rows, _, eps, t, x_t, output in _denoised(
            denoise, schedule, pictures, t_all, random, batch, device
        ):
            errors[row, rows] = eps_error(schedule, prediction, output, x_t, t, eps).cpu().numpy()
    return [level for level, _ in reached], errors


def _denoised(
    denoise: Denoiser,
    schedule: Schedule,
    pictures: Pictures,
    t_all: Tensor,
    random: torch.Generator,
    batch: int,
    device: torch.device | str,
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Yield for each batch: its rows, their x_0, ε, t and x_t, and the network's output for them, float32."""
    for start in range(0, len(pictures), batch):
        part = np.ascontiguousarray(pictures[start : start + batch])
        rows = slice(start, start + len(part))
        x_0 = (torch.from_numpy(part).float() / 127.5 - 1).to(device)
        eps = torch.randn(x_0.shape, generator=random).to(device)
        t = t_all[rows].to(device)
        x_t = add_noise(schedule, x_0, eps, t)
        with torch.no_grad():
            output = denoise(x_t, t).float()
        yield rows, x_0, eps, t, x_t, output
