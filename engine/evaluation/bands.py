"""The training loss on held-out pictures by timestep band: where along the noise a network is good.

Must not know of files or runs; the loss itself is `engine.diffusion.loss`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from engine.diffusion.forward import Prediction, add_noise, predict_eps, target
from engine.diffusion.loss import LossKind, loss_per_picture
from engine.diffusion.randomness import generator_for
from engine.diffusion.samplers import Denoiser
from engine.diffusion.schedule import Schedule
from engine.errors import UserError
from engine.evaluation.bootstrap import Interval, bootstrap
from engine.evaluation.pictures import Pictures, check_pictures

OnBatch = Callable[[int, int], None]
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
    on_batch: OnBatch = lambda done, total: None,
) -> Bands:
    """Each picture, uint8 (N, 3, H, W), is noised once in each of `bands` equal parts of 0 … T−1, at a timestep of
    that band and with noise that are functions of (seed, band). Unweighted; raises UserError for fewer than 2."""
    check_pictures(pictures, "the set")
    if not 1 <= bands <= schedule.steps:
        raise UserError(f"{bands} bands of {schedule.steps} timesteps", f"1 to {schedule.steps} are possible")
    edges = np.linspace(0, schedule.steps, bands + 1).round().astype(int)
    losses, errors = np.empty((bands, len(pictures))), np.empty((bands, len(pictures)))
    total = bands * len(pictures)
    for band in range(bands):
        random = generator_for(seed, "evaluation bands", band)
        t_all = torch.randint(int(edges[band]), int(edges[band + 1]), (len(pictures),), generator=random)
        for start in range(0, len(pictures), batch):
            part = np.ascontiguousarray(pictures[start : start + batch])
            rows = slice(start, start + len(part))
            x_0 = (torch.from_numpy(part).float() / 127.5 - 1).to(device)
            eps = torch.randn(x_0.shape, generator=random).to(device)
            t = t_all[rows].to(device)
            x_t = add_noise(schedule, x_0, eps, t)
            with torch.no_grad():
                output = denoise(x_t, t).float()
            losses[band, rows] = (
                loss_per_picture(output, target(schedule, prediction, x_0, eps, t), loss).cpu().numpy()
            )
            found = predict_eps(schedule, prediction, output, x_t, t)
            errors[band, rows] = (found - eps).square().flatten(1).mean(1).cpu().numpy()
            on_batch(band * len(pictures) + start + len(part), total)
    return Bands(
        tuple(int(e) for e in edges),
        tuple(bootstrap(row, seed=seed) for row in losses),
        tuple(bootstrap(row, seed=seed) for row in errors),
        bootstrap(losses.mean(axis=0), seed=seed),
    )
