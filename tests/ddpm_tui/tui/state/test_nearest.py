"""The nearest training pictures: the same one is found, mirrored too, and only training pictures are looked at."""

from types import SimpleNamespace

import numpy as np
import pytest

from ddpm_tui.tui.state.nearest import Neighbours, shrink
from tests.ddpm_tui.fakes import face


def packed(n: int = 20, size: int = 32):
    pictures = np.stack(
        [np.random.default_rng(i).integers(0, 256, (3, size, size), np.uint8) for i in range(n)]
    )
    pictures[7] = np.moveaxis(face(3, size), -1, 0)
    return SimpleNamespace(pictures=pictures, train=np.arange(5, n), size=size)


@pytest.mark.parametrize("size", [8, 32, 48, 50])
def test_the_same_picture_is_nearest_and_at_no_distance(size):
    found = Neighbours(packed(size=size)).nearest(face(3, size), 3)
    assert found[0].index == 7
    assert found[0].distance == 0
    assert np.array_equal(found[0].picture, face(3, size))
    assert found[0].distance < found[1].distance <= found[2].distance


def test_mirrored_is_the_same_for_training_mirrors():
    data = packed()
    mirrored = np.moveaxis(data.pictures[9], 0, -1)[:, ::-1]
    found = Neighbours(data).nearest(mirrored, 1)[0]
    assert (found.index, found.distance) == (9, 0)


def test_only_training_pictures_count():
    data = packed()
    data.train = np.arange(8, 20)
    assert 7 not in [n.index for n in Neighbours(data).nearest(face(3), 12)]


def test_stopping_finds_nothing():
    assert Neighbours(packed()).nearest(face(3), 3, stop=lambda: True) == []


def test_shrinking_keeps_a_flat_picture_flat():
    assert np.array_equal(shrink(np.full((1, 3, 64, 64), 9, np.uint8)), np.full((1, 3, 16, 16), 9))
