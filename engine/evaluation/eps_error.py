"""The eps error by log-SNR: what `@best` goes by, picture by picture, so that it has an interval.

The same quantity as `engine.training.validation` has at every epoch, on more pictures: each one at every level.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from engine.diffusion.forward import Prediction, add_noise, predict_eps
from engine.diffusion.randomness import generator_for
from engine.diffusion.samplers import Denoiser
from engine.diffusion.schedule import Schedule
from engine.errors import UserError
from engine.evaluation.pictures import Pictures, check_pictures
from engine.training.validation import BANDS, REACH


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
    """The log-SNR levels that the schedule reaches, and E‖ε̂ − ε‖² a value at each: float64 (levels, N).

    `denoiser` is told how many calls there will be. pictures: uint8 (N, 3, H, W); the noise is a function of
    (seed, level, batch). Raises UserError for fewer than 2 pictures, or a schedule that reaches no level.
    """
    check_pictures(pictures, "the held-out set")
    log_snr = schedule.log_snr.cpu()
    nearest = [(level, int((log_snr - level).abs().argmin())) for level in BANDS]
    reached = [(level, t) for level, t in nearest if abs(log_snr[t].item() - level) <= REACH]
    if not reached:
        raise UserError("the schedule reaches no level at which the eps error is taken", "use more steps")
    denoise = denoiser(len(reached) * -(-len(pictures) // batch))
    errors = np.empty((len(reached), len(pictures)))
    for row, (_, step) in enumerate(reached):
        random = generator_for(seed, "evaluation eps error", row)
        for start in range(0, len(pictures), batch):
            part = np.ascontiguousarray(pictures[start : start + batch])
            x_0 = (torch.from_numpy(part).float() / 127.5 - 1).to(device)
            eps = torch.randn(x_0.shape, generator=random).to(device)
            t = torch.full((len(part),), step, dtype=torch.int64, device=device)
            x_t = add_noise(schedule, x_0, eps, t)
            with torch.no_grad():
                found = predict_eps(schedule, prediction, denoise(x_t, t).float(), x_t, t)
            errors[row, start : start + len(part)] = (found - eps).square().flatten(1).mean(1).cpu().numpy()
    return [level for level, _ in reached], errors
