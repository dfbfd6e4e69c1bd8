import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.service.scheduling import (
    GAP,
    NextStarts,
    QueuePlace,
    Wish,
    entry_before,
    fits,
    in_order,
    new_ranks,
    plan,
)
from engine.service.states import Job, Priority, State


def job(number: int, kind: str = "train", run: str | None = None, **changes: object) -> Job:
    base = Job(f"{number:06d}", kind, run or f"r{number}", rank=float(number))
    return replace(base, **changes)  # type: ignore[arg-type]


def decide(
    *jobs: Job,
    slots: tuple[str, ...] = ("cpu",),
    hold: bool = False,
    blocked: Callable[[Job], str | None] = lambda _: None,
    wanted: Callable[[Job], Wish] = lambda j: Wish(j.device),
) -> NextStarts:
    return plan({j.id: j for j in jobs}, slots, hold, blocked, wanted)


def started(made: NextStarts) -> list[tuple[str, str]]:
    return [(j.id[-1], slot) for j, slot in made.starts]


def running(number: int, slot: str = "cpu", **changes: object) -> Job:
    return job(number, state=State.RUNNING, slot=slot, **changes)


def test_one_job_a_slot_in_rank_order() -> None:
    made = decide(job(1, rank=5.0), job(2, rank=1.0))
    assert started(made) == [("2", "cpu")]
    assert made.waits == {"000001": "waits for a free device"}


def test_two_slots_two_jobs_and_the_same_device_twice_is_two_slots() -> None:
    assert started(decide(job(1), job(2), job(3), slots=("cuda:0", "cuda:1"))) == [
        ("1", "cuda:0"),
        ("2", "cuda:1"),
    ]
    assert started(decide(job(1), job(2), slots=("cpu", "cpu"))) == [("1", "cpu"), ("2", "cpu")]


def test_a_gpu_is_taken_where_there_is_one() -> None:
    slots = ("cuda:0", "cpu")
    assert started(decide(job(1), job(2), job(3, device="cpu"), slots=slots)) == [
        ("1", "cuda:0"),
        ("3", "cpu"),
    ]
    assert not fits("cpu", "auto", slots)
    assert fits("cpu", "auto", ("cpu",))
    assert fits("cuda:1", "cuda", slots)
    assert not fits("cuda:1", "cuda:0", slots)


def test_a_device_that_is_not_there_is_said_and_does_not_stand_in_the_way() -> None:
    made = decide(job(1, device="cuda:3"), job(2))
    assert started(made) == [("2", "cpu")]
    assert "no cuda:3" in made.waits["000001"]


def test_why_a_run_needs_a_device_is_said_while_it_waits_for_it() -> None:
    def wanted(job: Job) -> Wish:
        return Wish("cuda", "run r1 began on a GPU")

    assert started(decide(job(1), slots=("cuda:0", "cpu"), wanted=wanted)) == [("1", "cuda:0")]
    made = decide(job(1), slots=("cpu",), wanted=wanted)
    assert made.waits["000001"].startswith("run r1 began on a GPU, and the queue has no cuda (slots: cpu); ")
    busy = decide(running(9, "cuda:0"), job(1), slots=("cuda:0", "cpu"), wanted=wanted)
    assert busy.waits["000001"] == "waits for cuda:0 (run r1 began on a GPU)"


def test_a_run_is_trained_by_one_job_at_a_time() -> None:
    made = decide(running(1, "cuda:0", run="r"), job(2, run="r"), job(3), slots=("cuda:0", "cuda:1"))
    assert started(made) == [("3", "cuda:1")]
    assert "job 1 is training r" in made.waits["000002"]
    made = decide(job(1, run="r"), job(2, run="r"), slots=("cuda:0", "cuda:1"))
    assert started(made) == [("1", "cuda:0")]
    assert started(decide(running(1, "cuda:0", run="r"), job(2, "sample", "r"), slots=("cuda:0", "cuda:1")))


def test_a_paused_chunk_is_not_trained_past() -> None:
    first = job(1, run="a", state=State.PAUSED, args={"to_epoch": 25})
    second, other = job(2, run="a", args={"to_epoch": 50}), job(3, run="b", args={"to_epoch": 50})
    made = decide(first, second, other)
    assert started(made) == [("3", "cpu")]
    assert made.waits == {"000002": "job 1, which trains a first, is paused"}
    # The other way round nothing stands in the way, nor when it goes on.
    assert started(decide(replace(second, state=State.PAUSED), replace(first, state=State.QUEUED))) == [
        ("1", "cpu")
    ]
    assert started(decide(replace(first, state=State.DONE), second)) == [("2", "cpu")]


def test_hold_starts_nothing_and_says_so() -> None:
    made = decide(job(1), hold=True)
    assert not made.starts
    assert made.waits["000001"] == "the queue is on hold"


