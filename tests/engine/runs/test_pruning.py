"""Which checkpoints are thinned out, and which stay."""

from pathlib import Path

from engine.base.folders import CheckpointFolder
from engine.runs.checkpoints import (
    CheckpointInfo,
    Manifest,
    prunable,
)


def info(step: int, *, best: bool = False, tags: tuple[str, ...] = (), **facts: object) -> CheckpointInfo:
    manifest = Manifest(step, step // 7, step * 8, step % 7, 7, "a", **facts)  # type: ignore[arg-type]
    return CheckpointInfo(CheckpointFolder(Path(f"{step:08d}")), manifest, None, tags, best)


def test_what_retention_keeps() -> None:
    damaged = CheckpointInfo(CheckpointFolder(Path("00000003")), None, "torn")
    found = [
        damaged,
        info(5),
        info(7),
        info(14, tags=("nice",)),
        info(21, best=True),
        info(28, chunk_end=True),
        info(30),
        info(35),
        info(38),
        info(40),
    ]
    assert [c.step for c in prunable(found, (1,), 2, frozenset({30}))] == [5, 35]


def test_the_newest_stays_even_where_none_is_asked_for() -> None:
    assert [c.step for c in prunable([info(5), info(6)], (), 0)] == [5]


def test_damaged_ones_are_not_counted_among_the_newest() -> None:
    torn = [CheckpointInfo(CheckpointFolder(Path(f"{step:08d}")), None, "torn") for step in (8, 9)]
    assert [c.step for c in prunable([info(5), info(6), info(7), *torn], (), 2)] == [5]


def test_the_middle_of_a_kept_epoch_is_not_kept() -> None:
    assert [c.step for c in prunable([info(9), info(99)], (1,), 1)] == [9]


def chunk_ends(count: int, **facts: object) -> list[CheckpointInfo]:
    return [info(7 * n, chunk_end=True, chunk=float(n), **facts) for n in range(1, count + 1)]


def test_of_many_chunk_ends_the_newest_stay_and_an_even_choice_of_the_older_ones() -> None:
    assert prunable(chunk_ends(20), (), 1, keep_chunks=20) == []
    gone = {c.step // 7 for c in prunable(chunk_ends(24), (), 1, keep_chunks=8)}
    assert sorted(set(range(1, 25)) - gone) == [2, 4, 6, 8, 10, 12, 14, 16, *range(17, 25)]
    for count in range(1, 400):
        left = count - len(prunable(chunk_ends(count), (), 1, keep_chunks=8))
        assert left <= 16


def test_what_retention_keeps_of_a_longer_run_it_kept_of_a_shorter_one() -> None:
    """Each chunk's end thins out those before it: nothing may be missing that the rule would have kept."""
    there: list[CheckpointInfo] = []
    for new in chunk_ends(200):
        there.append(new)
        going = {c.step for c in prunable(there, (), 1, keep_chunks=5)}
        there = [c for c in there if c.step not in going]
    going = {c.step for c in prunable(chunk_ends(200), (), 1, keep_chunks=5)}
    assert [c.step for c in there] == [c.step for c in chunk_ends(200) if c.step not in going]


def test_chunk_ends_of_an_older_program_go_only_where_somebody_says_so() -> None:
    old = [info(7 * n, chunk_end=True) for n in range(1, 11)]
    assert prunable(old, (), 1, keep_chunks=2) == []
    assert [c.step // 7 for c in prunable(old, (), 1, keep_chunks=2, chunk_epochs=1)] == [1, 2, 3, 5, 6, 7]


def test_the_best_the_tagged_and_the_kept_stay_among_chunk_ends_too() -> None:
    found = chunk_ends(40)
    marked = [*found[:2], *chunk_ends(3, best=True)[2:], *chunk_ends(5, tags=("nice",))[3:], *found[5:]]
    gone = {c.step // 7 for c in prunable(marked, (1,), 1, frozenset({14}), keep_chunks=2)}
    assert not gone & {1, 2, 3, 4, 5, 39, 40}
    assert 7 in gone
