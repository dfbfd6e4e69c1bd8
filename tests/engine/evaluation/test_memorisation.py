"""Copies are found, mirrored too, and pictures of the same kind are not called copies."""

import numpy as np
import pytest

from engine.base.errors import UserError
from engine.evaluation.memorisation import closest_pairs, memorisation, nearest


def pictures(n: int, seed: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, height, width), dtype=np.uint8)


def test_nearest_is_what_a_plain_search_finds() -> None:
    asked, there = pictures(7, 0, 6, 10), pictures(50, 1, 6, 10)
    distance, index = nearest(asked, there, chunk=16)
    for row, query in enumerate(asked.astype(float)):
        straight = np.sqrt(((there - query) ** 2).mean((1, 2, 3)))
        turned = np.sqrt(((there - query[..., ::-1]) ** 2).mean((1, 2, 3)))
        both = np.minimum(straight, turned)
        assert index[row] == both.argmin()
        assert distance[row] == pytest.approx(both.min() / 255, rel=1e-4)


def test_the_chunks_change_nothing() -> None:
    asked, there = pictures(5, 0), pictures(40, 1)
    for chunk in (1, 7, 40, 1000):
        assert np.array_equal(nearest(asked, there, chunk=chunk)[1], nearest(asked, there)[1])


def test_planted_copies_are_found_mirrored_too() -> None:
    train, held_out = pictures(60, 0), pictures(30, 1)
    samples = pictures(20, 2)
    samples[3], samples[11] = train[42], train[7][..., ::-1]
    found = memorisation(samples, train, held_out)
    assert found.sample_index[3] == 42
    assert found.sample_index[11] == 7
    assert found.sample_nearest[[3, 11]] == pytest.approx(0, abs=1e-3)
    assert found.share_closer == pytest.approx(0.1, abs=0.06)
    sheet = closest_pairs(found, samples, train, pairs=2)
    assert sheet.shape == (3, 18, 18)
    # Above each sample, below it what was learned, turned the same way.
    for left in (0, 10):
        assert np.array_equal(sheet[:, :8, left : left + 8], sheet[:, 10:, left : left + 8])


def test_a_network_that_copies_everything_and_one_that_copies_nothing() -> None:
    train, held_out = pictures(100, 0), pictures(60, 1)
    fresh = memorisation(pictures(60, 3), train, held_out)
    assert 0.98 < fresh.ratio.value < 1.02
    assert fresh.share_closer < 0.1
    copied = memorisation(train[:60], train, held_out)
    assert copied.ratio.high < 0.01
    assert copied.share_closer == 1


def test_pictures_that_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="8×8 and 4×8"):
        nearest(pictures(2, 0), pictures(2, 0, 8, 4))
    with pytest.raises(UserError, match="1 picture"):
        memorisation(pictures(1, 0), pictures(9, 1), pictures(9, 2))
    with pytest.raises(UserError, match="float64"):
        nearest(pictures(2, 0).astype(float), pictures(2, 0))
