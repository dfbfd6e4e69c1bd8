"""Steps, epochs and pictures, also of branches whose batches are not their parents'."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.timeline import Origin, Timeline


def test_without_a_beginning_a_place_is_the_step() -> None:
    t = Timeline(Origin(), 5, 8)
    assert [t.place(s) for s in (0, 7, 10)] == [0, 7, 10]
    assert (t.epochs(7), t.epoch(7), t.images(7), t.position(7)) == (1.4, 1, 56, 16)
    assert (t.end_of(3), t.is_epoch_end(10), t.is_epoch_end(7)) == (15, True, False)


@pytest.mark.parametrize(("per_epoch", "batch"), [(2, 16), (11, 4)])
def test_a_branch_with_other_batches_goes_on_from_its_epoch(per_epoch: int, batch: int) -> None:
    t = Timeline(Origin(10, 2.0, 80), per_epoch, batch)
    assert (t.epochs(10), t.epoch(10), t.images(10), t.position(10)) == (2.0, 2, 80, 0)
    end = t.end_of(3)
    assert end == 10 + per_epoch
    assert (t.epochs(end), t.images(end), t.is_epoch_end(end)) == (3.0, 80 + per_epoch * batch, True)


def test_inside_an_epoch_the_rest_of_it_is_trained_and_none_goes_back() -> None:
    t = Timeline(Origin(12, 2.4, 96), 2, 16)
    assert (t.epochs(12), t.images(12)) == (2.4, 96)
    assert t.end_of(3) == 13
    assert t.epochs(13) == 3.0
    assert t.epochs(14) == 3.5


@given(
    st.integers(1, 40), st.integers(1, 64), st.integers(0, 500), st.integers(1, 40), st.integers(1, 64),
)  # fmt: skip
def test_epochs_only_rise_and_end_on_whole_ones(
    before: int, parent_batch: int, step: int, per_epoch: int, batch: int
) -> None:
    parent = Timeline(Origin(), before, parent_batch)
    origin = Origin(step, parent.epochs(step), parent.images(step))
    t = Timeline(origin, per_epoch, batch)
    assert t.epochs(step) == pytest.approx(origin.epochs, abs=1e-8)
    seen = [t.epochs(s) for s in range(step, step + 3 * per_epoch)]
    assert seen == sorted(seen)
    assert all(b > a for a, b in itertools.pairwise(seen))
    whole = t.epoch(step) + 1
    assert t.end_of(whole) > step
    assert t.epochs(t.end_of(whole)) == whole
    assert t.epoch(t.end_of(whole)) == whole
    assert t.at_place(t.place(step + 7)) == step + 7


@given(st.integers(1, 40), st.integers(1, 64), st.integers(0, 5000), st.integers(0, 200))
def test_a_branch_with_the_same_batches_counts_as_its_parent(
    per_epoch: int, batch: int, step: int, more: int
) -> None:
    parent = Timeline(Origin(), per_epoch, batch)
    child = Timeline(Origin(step, parent.epochs(step), parent.images(step)), per_epoch, batch)
    for of in ("place", "epochs", "epoch", "images", "position", "is_epoch_end"):
        assert getattr(child, of)(step + more) == getattr(parent, of)(step + more)


@pytest.mark.parametrize(
    "wrong", [None, 3, {}, {"step": 1, "epochs": 2.0}, {"step": -1, "epochs": 0, "images": 0},
              {"step": 1, "epochs": float("nan"), "images": 0}, {"step": "1", "epochs": 0, "images": 0}],
)  # fmt: skip
def test_what_is_no_origin(wrong: object) -> None:
    with pytest.raises(ValueError, match="beginning of a run"):
        Origin.from_json(wrong)
