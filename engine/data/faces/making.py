"""Drawing many faces in blocks, on all cores."""

import multiprocessing
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.data.faces.attributes import attributes
from engine.data.faces.painter import draw_face

BLOCK = 100


def faces(seed: int, start: int, stop: int, size: int) -> NDArray[np.uint8]:
    """Return faces start … stop−1 of the set `seed`: uint8 (n, size, size, 3)."""
    drawn = [draw_face(attributes(seed, index), size) for index in range(start, stop)]
    return np.stack(drawn) if drawn else np.empty((0, size, size, 3), np.uint8)


def _block(task: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    return faces(*task)


def generate(seed: int, count: int, size: int, workers: int = 1) -> Iterator[NDArray[np.uint8]]:
    """Yield faces 0 … count−1 in order, in blocks of at most 100; memory does not grow with `count`."""
    tasks = ((seed, start, min(start + BLOCK, count), size) for start in range(0, count, BLOCK))
    if workers <= 1:
        yield from map(_block, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(_block, tasks)
