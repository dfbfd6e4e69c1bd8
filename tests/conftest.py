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
    folder = tmp_path_factory.mktemp("dots")
    draw = np.random.default_rng(0)
    for index in range(61):
        picture = np.full((16, 16, 3), draw.integers(0, 255, 3), np.uint8)
        y, x = draw.integers(2, 12, 2)
        picture[y : y + 4, x : x + 4] = draw.integers(0, 255, 3)
        Image.fromarray(picture).save(folder / f"{index:03d}.png")
    return folder
