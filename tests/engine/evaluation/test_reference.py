"""Which pictures samples are held against, and that their features are made once for the same weights and pictures."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.base.errors import UserError
from engine.base.home import Home
from engine.data.catalog import add_source
from engine.data.job import pack_for
from engine.data.packed import Packed, open_packed
from engine.evaluation.reference import choose, reference_features
from engine.jobs.context import Work
from engine.jobs.files import read_spec
from tests.tiny import job, make_run


class Means:
    """An extractor that counts its calls."""

    name = "means"

    def __init__(self, identity: str = "weights-1") -> None:
        self.identity, self.calls = identity, 0

    def features(self, pictures: NDArray[np.uint8], on_batch: object = None) -> NDArray[np.float32]:
        self.calls += 1
        return pictures.mean((2, 3)).astype(np.float32)


@pytest.fixture
def packed(tmp_path: Path, many_pictures: Path) -> Packed:
    home = Home(tmp_path / "home").create()
    add_source(home, many_pictures, "dots")
    folder = job(home, make_run(home, "r"), 1)
    work = Work(home, folder, read_spec(folder), io.StringIO())
    return open_packed(pack_for(work, "dots", 16, "whole", None))


def test_the_chosen_are_spread_over_their_part_and_named(packed: Packed) -> None:
    chosen = choose(packed, "train", 5)
    assert np.array_equal(chosen.pictures[0], packed.pictures[packed.train[0]])
    assert np.array_equal(chosen.pictures[-1], packed.pictures[packed.train[-1]])
    assert (chosen.reference.dataset, chosen.reference.part, chosen.reference.n) == ("dots", "train", 5)
    whole = choose(packed, "held_out", 1000)
    assert np.array_equal(whole.pictures, packed.pictures[packed.held_out])
    prints = [choose(packed, "train", n).reference.fingerprint for n in (5, 5, 6)]
    assert prints[0] == prints[1] != prints[2]
    alone = dataclasses.replace(packed, held_out=packed.held_out[:1])
    with pytest.raises(UserError, match="has 1 picture held out"):
        choose(alone, "held_out", 5)


def test_features_are_made_once_for_the_same_weights_and_pictures(packed: Packed) -> None:
    chosen, means = choose(packed, "train", 9), Means()
    first = reference_features(packed, chosen, means)
    assert np.array_equal(first, means.features(chosen.pictures))
    means.calls = 0
    assert np.array_equal(reference_features(packed, chosen, means), first)
    assert means.calls == 0
    reference_features(packed, choose(packed, "train", 8), means)
    assert means.calls == 1, "other pictures"
    other = Means("weights-2")
    reference_features(packed, chosen, other)
    assert other.calls == 1, "other weights"


def test_a_damaged_file_is_made_again_and_one_that_cannot_be_kept_does_no_harm(packed: Packed) -> None:
    chosen, means = choose(packed, "train", 9), Means()
    first = reference_features(packed, chosen, means)
    statistics = packed.folder.path / "statistics"
    (kept,) = statistics.iterdir()
    kept.write_bytes(kept.read_bytes()[:-5])
    assert np.array_equal(reference_features(packed, chosen, means), first)
    assert means.calls == 2
    assert np.array_equal(reference_features(packed, chosen, means), first)
    assert means.calls == 2
    kept.unlink()
    statistics.rmdir()
    statistics.write_text("a file where the folder should be")
    assert np.array_equal(reference_features(packed, chosen, means), first)
    assert means.calls == 3
