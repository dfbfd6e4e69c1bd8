"""Labels as a network takes them, and which of them it is told while it learns, as functions of (seed, step)."""

import numpy as np
import torch
from torch import Tensor

from engine.config.sections import LabelsSection
from engine.data.labels import Labels
from engine.diffusion.randomness import generator_for


def as_input(labels: Labels) -> Tensor:
    """y as `engine.models.conditioning.LabelEmbedding` takes it, on the CPU: (N, K) int8, or (N,) int64 in which K is
    unknown."""
    if labels.kind == "attributes":
        return torch.from_numpy(np.ascontiguousarray(labels.values))
    values = labels.values.astype(np.int64)
    return torch.from_numpy(np.where(values < 0, len(labels.names), values))


class LabelFeed:
    """The labels of packed pictures, batch by batch, some of them hidden.

    All labels of a picture are hidden with probability `dropout`, else each attribute with `dropout_each`, so that
    any part of them can be asked for, and none (Ho & Salimans 2022, section 3.2).
    """

    def __init__(self, labels: Labels, section: LabelsSection) -> None:
        self.kind, self.count, self.section = labels.kind, len(labels.names), section
        self._all = as_input(labels)

    def batch(self, rows: np.ndarray, seed: int, step: int, device: torch.device) -> Tensor:
        """y of the pictures `rows` for optimizer step `step`: what is hidden depends on seed and step alone."""
        y = self.whole(rows).to(device)
        generator = generator_for(seed, "labels", step, device)
        hidden = torch.rand(len(y), generator=generator, device=device) < self.section.dropout
        if self.kind == "class":
            return torch.where(hidden, self.count, y)
        each = torch.rand(y.shape, generator=generator, device=device) < self.section.dropout_each
        return torch.where(hidden[:, None] | each, 0, y).float()

    def whole(self, rows: np.ndarray) -> Tensor:
        """y of the pictures `rows` with nothing hidden, on the CPU."""
        return self._all[torch.from_numpy(np.asarray(rows, dtype=np.int64))]
