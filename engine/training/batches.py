"""Which pictures make which batch, and everything random about it, as functions of (seed, counter).

No generator lives across steps: a resumed run draws exactly what an undisturbed one would have.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.base.errors import UserError
from engine.diffusion.randomness import generator_for, seed_for
from engine.runs.timeline import Origin, Timeline
from engine.training.labels import LabelFeed


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """int64 (count,): the order of the training pictures in epoch `epoch` (from 0)."""
    return np.random.Generator(np.random.Philox(seed_for(seed, "order", epoch))).permutation(count)


@dataclass(frozen=True)
class Batch:
    """One effective batch. x_0 (N, C, H, W) float32 in [−1, 1]; eps of the same shape; t (N,) int64; y: labels in
    the network's form, if it takes any."""

    x_0: Tensor
    eps: Tensor
    t: Tensor
    y: Tensor | None = None

    def labels(self, part: slice) -> tuple[Tensor, ...]:
        """What a network is given beside x_t and t for some of the batch: y, or nothing."""
        return () if self.y is None else (self.y[part],)


class Feeder:
    """Draws batch number `step` of a run from packed pictures.

    pictures: uint8 (M, C, H, W), memory-mapped or in memory; `train` are the indices of training pictures. With
    `on_device`, all of them are copied to the device once. `origin`: where the run's steps begin. labels: of all M
    pictures.
    """

    def __init__(
        self,
        pictures: np.ndarray,
        train: np.ndarray,
        *,
        batch_size: int,
        steps: int,
        seed: int,
        flip: bool,
        device: torch.device,
        on_device: bool = False,
        origin: Origin | None = None,
        labels: LabelFeed | None = None,
    ) -> None:
        if len(train) < batch_size:
            raise UserError(
                f"the data set has {len(train)} training pictures, but a batch needs {batch_size}",
                "add pictures, or use --set training.batch_size",
            )
        self.batch_size, self.steps, self.seed, self.flip, self.device = batch_size, steps, seed, flip, device
        self.train = np.asarray(train, dtype=np.int64)
        self.timeline = Timeline(origin or Origin(), len(train) // batch_size, batch_size)
        self._labels = labels
        self._pictures = pictures
        self._on_device = torch.from_numpy(np.ascontiguousarray(pictures)).to(device) if on_device else None
        self._order: tuple[int, np.ndarray] = (-1, self.train)

    @property
    def steps_per_epoch(self) -> int:
        return self.timeline.steps_per_epoch

    def indices(self, step: int) -> np.ndarray:
        """int64 (batch_size,): the pictures of optimizer step `step` (from 0). A short last batch is dropped."""
        epoch, position = divmod(self.timeline.place(step), self.steps_per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, self.train[epoch_order(self.seed, epoch, len(self.train))])
        return self._order[1][position * self.batch_size : (position + 1) * self.batch_size]

    def batch(self, step: int) -> Batch:
        """Pictures, noise and timesteps of optimizer step `step`, whatever the micro-batch."""
        rows = self.indices(step)
        if self._on_device is not None:
            raw = self._on_device[self._there(rows)]
        else:
            raw = self._there(self._pictures[rows])
        generator = generator_for(self.seed, "noise", step, self.device)
        x_0 = scale(raw)
        if self.flip:
            mirrored = torch.rand(len(x_0), 1, 1, 1, generator=generator, device=self.device) < 0.5
            x_0 = torch.where(mirrored, x_0.flip(3), x_0)
        t = torch.randint(0, self.steps, (len(x_0),), generator=generator, device=self.device)
        eps = torch.randn(x_0.shape, generator=generator, device=self.device)
        y = None if self._labels is None else self._labels.batch(rows, self.seed, step, self.device)
        return Batch(x_0, eps, t, y)

    def _there(self, values: np.ndarray) -> Tensor:
        """`values` on the device; a GPU is not waited for, which a copy from ordinary memory would."""
        here = torch.from_numpy(values)
        return here.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else here


def scale(pictures: Tensor) -> Tensor:
    """uint8 0…255 to float32 [−1, 1]."""
    return pictures.float().div_(127.5).sub_(1.0)
