"""Scheduling: which waiting job starts on which device, and which running one makes room. Pure functions.

The order depends on rank alone; a priority decides where a job enters the order and whether a training makes room for
it. Training makes room only between its chunks (for priority `now`, at its next step): the caller watches for that;
this module only decides which job waits for which.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.service.states import Job, Priority, State, job_number


class Wish(NamedTuple):
    """The device that a job needs: "cpu", "cuda:1", "cuda" (any) or "auto"; `why`: the reason, if the job does not
    name it itself.
    """

    device: str
    why: str = ""


@dataclass
class NextStarts:
    """The decisions. starts: (job, slot) in order · room: running job → the priority that needs its place · waits:
    why each queued job is not started · hold: (job, reason) whose predecessor failed.
    """

    starts: list[tuple[Job, str]] = field(default_factory=list)
    room: dict[str, int] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    hold: list[tuple[Job, str]] = field(default_factory=list)


def in_order(jobs: Iterable[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.rank, job.id))


def plan(
    jobs: Mapping[str, Job],
    slots: Sequence[str],
    on_hold: bool,
    blocked: Callable[[Job], str | None],
    wanted: Callable[[Job], Wish],
) -> NextStarts:
    """Decide for all jobs.

    `blocked(job)` returns why a job cannot start now (its run is in use elsewhere, it must wait before a new
    attempt); `wanted(job)` returns the device it needs.
    """
    result = NextStarts()
    live = [job for job in jobs.values() if job.live]
    free = list(slots)
    for job in live:
        if job.slot in free:
            free.remove(job.slot)
    training = {job.run: job for job in live if job.kind == "train" and job.run}
    for job in in_order(j for j in jobs.values() if j.state is State.QUEUED):
        bad = [a for a in job.after if a in jobs and jobs[a].state in (State.FAILED, State.CANCELLED)]
        if bad:
            state = jobs[bad[0]].state
            result.hold.append((job, f"job {job_number(bad[0])}, which it follows, {_ended(state)}"))
            continue
        waiting = [a for a in job.after if a in jobs and jobs[a].state is not State.DONE]
        if waiting:
            result.waits[job.id] = "follows job " + ", ".join(job_number(a) for a in waiting)
            continue
        if on_hold:
            result.waits[job.id] = "the queue is on hold"
            continue
        if not free and job.priority is Priority.NORMAL:
            result.waits[job.id] = (
                "waits for a free device"  # the common case in a long queue: no further checks
            )
            continue
        if job.kind == "train" and job.run in training:
            result.waits[job.id] = f"job {job_number(training[job.run].id)} is training {job.run}"
            continue
        if earlier := _paused_before(job, jobs.values()):
            result.waits[job.id] = f"job {job_number(earlier.id)}, which trains {job.run} first, is paused"
            continue
        if reason := blocked(job):
            result.waits[job.id] = reason
            continue
        wish = wanted(job)
        fitting = [slot for slot in slots if fits(slot, wish.device, slots)]
        if not fitting:
            result.waits[job.id] = _no_slot(job, wish, slots)
            continue
        slot = next((slot for slot in fitting if slot in free), None)
        if slot is None:
            other = _ask_for_room(job, fitting, live, result)
            waits = "waits for " + " or ".join(dict.fromkeys(fitting))
            result.waits[job.id] = _turn(job, other) or waits + (f" ({wish.why})" if wish.why else "")
            continue
        free.remove(slot)
        result.starts.append((job, slot))
        if job.kind == "train" and job.run:
            training[job.run] = job
    return result


def _ask_for_room(job: Job, fitting: Sequence[str], live: Sequence[Job], result: NextStarts) -> Job | None:
    """Let a waiting job with a priority ask one training behind it to make room; return that training, which an
    earlier job may already have asked.
    """
    if job.priority <= Priority.NORMAL:
        return None
    behind = [
        other
        for other in live
        if other.kind == "train"
        and other.slot in fitting
        and other.rank > job.rank
        and other.priority < job.priority
    ]
    free = next((other for other in behind if other.id not in result.room), None)
    if free is not None:
        result.room[free.id] = job.priority
    return free or next(iter(behind), None)


def _no_slot(job: Job, wish: Wish, slots: Sequence[str]) -> str:
    """Return why a job waits until the settings or the machine change, and the user's remedy."""
    there = f"(slots: {', '.join(slots) or 'none'})"
    if not wish.why:
        return f"this machine has no {'device' if wish.device == 'auto' else wish.device} {there}"
    way_out = f"`queue cancel {job_number(job.id)}`, then queue it with --device"
    return f"{wish.why}, and the queue has no {wish.device} {there}; {way_out}"


