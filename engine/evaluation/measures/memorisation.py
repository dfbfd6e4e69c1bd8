"""Whether samples lie closer to training pictures than held-out pictures do."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation import memorisation
from engine.evaluation.measuring import NOISE_SEED, Figure, Measuring, first_last
from engine.runs.evaluations import Reference

PAIRS, PAIRS_SCALE = 10, 3


def take(of: Measuring) -> Figure:
    """Take the measure of memorisation. detail: share_closer, held_out (their number), held_out_median,
    sample_median and the nearest distances."""
    samples = first_last(of.drawn())
    held_out = of.held_out(of.wanted.n)
    train = _Rows(of.packed.pictures, of.packed.train, of.reading("memorisation", 2 * len(of.packed.train)))
    known: Any = train  # reads like an array, a part at a time
    found = memorisation.memorisation(samples, known, held_out.pictures, seed=NOISE_SEED)
    train.on_read = lambda count: None
    sheet = memorisation.closest_pairs(found, samples, known, PAIRS)
    # Its fingerprint stands for the packed bytes and for which pictures were held out, as both decide the ratio.
    trained = Reference(of.packed.manifest.dataset, "train", len(train), held_out.reference.fingerprint)
    return Figure(
        found.ratio, len(samples), trained,
        detail={
            "share_closer": found.share_closer, "held_out": held_out.reference.n,
            "held_out_median": float(np.median(found.held_out_nearest)),
            "sample_median": float(np.median(found.sample_nearest)),
            "nearest": np.sort(found.sample_nearest)[:PAIRS],
        },
        pairs=sheet.transpose(1, 2, 0).repeat(PAIRS_SCALE, 0).repeat(PAIRS_SCALE, 1),
    )  # fmt: skip


class _Rows:
    """Chosen rows of a memory-mapped array, read when they are asked for; `on_read` hears how many."""

    def __init__(
        self, pictures: NDArray[np.uint8], rows: NDArray[np.int64], on_read: Callable[[int], None]
    ) -> None:
        self._pictures, self._rows, self.on_read = pictures, rows, on_read
        self.dtype, self.ndim, self.shape = pictures.dtype, pictures.ndim, (len(rows), *pictures.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: Any) -> NDArray[np.uint8]:
        rows = self._rows[which]
        self.on_read(int(np.size(rows)))
        found: NDArray[np.uint8] = self._pictures[rows]
        return found
