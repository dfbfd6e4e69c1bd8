"""How good the average is on pictures it never learned from, with noise that never changes.

Two figures: the training loss on held-out pictures, and the eps error by log-SNR band, which is comparable
across objectives and schedules.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.config.sections import ObjectiveSection
from engine.device.plan import DevicePlan, autocast
from engine.diffusion.bands import BANDS, timesteps
from engine.diffusion.forward import add_noise, target
from engine.diffusion.loss import eps_error, loss_per_picture, weights
from engine.diffusion.randomness import generator_for
from engine.diffusion.schedule import Schedule
from engine.training.batches import scale
from engine.training.labels import LabelFeed

REPEATS = 8


@dataclass(frozen=True)
class Validation:
    """loss: mean training loss · eps_error: mean over bands of E‖ε̂ − ε‖² per value · bands: each band's."""

    loss: float
    eps_error: float | None
    bands: tuple[float | None, ...]


class Validator:
    """Scores a model on the same pictures with the same noise each time; half of them for each figure."""

    def __init__(
        self,
        pictures: np.ndarray,
        held_out: np.ndarray,
        limit: int,
        schedule: Schedule,
        objective: ObjectiveSection,
        plan: DevicePlan,
        device: torch.device,
        batch: int = 64,
        labels: LabelFeed | None = None,
    ) -> None:
        """Create a validator. pictures: uint8 (M, C, H, W); held_out: indices into it, of which at most `limit` are
        used; labels: of all M pictures. The loss uses the labels; the eps error, which compares runs, does not."""
        self.schedule, self.objective, self.plan, self.device, self.batch = (
            schedule,
            objective,
            plan,
            device,
            batch,
        )
        # A small set is gone through several times, each time with other noise.
        count = min(limit, REPEATS * len(held_out))
        if count <= len(held_out):
            chosen = held_out[np.linspace(0, len(held_out) - 1, count).astype(np.int64)]
        else:
            chosen = held_out[np.arange(count) % len(held_out)]
        x_0 = scale(torch.from_numpy(pictures[chosen]))
        generator = generator_for(0, "validation", 0, torch.device("cpu"))
        half = max(1, len(x_0) // 2)
        self._loss_y = None if labels is None else labels.whole(chosen[:half])
        self._loss_x, self._band_x = x_0[:half], x_0[half:] if len(x_0) > half else x_0[:half]
        self._loss_eps = torch.randn(self._loss_x.shape, generator=generator)
        self._band_eps = torch.randn(self._band_x.shape, generator=generator)
        # Evenly spread timesteps: the mean over pictures is then a mean over t with little variance.
        self._loss_t = ((torch.arange(half) + 0.5) * schedule.steps / half).long()
        found = timesteps(schedule)
        self._reached = [reached for _, reached in found]
        self._band_of = torch.arange(len(self._band_x)) % len(BANDS)
        self._band_t = torch.tensor([t for t, _ in found])[self._band_of]

    def score(self, model: nn.Module) -> Validation:
        """Evaluate `model`, which has the weights to use and is in evaluation mode."""
        losses = self._per_picture(
            model, self._loss_x, self._loss_eps, self._loss_t, self._loss, self._loss_y
        )
        errors = self._per_picture(model, self._band_x, self._band_eps, self._band_t, self._eps_error)
        bands: list[float | None] = []
        for band, reached in enumerate(self._reached):
            mine = errors[self._band_of == band]
            bands.append(mine.mean().item() if reached and len(mine) else None)
        known = [b for b in bands if b is not None]
        return Validation(losses.mean().item(), sum(known) / len(known) if known else None, tuple(bands))

    def _per_picture(self, model, x, eps, t, figure, y=None) -> Tensor:  # type: ignore[no-untyped-def]
        found = []
        for start in range(0, len(x), self.batch):
            part = slice(start, start + self.batch)
            x_0, noise, steps = (v[part].to(self.device) for v in (x, eps, t))
            x_t = add_noise(self.schedule, x_0, noise, steps)
            told = () if y is None else (y[part].to(self.device),)
            with autocast(self.plan):
                output = model(x_t, steps, *told)
            found.append(figure(output.float(), x_0, noise, x_t, steps).cpu())
        return torch.cat(found)

    def _loss(self, output: Tensor, x_0: Tensor, eps: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        o = self.objective
        wanted = target(self.schedule, o.prediction, x_0, eps, t)
        weight = weights(self.schedule, t, o.prediction, o.min_snr_gamma)
        return loss_per_picture(output, wanted, o.loss) * weight

    def _eps_error(self, output: Tensor, x_0: Tensor, eps: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        return eps_error(self.schedule, self.objective.prediction, output, x_t, t, eps)