def _turn(job: Job, other: Job | None) -> str:
    """Return when a job starts for which a training makes room."""
    if other is None:
        return ""
    when = "has written a checkpoint" if job.priority >= Priority.NOW else "ends its chunk"
    return f"starts when job {job_number(other.id)} {when}"


def _paused_before(job: Job, jobs: Iterable[Job]) -> Job | None:
    """Return a paused training of the same run to an earlier epoch. Training past it would make its pause useless."""
    if job.kind != "train":
        return None
    for other in jobs:
        paused = other.state is State.PAUSED and other.kind == "train" and other.run == job.run
        if paused and other.to_epoch < job.to_epoch:
            return other
    return None


def _ended(state: State) -> str:
    return "failed" if state is State.FAILED else "was cancelled"


def fits(slot: str, wanted: str, slots: Sequence[str]) -> bool:
    """Return whether a job that needs `wanted` may run on `slot`. "auto" uses a GPU if the machine has any."""
    if wanted == "auto":
        return slot.startswith("cuda") or not any(s.startswith("cuda") for s in slots)
    if wanted == "cuda":
        return slot.startswith("cuda")
    return slot == wanted


GAP = 1 << 20
"""The distance between the ranks of two neighbours, so that most moves change only one row."""

EXACT = 1 << 52
"""The largest whole number up to which floats are exact, including those between two numbers."""


class QueuePlace(NamedTuple):
    """The place of an unfinished job in the order."""

    id: str
    rank: float
    priority: int


def entry_before(line: Sequence[QueuePlace], priority: int) -> str | None:
    """Return the job before which a new one enters: the first with a lower priority; None: at the end."""
    return next((place.id for place in line if place.priority < priority), None)


def new_ranks(line: Sequence[QueuePlace], moved: Sequence[str], before: str | None) -> dict[str, float]:
    """Return ranks that put `moved`, in this order, directly before job `before` (None: at the end); `line` is in
    order.

    Ranks are whole numbers, so that the order stays exact after any number of moves: if no whole number is left
    between two neighbours, or `line` has ranks from job folders of an older version, all jobs get new ones.
    """
    others = [place for place in line if place.id not in moved]
    at = next((i for i, place in enumerate(others) if place.id == before), len(others))
    ranks = [place.rank for place in others]
    if _are_sound(ranks):
        low = int(ranks[at - 1]) if at else int(ranks[0]) - GAP * (len(moved) + 1) if ranks else 0
        step = GAP if at == len(ranks) else (int(ranks[at]) - low) // (len(moved) + 1)
        found = [low + step * (i + 1) for i in range(len(moved))]
        if step and _are_sound(found):
            return dict(zip(moved, map(float, found), strict=True))
    ids = [place.id for place in others]
    return {job_id: float(GAP * i) for i, job_id in enumerate([*ids[:at], *moved, *ids[at:]], 1)}


def _are_sound(ranks: Sequence[float]) -> bool:
    whole = all(abs(rank) < EXACT and rank == int(rank) for rank in ranks)
    return whole and all(a < b for a, b in itertools.pairwise(ranks))
