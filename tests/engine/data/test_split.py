"""The split depends on names alone, leaves nobody's side empty, and follows CelebA's partition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data import split as split_module
from engine.data.partition import Partition
from engine.data.split import HELD_OUT, TEST, TRAIN, assign, choose

NAMES = [f"{number:06d}.jpg" for number in range(1, 10_001)]
SETS = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=30, unique=True)


def test_about_two_percent_are_held_out() -> None:
    split, used = assign(NAMES, None)
    assert not used
    assert 150 <= split.count(HELD_OUT) <= 250
    assert split.count(TEST) == 0


def test_the_split_is_the_same_for_ever() -> None:
    """Numbers that must never change: runs on disk rely on them."""
    split, _ = assign(NAMES, None)
    assert [name for name, code in zip(NAMES, split, strict=True) if code][:4] == PINNED


PINNED = ["000011.jpg", "000071.jpg", "000153.jpg", "000154.jpg"]


def test_a_picture_stays_on_its_side_when_others_come_and_go() -> None:
    whole = dict(zip(NAMES, assign(NAMES, None)[0], strict=True))
    some = NAMES[::3]
    assert dict(zip(some, assign(some, None)[0], strict=True)) == {name: whole[name] for name in some}


@given(SETS)
def test_both_sides_have_someone(names: list[str]) -> None:
    split, _ = assign(names, None)
    assert HELD_OUT in split
    assert TRAIN in split


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_someone_is_on_each_side_even_against_the_odds(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr(split_module, "HELD_OUT_SHARE", share)
    split, _ = assign(NAMES[:5], None)
    assert sorted(split) == ([0, 0, 0, 1, 1] if share == 0 else [0, 1, 1, 1, 1])


@pytest.mark.parametrize(("pictures", "held_out"), [(2, 1), (3, 1), (4, 2), (5, 2), (60, 2)])
def test_small_sets_hold_out_as_many_as_a_score_needs(pictures: int, held_out: int) -> None:
    assert assign(NAMES[100 : 100 + pictures], None)[0].count(HELD_OUT) == held_out


@given(SETS, st.randoms())
def test_order_does_not_matter(names: list[str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = dict(zip(names, assign(names, None)[0], strict=True))
    assert first == dict(zip(shuffled, assign(shuffled, None)[0], strict=True))


def test_the_partition_decides() -> None:
    partition = Partition(b"a.jpg 0\nb.jpg 1\nc.jpg 2\r\nd.jpg 0\n")
    split, used = assign(["a.jpg", "b.jpg", "c.jpg", "sub/d.jpg", "unknown.jpg"], partition)
    assert used
    assert list(split) == [TRAIN, HELD_OUT, TEST, TRAIN, TRAIN]


def test_the_partition_as_csv_with_a_head() -> None:
    partition = Partition(b"image_id,partition\na.jpg,2\nb.jpg,1\nc.jpg,0\n")
    assert list(assign(["a.jpg", "b.jpg", "c.jpg"], partition)[0]) == [TEST, HELD_OUT, TRAIN]


def test_a_relative_name_goes_before_its_last_part() -> None:
    partition = Partition(b"x/a.jpg 1\na.jpg 2\nb.jpg 0\n")
    assert list(assign(["x/a.jpg", "y/a.jpg", "b.jpg"], partition)[0]) == [HELD_OUT, TEST, TRAIN]


def test_names_that_begin_alike_are_not_confused() -> None:
    partition = Partition(b"a 1\na.jpg 2\na.jpg2 0\n")
    assert [partition.code(name) for name in ("a", "a.jpg", "a.jpg2", "ab", "b")] == [1, 2, 0, None, None]


def test_a_partition_of_other_pictures_is_not_used() -> None:
    split, used = assign(NAMES[:200], Partition(b"somebody.jpg 2\nelse.jpg 1\n"))
    assert not used
    assert HELD_OUT in split


def test_a_partition_without_held_out_pictures_gives_some_of_the_training_ones() -> None:
    content = "".join(f"{name} {2 if name < '000051' else 0}\n" for name in NAMES[:100]).encode()
    split, held_out_by_it = assign(NAMES[:100], Partition(content))
    assert not held_out_by_it
    assert all(code == TEST for code in split[:50])
    assert split[50:].count(HELD_OUT) >= 1


@given(SETS, st.data())
def test_a_limit_is_a_deterministic_spread(names: list[str], data: st.DataObject) -> None:
    limit = data.draw(st.integers(1, len(names)))
    chosen = choose(names, limit)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == limit
    if limit > 1:
        fewer = choose(names, limit - 1)
        assert {names[i] for i in fewer} < {names[i] for i in chosen}


def test_a_limit_is_not_biased_towards_held_out_pictures() -> None:
    chosen = [NAMES[index] for index in choose(NAMES, 2000)]
    assert 20 <= assign(chosen, None)[0].count(HELD_OUT) <= 60
