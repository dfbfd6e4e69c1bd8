"""Renaming and deleting a run, which jobs of the queue may still need: then it is refused, with their numbers.

Works with and without a service: who still needs a run stands in the queue's database.
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
    """As `engine.runs.record.rename_run`. Raises BusyError where a job that is not over names the run."""
    find_run(home, old)
    _refuse_while_needed(home, old, "renamed")
    rename_run(home, old, new)


def discard(home: Home, run: RunFolder) -> Trashed:
    """As `engine.base.trash.discard_run`. Raises BusyError where a job that is not over names the run."""
    _refuse_while_needed(home, run.name, "deleted")
    return discard_run(home, run)


def check_discard(home: Home, run: RunFolder) -> None:
    """Raise the BusyError that `discard` would, and change nothing."""
    _refuse_while_needed(home, run.name, "deleted")
    if is_locked(run.lock):
        raise BusyError(f"run {run.name!r} is in use", "pause or cancel it first")


def _refuse_while_needed(home: Home, run: str, done: str) -> None:
    jobs = [job for job in open_jobs(home) if _names(job, run)]
    if jobs:
        raise BusyError(
            f"run {run!r} cannot be {done} while there is work for it: job {jobs_in_words(jobs)}",
            f"wait for it, or first: ddpm-tui queue cancel {' '.join(job_number(job.id) for job in jobs)}",
        )


def _names(job: Job, run: str) -> bool:
    """Whether a job is of this run, or makes a branch of it."""
    branch = job.args.get("branch")
    base = str(branch.get("checkpoint", "")).partition("@")[0] if isinstance(branch, dict) else None
    return run in (job.run, base)
