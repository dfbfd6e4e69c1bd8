"""What all tests share: one thread a process, so that two cores run two tests, and a small data set."""

import os

# Before torch is imported anywhere, here or in a worker that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """61 small pictures of coloured dots, a folder like a user's."""
    return _dots(tmp_path_factory.mktemp("dots"), 61)


@pytest.fixture(scope="session")
def many_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 of them: enough for more than one to be held out, which scoring needs."""
    return _dots(tmp_path_factory.mktemp("many"), 150)


def _dots(folder: Path, count: int) -> Path:
    draw = np.random.default_rng(0)
    for index in range(count):
        picture = np.full((16, 16, 3), draw.integers(0, 255, 3), np.uint8)
        y, x = draw.integers(2, 12, 2)
        picture[y : y + 4, x : x + 4] = draw.integers(0, 255, 3)
        Image.fromarray(picture).save(folder / f"{index:03d}.png")
    return folder
