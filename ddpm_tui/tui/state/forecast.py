"""When each job of the queue will start and end, from the times of past jobs. Pure; times that cannot be known stay
unknown.

A training's epochs take as long as in the run's ended jobs, or as its worker says now; drawing as long as before for
a picture and network call; any other job as long as the last ones of its kind.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ddpm_tui.tui.state.snapshot import JobView, Snapshot
from engine.service.states import Job, State

RECENT = 8
"""Ended jobs of a kind that are asked how long such a job takes: machines and settings change."""


@dataclass(frozen=True)
class Times:
    """Wall clock, seconds; None if not known."""

    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Forecast:
    """jobs: of those that work or wait · done: when all of them are over; None if one of them is not known to end."""

    jobs: Mapping[str, Times]
    done: float | None = None

    def of(self, view: JobView) -> Times:
        """Return the times of a job; of one that is over, its own clock."""
        job = view.job
        return Times(job.started, job.ended) if job.over else self.jobs.get(view.id, Times())


def forecast(snapshot: Snapshot) -> Forecast:
    """Forecast in the queue's order, each job on the device that is free first, no run twice at once.

    Paused and held jobs are left out; no job starts while the queue is on hold.
    """
    now = snapshot.time
    known = _Durations(snapshot)
    found: dict[str, Times] = {}
    slots: list[tuple[float, int]] = []
    busy_until: dict[str, float | None] = {}
    unknown = 0
    for view in snapshot.live:
        progress = view.progress
        end = progress.time + progress.eta_s if progress and progress.eta_s is not None else None
        end = max(end, now) if end is not None else None
        found[view.id] = Times(view.job.started, end)
        if view.run:
            busy_until[view.run] = end
        if end is None:
            unknown += 1
        else:
            slots.append((end, len(slots)))
    rooms = max(1, len(snapshot.engine.slots))
    slots += [(now, len(slots) + n) for n in range(rooms - len(slots) - unknown)]
    heapq.heapify(slots)
    queued = [view for view in snapshot.waiting if view.state is State.QUEUED]
    for view in sorted(queued, key=lambda v: -v.job.priority):
        if snapshot.engine.on_hold:
            break
        took = known.of(view)
        turn = snapshot.turn(view)
        if turn is not None and turn[1] is not None:
            start: float | None = now + turn[1]
            found[view.id] = Times(start, start + took if took is not None else None)  # type: ignore[operator]
            continue
        if not slots:
            continue
        free, slot = slots[0]
        waits_for = [busy_until[view.run]] if view.run in busy_until and view.run else []
        waits_for += [found.get(other, Times()).end for other in view.job.after if _pending(snapshot, other)]
        if any(end is None for end in waits_for):
            if view.run:
                busy_until[view.run] = None
            continue
        start = max([free, now, *(end for end in waits_for if end is not None)])
        end = None if took is None else start + took
        found[view.id] = Times(start, end)
        if view.run and view.job.kind == "train":
            busy_until[view.run] = end
        if end is None:
            heapq.heappop(slots)  # the time when that device will be free again is unknown
        else:
            heapq.heapreplace(slots, (end, slot))
    ends = [found.get(view.id, Times()).end for view in (*snapshot.live, *queued)]
    whole = bool(ends) and all(end is not None for end in ends)
    return Forecast(found, max(end for end in ends if end is not None) if whole else None)


def _pending(snapshot: Snapshot, job_id: str) -> bool:
    view = snapshot.job(job_id)
    return view is not None and not view.job.over


class _Durations:
    """The durations of past jobs."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._ended = [view.job for view in snapshot.over if view.state is State.DONE and _took(view.job)]
        self._ended.reverse()

    def of(self, view: JobView) -> float | None:
        """Return the seconds that a waiting job will take."""
        job = view.job
        if job.kind == "train":
            first = view.progress.epoch if view.progress and view.progress.epoch is not None else None
            epochs = _epochs(job, first)
            each = self._epoch_of(job.run)
            return epochs * each if epochs is not None and each is not None else None
        same = [other for other in self._ended if other.kind == job.kind]
        near = [other for other in same if other.run == job.run] or same
        if job.kind == "sample":
            calls = _calls(job.args)
            rates = [
                _took(other) / other_calls for other in near[:RECENT] if (other_calls := _calls(other.args))
            ]
            return calls * _middle(rates) if calls and rates else None
        return _middle([_took(other) for other in near[:RECENT]]) if near else None

    def _epoch_of(self, run: str | None) -> float | None:
        """Return the seconds an epoch of that run takes."""
        live = self._snapshot.job_of(run)
        progress = live.progress if live is not None and live.job.kind == "train" else None
        if progress and progress.eta_s and progress.epoch is not None and progress.to_epoch:
            left = progress.to_epoch - progress.epoch
            if left > 0:
                return progress.eta_s / left
        same = [job for job in self._ended if job.kind == "train" and job.run == run]
        each = [_took(job) / epochs for job in same[:RECENT] if (epochs := _epochs(job, None))]
        return _middle(each) if each else None


def _took(job: Job) -> float:
    return max(0.0, job.ended - job.started) if job.started and job.ended else 0.0


def _epochs(job: Job, first: float | None) -> float | None:
    """Return how many epochs a training has to do, from `first` or from the run's epoch when it was asked for."""
    to, start = job.args.get("to_epoch"), first if first is not None else job.args.get("from_epoch")
    if not isinstance(to, int | float) or not isinstance(start, int | float):
        return None
    return max(0.0, float(to - start))


def _calls(args: Mapping[str, object]) -> float:
    """Return pictures times network calls; calls count as one if the profile decides."""
    n, steps = args.get("n"), args.get("steps")
    return float(n) * (float(steps) if isinstance(steps, int) else 1.0) if isinstance(n, int) else 0.0


def _middle(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
