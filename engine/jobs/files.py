"""A job's folder: its specification, progress and result.

The service, the command line and the worker share only these files. Knows nothing about queues, processes or torch,
or about who starts a worker and when.
"""

import contextlib
import errno
import json
import os
import shutil
import signal
import time
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from engine.base.errors import DamagedError, DiskFullError, UsageError, UserError
from engine.base.files import disk_errors, fsync_folder, is_locked, without_nan, write_json
from engine.base.folders import JobFolder, is_number
from engine.base.home import NAME_RULE, Home, is_name
from engine.base.records import DEPTH, loads_json, read_json
from engine.base.scarcity import ScarceError
from engine.base.typed import AtLeast, Count, Fits, check_format, typed

FORMAT = 1

Outcome = Literal["done", "stopped", "failed", "disk_full", "diverged", "busy", "short"]
"""The ways in which a worker ends. `busy`: it could not get its run's lock and did nothing · `short`: a temporary
shortage of system resources.
"""

Phase = Literal[
    "starting",
    "fetching",
    "packing",
    "compiling",
    "training",
    "validating",
    "checkpointing",
    "sampling",
    "evaluating",
    "writing",
    "done",
]

AHEAD = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that a batch system such as Slurm can send before it ends a job."""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_MISUSED = 2
EXIT_DISK_FULL = DiskFullError.exit_code
"""A checkpoint is kept; the job may be resumed after space is freed."""
EXIT_STOPPED = 75
"""Asked to stop (SIGTERM, first SIGINT, SIGHUP, AHEAD); the work is kept, and the same command continues."""
EXIT_QUIT = 130
"""Second SIGINT: exited at once, without writing."""
# Commands use the same exit codes, see docs/engine.md: a script need not know which process did the work.


@dataclass(frozen=True)
class JobSpec:
    """spec.json: written once, before any worker starts, and never changed.

    kind: train, sample, evaluate, pack, estimate, … · run: the run it belongs to, if any · device: "auto", "cpu",
    "cuda:0" · args: the arguments of the kind (training: {"to_epoch": 50}, and "from_epoch", the run's epoch at the
    time of the request, from which the job's work is counted) · queue: the data from which the queue can be rebuilt
    (token, after, priority); only the queue reads it · created: wall clock, seconds.
    """

    id: Annotated[str, Fits(is_number, "a job's number")]
    kind: str
    run: Annotated[str, Fits(is_name, f"a name ({NAME_RULE})")] | None
    device: str = "auto"
    foreground: bool = False
    args: dict[str, Any] = field(default_factory=dict)
    queue: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0
    format: int = FORMAT


SPEC_LIMIT = 16 << 10
"""The most bytes of a queued job's specification, because a listing has those of all jobs on one line."""


@dataclass(frozen=True)
class JobArgs:
    """The types of arguments that several kinds of job share; other names are particular to a kind."""

    to_epoch: Annotated[int, AtLeast(1)] | None = None
    branch: dict[str, Any] | None = None
    checkpoint: str | None = None
    dataset: str | None = None
    size: Annotated[int, AtLeast(1)] | None = None
    recipe: str | None = None
    limit: Annotated[int, AtLeast(1)] | None = None
    n: Count | None = None
    batch: Count | None = None
    sampler: str | None = None
    steps: int | None = None
    spacing: str | None = None
    eta: float | None = None
    variance: str | None = None
    clip: bool | None = None
    weights: str | None = None
    seed: int | None = None
    labels: tuple[str, ...] | None = None
    edit: dict[str, Any] | None = None
    guidance: float | None = None
    guide: str | None = None
    guide_weights: str | None = None
    guidance_interval: tuple[float, ...] | None = None
    trajectory: Count | None = None
    scale: Count | None = None
    measures: tuple[str, ...] | None = None
    extractor: str | None = None
    inception_weights: str | None = None
    reference: str | None = None
    profile: dict[str, Any] | None = None


@dataclass(frozen=True)
class QueueWishes:
    """The contents of `JobSpec.queue`."""

    token: Annotated[str, Fits(lambda token: len(token) <= 200, "at most 200 letters")] | None = None
    after: tuple[str, ...] = ()
    priority: str = "normal"


@dataclass(frozen=True)
class Progress:
    """progress.json: the progress of a living worker. Replaced at most about four times a second, never fsynced.

    done and total count `unit` ("steps", "pictures") of this job, before and after a pause; step and epoch are the
    run's; times in seconds; `time` is the wall clock when it was written.
    """

    phase: str = "starting"
    done: int = 0
    total: int = 0
    unit: str = "steps"
    text: str = ""
    step: int | None = None
    epoch: float | None = None
    to_epoch: float | None = None
    images_per_s: float | None = None
    eta_s: float | None = None
    loss: float | None = None
    lr: float | None = None
    device: str | None = None
    time: float = 0.0


@dataclass(frozen=True)
class Result:
    """result.json: how the worker ended; atomic, fsynced, the last file it writes.

    `message` is one line, `hint` a remedy. `step`, `epoch`: those that the run has reached · `checkpoint`: the step
    of the newest one · `sample`: the sample set's id · `ended`: wall clock, seconds · `extra`: the return values of a
    kind of job (an estimate, an evaluation).
    """

    outcome: str
    exit_code: int
    message: str = ""
    hint: str | None = None
    run: str | None = None
    step: int | None = None
    epoch: float | None = None
    checkpoint: int | None = None
    sample: str | None = None
    ended: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)


