"""Rebuilding the queue from the job folders, after the database was lost.

A folder has its spec, the queue's last note, the worker's result and its lock; the lock takes precedence, then the
result, then the note. Nothing here starts, stops or deletes anything.
"""

import logging
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.base.errors import DamagedError, UserError
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.base.records import MissingError, read_object
from engine.base.typed import Count, typed
from engine.jobs.files import JobSpec, QueueWishes, is_running, list_job_folders, read_result, read_spec
from engine.service.database import read_jobs
from engine.service.states import ENDED, LIVE, Job, Priority, State, job_number

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Note:
    """The used parts of queue.json, the queue's last note of a job."""

    state: State | None = None
    rank: float | None = None
    attempt: Count | None = None
    crashes: Count | None = None
    mark: Count | None = None
    started: float | None = None
    ended: float | None = None
    slot: str | None = None
    handle: str | None = None
    pid: Count | None = None
    pid_started: str | None = None
    reason: str | None = None


def _ignore(text: str) -> None:
    pass


def jobs_on_disk(home: Home) -> list[Job]:
    """Return the queue as last written, whether a service runs or not; from the job folders if the database is
    damaged.
    """
    try:
        return read_jobs(home.queue_db)
    except (FileNotFoundError, DamagedError):
        return list(jobs_from_folders(home, ()))


def jobs_from_folders(
    home: Home, known: Container[str], complain: Callable[[str], None] = _ignore
) -> Iterator[Job]:
    """Yield a row for every queued job's folder that has none. Foreground jobs are skipped; `complain` is called for
    each folder without a readable job.
    """
    for number, folder in enumerate(list_job_folders(home), 1):
        if folder.id in known:
            continue
        try:
            spec = read_spec(folder)
        except (DamagedError, UserError) as error:
            log.warning("%s; the job is left out of the queue", error)
            complain(f"job {job_number(folder.id)} is left out of the queue: {error}")
            continue
        if not spec.foreground:
            yield job_from_folder(folder, spec, float(number), complain)


def new_job(spec: JobSpec, rank: float = 0.0) -> Job:
    """Return the first row of a job, from its spec."""
    wishes = typed(QueueWishes, spec.queue, f"the specification of job {spec.id}")
    try:
        priority = Priority.parse(wishes.priority)
    except UserError:
        priority = Priority.NORMAL
    return Job(
        id=spec.id,
        kind=spec.kind,
        run=spec.run,
        device=spec.device,
        priority=priority,
        rank=rank,
        after=wishes.after,
        token=wishes.token,
        args=spec.args,
        created=spec.created,
    )


def job_from_folder(
    folder: JobFolder, spec: JobSpec, rank: float, complain: Callable[[str], None] = _ignore
) -> Job:
    """Return the known facts of one job. A state with a worker that is gone becomes `running`, so that recovery
    judges it like any other worker that died unwatched.
    """
    note = _job_note(folder, complain)
    changes: dict[str, Any] = {"rank": note.rank or rank, "reason": "found in its folder"}
    for key in ("attempt", "crashes", "mark", "started", "ended", "slot", "handle"):
        if (value := getattr(note, key)) is not None:
            changes[key] = value
    if note.pid is not None:  # as programs before handles noted a worker
        changes.setdefault("handle", f"{note.pid}:{note.pid_started or ''}")
    said = note.state
    state = said or State.QUEUED
    result = read_result(folder)
    ended = result is not None and (
        said is None or state in LIVE or (state is State.QUEUED and result.outcome == "done")
    )
    if ended or is_running(folder):
        state = State.RUNNING
        changes["attempt"] = max(1, changes.get("attempt", 1))
    if state in ENDED:
        changes["ended"] = changes.get("ended") or time.time()
        changes["reason"] = note.reason or ""
    return replace(new_job(spec, rank), state=state, **changes)


def was_on_hold(home: Home) -> bool:
    """Return whether the queue was on hold when its database was lost."""
    try:
        return read_object(home.queue_note, "the queue's note").get("on_hold") is True
    except DamagedError:
        return False


def _job_note(folder: JobFolder, complain: Callable[[str], None]) -> _Note:
    """Return the queue's note of a job; an empty one if it cannot be read, for which `complain` is called."""
    what = f"the queue's note of job {job_number(folder.id)}"
    try:
        return typed(_Note, read_object(folder.queue_note, what), what, folder.queue_note)
    except MissingError:
        return _Note()
    except DamagedError as error:
        log.warning("%s; the job is restored from its specification", error)
        complain(f"{error}; the job is restored as it was queued")
        return _Note()