def test_after_waits_for_done_and_holds_on_failure() -> None:
    second = job(2, after=("000001",))
    assert started(decide(job(1, state=State.PAUSED), second)) == []
    assert started(decide(job(1, state=State.DONE), second)) == [("2", "cpu")]
    made = decide(job(1, state=State.FAILED), second)
    assert made.hold[0][0].id == "000002"
    assert "job 1, which it follows, failed" in made.hold[0][1]


def test_a_blocked_job_lets_the_next_one_go() -> None:
    made = decide(job(1), job(2), blocked=lambda j: "run r1 is in use" if j.id == "000001" else None)
    assert started(made) == [("2", "cpu")]
    assert made.waits["000001"] == "run r1 is in use"


def test_room_is_asked_only_of_training_that_stands_behind() -> None:
    high = job(2, "sample", rank=0.5, priority=Priority.HIGH)
    assert decide(running(1), high).room == {"000001": Priority.HIGH}
    assert decide(running(1), replace(high, rank=7.0)).room == {}
    assert decide(running(1, kind="sample"), high).room == {}
    assert decide(running(1), replace(high, priority=Priority.NORMAL)).room == {}
    assert decide(running(1, priority=Priority.HIGH), high).room == {}
    assert decide(running(1), high, hold=True).room == {}


def test_two_waiting_jobs_ask_two_trainings() -> None:
    a, b = (job(n, "sample", rank=n / 10, priority=Priority.HIGH) for n in (3, 4))
    made = decide(running(1, "cuda:0"), running(2, "cuda:1"), a, b, slots=("cuda:0", "cuda:1"))
    assert set(made.room) == {"000001", "000002"}


def test_a_job_says_when_the_training_makes_room_for_it() -> None:
    a, b = (job(n, "sample", rank=n / 10, priority=Priority.HIGH) for n in (3, 4))
    now = job(5, "sample", rank=0.1, priority=Priority.NOW)
    last = job(6, "sample", rank=9.0, priority=Priority.HIGH)
    assert decide(running(1), a, b, last).waits == {
        "000003": "starts when job 1 ends its chunk",
        "000004": "starts when job 1 ends its chunk",
        "000006": "waits for cpu",
    }
    assert decide(running(1), now).waits == {"000005": "starts when job 1 has written a checkpoint"}


def line(*jobs: Job) -> list[QueuePlace]:
    return [QueuePlace(j.id, j.rank, j.priority) for j in in_order(jobs)]


def test_a_priority_enters_before_normal_jobs_and_after_its_equals() -> None:
    jobs = [running(1), job(2), job(3)]
    for number, priority in ((4, Priority.HIGH), (5, Priority.HIGH), (6, Priority.NORMAL)):
        new = f"{number:06d}"
        ranks = new_ranks(line(*jobs), [new], entry_before(line(*jobs), priority))
        jobs = [replace(j, rank=ranks.get(j.id, j.rank)) for j in jobs]
        jobs.append(job(number, "sample", priority=priority, rank=ranks[new]))
    assert [j.id[-1] for j in in_order(jobs)] == ["4", "5", "1", "2", "3", "6"]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True), st.sampled_from([None, *range(1, 10)])
)
def test_moving_keeps_the_order_of_everyone_else(moved: list[int], before: int | None) -> None:
    jobs = [job(n) for n in range(1, 10)]
    if before in moved:
        return
    ids = [f"{n:06d}" for n in moved]
    ranks = new_ranks(line(*jobs), ids, None if before is None else f"{before:06d}")
    order = [j.id for j in in_order(replace(j, rank=ranks.get(j.id, j.rank)) for j in jobs)]
    others = [j.id for j in jobs if j.id not in ids]
    at = len(others) if before is None else others.index(f"{before:06d}")
    assert order == [*others[:at], *ids, *others[at:]]


@pytest.mark.parametrize(
    "ranks", [(0.1, 0.2, 0.3), (1.0, 1.0, 1.0), (math.nan, 1.0, math.inf), (1e300, 2e300, 3e300)]
)
def test_ranks_that_are_no_whole_numbers_are_made_anew(ranks: tuple[float, ...]) -> None:
    old = [QueuePlace(name, rank, Priority.NORMAL) for name, rank in zip("abc", ranks, strict=True)]
    made = new_ranks(old, ["d"], "b")
    assert sorted(made, key=made.__getitem__) == ["a", "d", "b", "c"]
    assert all(rank.is_integer() for rank in made.values())


def test_a_move_changes_one_row_as_a_rule() -> None:
    jobs = line(*(job(n, rank=float(n * GAP)) for n in range(1, 1000)))
    assert len(new_ranks(jobs, ["000500"], "000001")) == len(new_ranks(jobs, ["000500"], "000007")) == 1