_Record = TypeVar("_Record", Progress, Result)


def new_job_folder(
    home: Home,
    kind: str,
    run: str | None,
    args: dict[str, Any],
    device: str = "auto",
    foreground: bool = False,
    queue: dict[str, Any] | None = None,
    above: int = 0,
) -> JobFolder:
    """Create a job's folder with a new id and its spec, durably; one counter gives all ids.

    The folder appears completely or not at all: it is renamed into place, and the rename fails if another process
    took the id first. `above`: ids up to this one are used, whether their folders exist or not. Raises DiskFullError,
    UsageError for a spec that could not be read back.
    """
    _check_wishes(JobSpec("0", kind, run, device, foreground, args, queue or {}))
    home.jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = home.jobs / f".new-{uuid.uuid4().hex[:12]}"
    number = max(above, _highest_id(home)) + 1
    try:
        with disk_errors(home.jobs):
            temporary.mkdir(mode=0o700)
            while True:
                folder = JobFolder(home.jobs / f"{number:06d}")
                spec = JobSpec(folder.id, kind, run, device, foreground, args, queue or {}, time.time())
                write_json(JobFolder(temporary).spec, asdict(spec))
                try:
                    temporary.rename(folder.path)
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                        raise
                    number += 1
                    continue
                fsync_folder(home.jobs)
                return folder
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_wishes(spec: JobSpec) -> None:
    """Raise UsageError unless the spec can be read back, sent and shown."""
    content = asdict(spec)
    try:
        _check_spec(typed(JobSpec, content, "the request"), "the request", None)
    except DamagedError as error:
        raise UsageError(error.what) from None
    text = json.dumps(without_nan(content)).encode()
    try:
        # A path that is not UTF-8 can only be used by the command line itself.
        loads_json(text, foreign=not spec.foreground, depth=DEPTH // 2)
    except ValueError as error:
        raise UsageError(f"the request cannot be kept: {error}") from None
    if not spec.foreground and len(text) > SPEC_LIMIT:
        raise UsageError(f"the request has more than {SPEC_LIMIT >> 10} KiB", "request less at once")


def _check_spec(spec: JobSpec, what: str, path: Path | None) -> None:
    """Check the tables within a spec. Raises DamagedError."""
    typed(JobArgs, spec.args, f"{what}, in its args,", path)
    typed(QueueWishes, spec.queue, f"{what}, in its queue,", path)


def _highest_id(home: Home) -> int:
    return max((int(path.name) for path in home.jobs.iterdir() if is_number(path.name)), default=0)


def list_job_folders(home: Home) -> list[JobFolder]:
    """Return every job's folder, oldest first."""
    try:
        names = [path.name for path in home.jobs.iterdir() if is_number(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [JobFolder(home.jobs / name) for name in sorted(names, key=int)]


def read_spec(folder: JobFolder) -> JobSpec:
    """Read a job's spec. Raises DamagedError if it is missing or not of a format that this program knows."""
    what = f"the specification of job {folder.id}"
    try:
        content = check_format(read_json(folder.spec, what), FORMAT, what, folder.spec)
    except UserError as error:  # of a newer format, which for this program is like a damaged job
        raise DamagedError(error.what, error.hint) from None
    spec = typed(JobSpec, content, what, folder.spec)
    _check_spec(spec, what, folder.spec)
    if spec.id != folder.id:
        raise DamagedError(
            f"{folder.path} holds job {spec.id}: the folder was copied or renamed",
            "delete it or rename it back",
        )
    return spec


def write_progress(folder: JobFolder, progress: Progress) -> None:
    """Replace progress.json. On a full disk the old progress stays and the worker continues."""
    with contextlib.suppress(OSError):
        temporary = folder.progress.with_name(".progress.tmp")
        temporary.write_text(json.dumps(without_nan(asdict(progress))))
        os.replace(temporary, folder.progress)


def read_progress(folder: JobFolder) -> Progress | None:
    """Return the last progress, or None if there is none that can be read."""
    try:
        return _record(Progress, folder.progress)
    except ScarceError:  # it is read again soon
        return None


def write_result(folder: JobFolder, result: Result) -> None:
    """Write how the job ended, durably. Raises DiskFullError."""
    write_json(folder.result, asdict(result))


def read_result(folder: JobFolder) -> Result | None:
    """Return the last worker's result; None if there is none (it is alive, or it crashed: see `is_running`). Raises
    ScarceError if this cannot be determined now.
    """
    return _record(Result, folder.result)


def clear_result(folder: JobFolder) -> None:
    """Delete the result of an earlier worker before another one starts."""
    folder.result.unlink(missing_ok=True)
    folder.progress.unlink(missing_ok=True)


def is_running(folder: JobFolder) -> bool:
    """Return whether a worker of this job is alive, according to its lock."""
    return is_locked(folder.lock)


def _record(kind: type[_Record], path: Path) -> _Record | None:
    """Return a record, or None if there is none that can be read."""
    try:
        return typed(kind, read_json(path, path.name), path.name, path)
    except DamagedError:
        return None
