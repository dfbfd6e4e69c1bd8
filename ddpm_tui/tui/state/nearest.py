"""Which training pictures a sample is most like: the plainest look for memorised faces. NumPy only.

Distance is the root of the mean squared difference of pictures shrunk to at most 16×16 and blurred, the sample
mirrored or not, as training mirrors too. Small shifts and noise hardly change it, another face does.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.base.errors import UserError
from engine.base.home import Home, is_export
from engine.data.packed import Packed, open_packed
from engine.runs.pictures import pictures_of
from engine.runs.record import load_run
from engine.runs.trained import find_trained

EDGE = 16
CHUNK = 2048
"""Pictures looked at together: some megabytes at 64 px."""


@dataclass(frozen=True, eq=False)
class Neighbour:
    """index: in the packed data · distance: 0 (the same) … 255 · picture: uint8 (H, W, 3)."""

    index: int
    distance: float
    picture: NDArray[np.uint8]


def training_data(home: Home, of: str) -> Packed:
    """Return the packed pictures that this run, or the run of this exported folder, began with.

    Its data set may hold others by now. Raises DdpmError if they are gone.
    """
    if not of:
        raise UserError("the set does not say to which folder its checkpoint was exported")
    return open_packed(
        find_trained(home, of).pictures(home) if is_export(of) else pictures_of(home, load_run(home, of))
    )


class Neighbours:
    """Looks through a data set's training pictures; keeps them shrunk, so that the second look is quick."""

    def __init__(self, packed: Packed) -> None:
        self.packed = packed
        self._small: NDArray[np.uint8] | None = None
        self._lock = threading.Lock()

    def nearest(
        self, picture: NDArray[np.uint8], count: int = 8, stop: Callable[[], bool] = lambda: False
    ) -> list[Neighbour]:
        """Return the `count` training pictures nearest to `picture`, uint8 (H, W, 3), nearest first; none if
        stopped."""
        with self._lock:
            small = self._shrunk(stop)
        if small is None:
            return []
        chw = np.ascontiguousarray(np.moveaxis(picture, -1, 0))[None]
        wanted = [shrink(chw)[0].astype(np.float32), shrink(chw[..., ::-1])[0].astype(np.float32)]
        distances = np.empty(len(small), np.float32)
        for start in range(0, len(small), CHUNK):
            if stop():
                return []
            part = small[start : start + CHUNK].astype(np.float32)
            each = [np.mean((part - one) ** 2, axis=(1, 2, 3)) for one in wanted]
            distances[start : start + CHUNK] = np.sqrt(np.minimum(*each))
        count = min(count, len(distances))
        best = np.argpartition(distances, count - 1)[:count] if count else np.empty(0, np.int64)
        best = best[np.argsort(distances[best], kind="stable")]
        return [
            Neighbour(
                int(self.packed.train[i]),
                float(distances[i]),
                np.ascontiguousarray(np.moveaxis(self.packed.pictures[self.packed.train[i]], 0, -1)),
            )
            for i in best
        ]

    def _shrunk(self, stop: Callable[[], bool]) -> NDArray[np.uint8] | None:
        if self._small is None:
            parts = []
            for start in range(0, len(self.packed.train), CHUNK):
                if stop():
                    return None
                parts.append(shrink(self.packed.pictures[self.packed.train[start : start + CHUNK]]))
            edge = min(EDGE, self.packed.size)
            self._small = np.concatenate(parts) if parts else np.empty((0, 3, edge, edge), np.uint8)
        return self._small


def shrink(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink uint8 (n, 3, H, W) to (n, 3, h, w) with h, w ≤ 16: means of blocks, then of 3×3 neighbours."""
    n, channels, height, width = pictures.shape
    by = max(1, -(-height // EDGE))
    rows, columns = height // by, width // by
    blocks = pictures[:, :, : rows * by, : columns * by].reshape(n, channels, rows, by, columns, by)
    small = blocks.mean(axis=(3, 5), dtype=np.float32)
    padded = np.pad(small, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    total = sum(padded[:, :, y : y + rows, x : x + columns] for y in range(3) for x in range(3))
    return np.rint(np.asarray(total) / 9).astype(np.uint8)
