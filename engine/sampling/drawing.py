"""From a trained network to pictures: batches, seeds, steps and what is kept of the denoising."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.base.errors import DdpmError
from engine.base.text import plural
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.device.plan import DevicePlan
from engine.diffusion.noise import PictureNoise
from engine.diffusion.reverse import sample, to_uint8
from engine.diffusion.schedule import Schedule
from engine.sampling.denoiser import asked_input, denoiser_for

MAX_FRAMES = 61
"""Frames kept of a trajectory; longer ones are thinned out evenly."""


class NotFiniteError(DdpmError):
    """The network gave NaN or infinities: no picture and no figure is made of them."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "its weights are not usable: use an earlier checkpoint")


@dataclass(frozen=True)
class Drawn:
    """One batch. pictures: uint8 (n, H, W, C); frames: uint8 (f, n, H, W, C) or None, noise first; predicted: the x_0
    that the network estimated for each of them, of the same shape."""

    indices: range
    pictures: np.ndarray
    frames: np.ndarray | None
    predicted: np.ndarray | None = None


def draw(
    model: nn.Module,
    schedule: Schedule,
    profile: Profile,
    plan: DevicePlan,
    settings: Settings,
    count: int,
    batch: int,
    *,
    begin: int = 0,
    keep_frames: int = 0,
    guide: nn.Module | None = None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Drawn]:
    """Draw pictures begin … count−1 of the set in batches; neither where they begin nor the batch size changes noise.

    If `settings` ask for several groups of labels, each has its part of the set, from the same noise.
    The first `keep_frames` pictures keep their denoising. `on_step(done, total)` counts network calls times
    pictures; it may raise to stop. `model` and `guide`, the worse network if `settings` asks for one, are in evaluation
    mode and hold the weights to use. Raises NotFiniteError where what they give is not finite: clipped, an infinity
    would pass for a picture.
    """
    device = torch.device(plan.device)
    shape = (3, profile.data.size, profile.data.size)
    total, done = count * settings.steps, begin * settings.steps
    finite = torch.ones(0, dtype=torch.bool, device=device)  # of this batch's pictures

    def saw(output: Tensor) -> None:
        nonlocal finite
        finite = finite & _finite(output)

    groups = asked_input(settings.labels, profile.labels, device)
    each = group_size(settings, count)

    for start in range(begin, count, batch):
        indices = range(start, min(start + batch, count))
        kept = max(0, min(keep_frames - start, len(indices)))
        wanted = frame_steps(settings.steps)
        noise = PictureNoise(settings.seed, [index % each for index in indices], shape, device)
        y = (
            None
            if groups is None
            else groups[torch.tensor([index // each for index in indices], device=device)]
        )
        initial = noise.initial()
        finite = torch.ones(len(indices), dtype=torch.bool, device=device)
        frames = [to_uint8(initial[:kept])] if kept else []
        predicted: list[Tensor] = []

        def step_done(index: int, x_t: Tensor, x_0: Tensor) -> None:
            nonlocal done
            if kept and index == 0:  # noqa: B023 - called only within this turn of the loop
                predicted.append(to_uint8(x_0[:kept]))  # noqa: B023
            if kept and index + 1 in wanted:  # noqa: B023
                frames.append(to_uint8(x_t[:kept]))  # noqa: B023
                predicted.append(to_uint8(x_0[:kept]))  # noqa: B023
            done += len(indices)  # noqa: B023
            on_step(done, total)

        with torch.no_grad():
            x = sample(
                denoiser_for(model, guide, schedule, plan, settings, y, saw),
                schedule,
                profile.objective.prediction,
                initial,
                sampler=settings.sampler,
                steps=settings.steps,
                spacing=settings.spacing,
                eta=settings.eta,
                clip=settings.clip,
                variance=settings.variance,
                noise=noise,
                on_step=step_done,
            )
        bad = len(indices) - int((finite & _finite(x)).sum())
        if bad:
            raise NotFiniteError(
                f"the network returns values that are not finite for {bad} of {plural(len(indices), 'picture')}"
            )
        pictures = to_uint8(x).cpu().numpy()
        yield Drawn(indices, pictures, _stacked(frames), _stacked(predicted))


def _stacked(frames: list[Tensor]) -> np.ndarray | None:
    """uint8 (n, H, W, C) each as one array (f, n, H, W, C); None if there are none."""
    return np.stack([frame.cpu().numpy() for frame in frames]) if frames else None


def group_size(settings: Settings, count: int) -> int:
    """How many of `count` pictures are of each group of labels: the first so many of the first, and so on."""
    return -(-count // max(1, len(settings.labels)))


def _finite(x: Tensor) -> Tensor:
    """bool (N,): which pictures of (N, C, H, W) are finite throughout."""
    return torch.isfinite(x).flatten(1).all(1)


def frame_steps(steps: int) -> frozenset[int]:
    """Which step counts are kept as frames: all of a short trajectory, an even choice of a long one."""
    count = min(steps, MAX_FRAMES - 1)
    return frozenset(round((i + 1) * steps / count) for i in range(count))


def batch_that_fits(profile: Profile, plan: DevicePlan, free_bytes: int, guided: bool = False) -> int:
    """Return the pictures per batch for sampling that fit into free memory, from the activations of the widest level
    without gradients; half as many if they are guided."""
    size, width = profile.data.size, profile.model.width
    bytes_per_value = 4 if plan.precision == "fp32" else 2
    # About a dozen full-resolution feature maps live at once: the skips of the first level and one block's.
    per_picture = 12 * size * size * width * bytes_per_value
    limit = 64 if plan.kind == "cpu" else 1024
    return int(max(1, min(limit, free_bytes // 2 // per_picture) // (2 if guided else 1)))
