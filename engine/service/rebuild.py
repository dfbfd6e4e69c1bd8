"""The queue from the job folders: what a lost database held, as far as the folders tell.

A folder has its spec, the queue's last note, the worker's result and its lock; the lock is believed first, then
the result, then the note. Nothing here starts, stops or deletes anything.
"""

import json
import logging
import time
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import DamagedError, UserError
from engine.folders import JobFolder
from engine.home import Home
from engine.jobs import JobSpec, is_running, list_job_folders, read_result, read_spec
from engine.service.states import ENDED, LIVE, Job, Priority, State
from engine.service.store import read_jobs

log = logging.getLogger(__name__)


def jobs_on_disk(home: Home) -> list[Job]:
    """The queue as last written, whether a service lives or not; of a damaged database, what the job folders tell."""
    try:
        return read_jobs(home.queue_db)
    except (FileNotFoundError, DamagedError):
        return list(jobs_from_folders(home, ()))


def jobs_from_folders(home: Home, known: Container[str]) -> Iterator[Job]:
    """A row for every queued job's folder that has none. Foreground jobs are nobody's business here."""
    for number, folder in enumerate(list_job_folders(home), 1):
        if folder.id in known:
            continue
        try:
            spec = read_spec(folder)
        except DamagedError as error:
            log.warning("%s; the job is left out of the queue", error)
            continue
        if not spec.foreground:
            yield job_from_folder(folder, spec, float(number))


def new_job(spec: JobSpec, rank: float = 0.0) -> Job:
    """The first row of a job, from its spec."""
    extra = spec.queue
    try:
        priority = Priority.parse(str(extra.get("priority", "normal")))
    except UserError:
        priority = Priority.NORMAL
    return Job(
        id=spec.id,
        kind=spec.kind,
        run=spec.run,
        device=spec.device,
        priority=priority,
        rank=rank,
        after=tuple(str(a) for a in extra.get("after", ())),
        token=extra.get("token"),
        args=spec.args,
        created=spec.created,
    )


def job_from_folder(folder: JobFolder, spec: JobSpec, rank: float) -> Job:
    """What is known of one job. A state that had a worker which is gone becomes `running`: recovery then
    judges it like any other worker that died unwatched."""
    note = _note(folder.queue_note)
    changes: dict[str, Any] = {"rank": float(note.get("rank") or rank), "reason": "found in its folder"}
    for key in ("attempt", "crashes", "mark", "started", "ended", "slot", "pid", "pid_started"):
        if note.get(key) is not None:
            changes[key] = note[key]
    said = note.get("state")
    state = State(said) if said in set(State) else State.QUEUED
    result = read_result(folder)
    ended = result is not None and (
        said is None or state in LIVE or (state is State.QUEUED and result.outcome == "done")
    )
    if ended or is_running(folder):
        state = State.RUNNING
        changes["attempt"] = max(1, int(changes.get("attempt", 1)))
    if state in ENDED:
        changes["ended"] = changes.get("ended") or time.time()
        changes["reason"] = str(note.get("reason") or "")
    return replace(new_job(spec, rank), state=state, **changes)


def was_on_hold(home: Home) -> bool:
    """Whether the queue was on hold when its database was lost."""
    return _note(home.queue_note).get("on_hold") is True


def _note(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
