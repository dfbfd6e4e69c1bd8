"""Renaming and deleting runs, which is refused while jobs of the queue need them; the message lists the jobs.

Works with and without a service, because the needs are in the queue's database.
"""

from engine.base.errors import BusyError
from engine.base.files import is_locked
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.base.trash import Trashed, discard_run
from engine.runs.record import find_run, rename_run
from engine.service.needed import jobs_in_words, open_jobs
from engine.service.states import Job, job_number


def rename(home: Home, old: str, new: str) -> None:
    """Rename a run like `engine.runs.record.rename_run`. Raises BusyError if an unfinished job uses the run."""
    find_run(home, old)
    _refuse_while_needed(home, old, "renamed")
    rename_run(home, old, new)


def discard(home: Home, run: RunFolder) -> Trashed:
    """Discard a run like `engine.base.trash.discard_run`. Raises BusyError if an unfinished job uses the run."""
    _refuse_while_needed(home, run.name, "deleted")
    return discard_run(home, run)


def check_discard(home: Home, run: RunFolder) -> None:
    """Raise the BusyError that `discard` would raise, without changes."""
    _refuse_while_needed(home, run.name, "deleted")
    if is_locked(run.lock):
        raise BusyError(f"run {run.name!r} is in use", "pause or cancel it first")


def _refuse_while_needed(home: Home, run: str, done: str) -> None:
    jobs = [job for job in open_jobs(home) if _names(job, run)]
    if jobs:
        raise BusyError(
            f"run {run!r} cannot be {done} because of job {jobs_in_words(jobs)}",
            f"wait for it, or first: ddpm-tui queue cancel {' '.join(job_number(job.id) for job in jobs)}",
        )


def _names(job: Job, run: str) -> bool:
    """Return whether a job is of this run, or creates a branch of it."""
    branch = job.args.get("branch")
    base = str(branch.get("checkpoint", "")).partition("@")[0] if isinstance(branch, dict) else None
    return run in (job.run, base)
