"""The queue of a home that cannot be written to, and thus has no engine, read from its files."""

import os
from dataclasses import asdict
from typing import Any

from ddpm_tui.cli.common import note
from ddpm_tui.cli.connection import connect, insistent_request
from engine.base.errors import DdpmError, unknown
from engine.base.files import is_locked
from engine.base.home import Home
from engine.client.sync import NotRunningError
from engine.jobs.files import read_progress
from engine.jobs.kinds import title
from engine.service.states import Job, State, job_number

SHOWN = 20
"""Finished jobs that a listing shows unless all are requested."""


def look(home: Home, do: str, **args: Any) -> Any:
    """Return the engine's answer to `list` or `show`. If no engine can be started, the answer is read from the home's
    files, and a note says so.
    """
    if not home.root.exists() or os.access(home.root, os.W_OK):
        return insistent_request(home, do, **args)
    try:
        with connect(home) as client:
            return client.request(do, **args)
    except NotRunningError:
        note(f"{home.root} cannot be written to, so no engine can run; this is the last state of the queue")
    return _show(home, args["id"]) if do == "show" else _list(home, bool(args.get("all")))


def _list(home: Home, everything: bool) -> dict[str, Any]:
    from engine.service.rebuild import was_on_hold

    jobs = _jobs(home)
    over = [job for job in jobs if job.over]
    shown = over if everything else over[-SHOWN:]
    return {
        "jobs": [wire_on_disk(home, job) for job in (*shown, *(job for job in jobs if not job.over))],
        "hidden": len(over) - len(shown),
        "on_hold": was_on_hold(home),
        "problems": [],
    }


def _show(home: Home, name: str) -> dict[str, Any]:
    from engine.service.supervision import tail

    jobs = {job.id: job for job in _jobs(home)}
    job = jobs.get(name.zfill(6) if name.isdecimal() else name)
    if job is None:
        raise unknown("job", name, [job_number(known) for known in jobs], "see `queue list --all`")
    folder = home.job(job.id)
    facts = {"folder": str(folder.path), "log": str(folder.log), "log_tail": tail(folder, 5), "history": []}
    return {**wire_on_disk(home, job), **facts}


def _jobs(home: Home) -> list[Job]:
    from engine.service.rebuild import jobs_from_folders, jobs_on_disk

    try:
        return jobs_on_disk(home)
    except DdpmError:
        return list(jobs_from_folders(home, ()))


def wire_on_disk(home: Home, job: Job) -> dict[str, Any]:
    """Return a job in the form of the engine's answers. A worker is alive if it holds its job's lock."""
    wire = {**job.to_wire(), "title": title(job.kind, job.run, job.args)}
    if job.state is State.QUEUED:
        wire["waits"] = "for the engine"
    if job.live:
        folder = home.job(job.id)
        wire["state"] = "running" if is_locked(folder.lock) else "interrupted"
        progress = read_progress(folder)
        wire["progress"] = asdict(progress) if progress else None
    return wire
