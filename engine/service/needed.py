"""The checkpoints that unfinished jobs need: they are not pruned or deleted until the jobs have ended.

Nothing is stored for this, so nothing can become stale: the needs are read from the queue's database and from the
foreground jobs whose workers hold their locks.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.base.errors import BusyError, DdpmError, UserError
from engine.base.files import FileLock
from engine.base.folders import CheckpointFolder, RunFolder
from engine.base.home import Home
from engine.base.trash import Trashed
from engine.base.trash import discard_checkpoint as discard
from engine.jobs.files import is_running, list_job_folders, read_spec
from engine.jobs.kinds import title
from engine.runs.checkpoints import CheckpointInfo, read_manifest, thinning
from engine.service.rebuild import jobs_on_disk, new_job
from engine.service.states import Job, State, job_number

NAMED = 3
"""The most jobs that a refusal describes; of others it gives only the number."""


def open_jobs(home: Home) -> Iterator[Job]:
    """Yield every unfinished job: those of the queue, whether a service runs or not, and those in the foreground."""
    queued = jobs_on_disk(home)
    yield from (job for job in queued if not job.over)
    known = {job.id for job in queued}
    for folder in list_job_folders(home):
        # A folder without a row belongs to a foreground job, or to one that is being queued now.
        if folder.id in known or (folder.result.exists() and not is_running(folder)):
            continue
        with contextlib.suppress(DdpmError):
            spec = read_spec(folder)
            if not spec.foreground:
                yield new_job(spec, 0.0)
            elif is_running(folder):
                yield Job(spec.id, spec.kind, spec.run, state=State.RUNNING, args=spec.args)


def _references(args: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (run, WHICH) of each checkpoint that a job with these arguments draws from, evaluates or branches from."""
    branch = args.get("branch")
    beginning = branch.get("checkpoint") if isinstance(branch, dict) else None
    for given in (args.get("checkpoint"), args.get("guide"), beginning):
        if isinstance(given, str) and "/" not in given:
            run, _, which = given.partition("@")
            yield run, which or "latest"


@dataclass
class Needed:
    """The checkpoints of one run that jobs need: steps and ends of epochs, each with its jobs."""

    steps: dict[int, list[Job]] = field(default_factory=dict)
    epochs: dict[int, list[Job]] = field(default_factory=dict)

    def of(self, step: int, whole_epoch: int | None) -> list[Job]:
        """Return the jobs that need this checkpoint; `whole_epoch`: the epoch at whose end it is, if any."""
        found = [*self.steps.get(step, ()), *(self.epochs.get(whole_epoch, ()) if whole_epoch else ())]
        return list({job.id: job for job in found}.values())

    def steps_of(self, checkpoints: Iterable[CheckpointInfo]) -> frozenset[int]:
        """Return the steps of the needed checkpoints."""
        found = set()
        for info in checkpoints:
            end = info.manifest.epoch if info.manifest and info.manifest.whole_epoch else None
            if self.of(info.step, end):
                found.add(info.step)
        return frozenset(found)


def needed(home: Home, run: str) -> Needed:
    """Return the checkpoints of `run` that jobs need. `latest`, `best` and tags are resolved at a job's start and are
    kept anyway.

    Raises UnwritableError if the queue's database cannot be read now.
    """
    found = Needed()
    for job in open_jobs(home):
        for name, which in _references(job.args):
            if name != run:
                continue
            if which.isdecimal():
                found.steps.setdefault(int(which), []).append(job)
            elif which[:1] == "e" and which[1:].isdecimal():
                found.epochs.setdefault(int(which[1:]), []).append(job)
    return found


class Watched:
    """The same for one run, read again only if a job was added or has changed."""

    def __init__(self, home: Home, run: str) -> None:
        self._home, self._run = home, run
        self._seen: object = None
        self._found = Needed()

    def look(self) -> Needed:
        """Return what `needed` does; raises as it does."""
        now = [_stamp(path) for path in (self._home.queue_db, self._home.jobs)]
        if now != self._seen:
            self._found = needed(self._home, self._run)
            self._seen = now
        return self._found


def _stamp(path: os.PathLike[str]) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a path-like
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def jobs_in_words(jobs: list[Job]) -> str:
    """Return for example "3 (sample r@14, queued), 4 (…)"."""
    said = [
        f"{job_number(job.id)} ({title(job.kind, job.run, job.args)}, {job.state})" for job in jobs[:NAMED]
    ]
    if len(jobs) > NAMED:
        said.append(f"{len(jobs) - NAMED} more")
    return ", ".join(said)


@contextlib.contextmanager
def kept_meanwhile(home: Home, args: Mapping[str, Any]) -> Iterator[None]:
    """Prevent the removal of the checkpoints that a job's arguments name by step, until the job's folder exists,
    which then keeps them. Raises UserError if one is already gone, BusyError.
    """
    with contextlib.ExitStack() as locks:
        for name, which in _references(args):
            if not which.isdecimal():
                continue
            run = home.run(name)
            if not run.path.is_dir():
                raise UserError(
                    f"run {name!r}, which the job needs for {name}@{which}, is gone", "see `runs list`"
                )
            locks.enter_context(FileLock.acquire(run.tags_lock, *thinning(run)))
            if not run.checkpoint(int(which)).path.is_dir():
                raise UserError(f"checkpoint {name}@{which} is gone", f"see `checkpoints list {name}`")
        yield


def discard_checkpoint(home: Home, run: RunFolder, folder: CheckpointFolder) -> Trashed:
    """Discard a checkpoint like `engine.base.trash.discard_checkpoint`. Raises BusyError if an unfinished job needs
    it.
    """
    with FileLock.acquire(run.tags_lock, *thinning(run)):
        jobs = needed(home, run.name).of(folder.step, _whole_epoch(folder))
        if jobs:
            numbers = " ".join(job_number(job.id) for job in jobs)
            raise BusyError(
                f"checkpoint {run.name}@{folder.step} cannot be deleted: it is needed by job {jobs_in_words(jobs)}",
                f"wait for it, or first: ddpm-tui queue cancel {numbers}",
            )
        return discard(home, run, folder)


def _whole_epoch(folder: CheckpointFolder) -> int | None:
    with contextlib.suppress(DdpmError):
        manifest = read_manifest(folder)
        return manifest.epoch if manifest.whole_epoch else None
    return None
