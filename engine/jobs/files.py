"""A job's folder: what a worker is asked to do, how far it is, how it ended.

The service, the command line and the worker share these files and nothing else. Knows nothing of queues,
processes or torch: who starts a worker, when, and what a state is called are not its business.
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
"""How a worker says it ended. `busy`: it could not have its run's lock and did nothing · `short`: the system was short
of something for a moment."""

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
"""What a batch system such as Slurm can send some time before it ends a job."""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_MISUSED = 2
EXIT_DISK_FULL = DiskFullError.exit_code
"""A checkpoint is kept; the job may be resumed when there is room."""
EXIT_STOPPED = 75
"""Asked to stop (SIGTERM, first SIGINT, SIGHUP, AHEAD), and what was done is kept; the same command goes on."""
EXIT_QUIT = 130
"""Second SIGINT: quit at once, nothing written."""
# The command line answers with the same codes, see docs/engine.md: a script need not know who did the work.


@dataclass(frozen=True)
class JobSpec:
    """spec.json: written once, before any worker starts, and never changed.

    kind: train, sample, evaluate, pack, estimate, … · run: the run it belongs to, if any ·
    device: "auto", "cpu", "cuda:0" · args: what the kind needs (training: {"to_epoch": 50}, and as
    "from_epoch" where its run was when it was asked for: what the job has to do is counted from there) ·
    queue: what the queue keeps with a job so that it can be rebuilt (token, after, priority); nobody else
    reads it · created: wall clock, seconds.
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
"""Bytes of a queued job's specification. A listing has those of all jobs on one line."""


@dataclass(frozen=True)
class JobArgs:
    """What the args of any kind of job may hold under these names, and of which type; other names are the kind's own
    business."""

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
    """What `JobSpec.queue` holds."""

    token: Annotated[str, Fits(lambda token: len(token) <= 200, "at most 200 letters")] | None = None
    after: tuple[str, ...] = ()
    priority: str = "normal"


@dataclass(frozen=True)
class Progress:
    """progress.json: where a living worker is. Replaced at most about four times a second, never fsynced.

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
    """result.json: how the worker ended; atomic, fsynced, the last thing it writes.

    `message` is one line, `hint` says what to do. `step`, `epoch`: how far the run is · `checkpoint`: the
    step of the newest one · `sample`: the sample set's id · `ended`: wall clock, seconds · `extra`: what a
    kind of job hands back (an estimate, an evaluation).
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
    """Make a job's folder with a fresh id and its spec in it, durably; one counter gives all ids.

    The folder appears whole or not at all: it is renamed into place, and the rename fails where another process took
    the id first. `above`: ids up to this one are taken, whether there are folders for them or not. Raises
    DiskFullError, UsageError for what could not be read back.
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
    """Raise UsageError unless what is to be written can be read back, sent and shown."""
    content = asdict(spec)
    try:
        _check_spec(typed(JobSpec, content, "the request"), "the request", None)
    except DamagedError as error:
        raise UsageError(error.what) from None
    text = json.dumps(without_nan(content)).encode()
    try:
        # A path of other bytes than UTF-8 is one that only the command line itself can use.
        loads_json(text, foreign=not spec.foreground, depth=DEPTH // 2)
    except ValueError as error:
        raise UsageError(f"the request cannot be kept: {error}") from None
    if not spec.foreground and len(text) > SPEC_LIMIT:
        raise UsageError(f"the request has more than {SPEC_LIMIT >> 10} KiB", "ask for less at once")


def _check_spec(spec: JobSpec, what: str, path: Path | None) -> None:
    """The tables within a spec. Raises DamagedError."""
    typed(JobArgs, spec.args, f"{what}, in its args,", path)
    typed(QueueWishes, spec.queue, f"{what}, in its queue,", path)


def _highest_id(home: Home) -> int:
    return max((int(path.name) for path in home.jobs.iterdir() if is_number(path.name)), default=0)


def list_job_folders(home: Home) -> list[JobFolder]:
    """Every job's folder, oldest first."""
    try:
        names = [path.name for path in home.jobs.iterdir() if is_number(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [JobFolder(home.jobs / name) for name in sorted(names, key=int)]


def read_spec(folder: JobFolder) -> JobSpec:
    """Raises DamagedError where it is missing or not a spec of a format this program knows."""
    what = f"the specification of job {folder.id}"
    try:
        content = check_format(read_json(folder.spec, what), FORMAT, what, folder.spec)
    except UserError as error:  # of a newer format: for this program the job is as good as damaged
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
    """Replace progress.json. A full disk is no reason to stop a worker: the old progress then stays."""
    with contextlib.suppress(OSError):
        temporary = folder.progress.with_name(".progress.tmp")
        temporary.write_text(json.dumps(without_nan(asdict(progress))))
        os.replace(temporary, folder.progress)


def read_progress(folder: JobFolder) -> Progress | None:
    """The last progress, or None where there is none that can be read."""
    try:
        return _record(Progress, folder.progress)
    except ScarceError:  # it is looked for again in a moment
        return None


def write_result(folder: JobFolder, result: Result) -> None:
    """Say how the job ended, durably. Raises DiskFullError."""
    write_json(folder.result, asdict(result))


def read_result(folder: JobFolder) -> Result | None:
    """How the last worker ended; None where it said nothing (it lives, or it crashed: see `is_running`). Raises
    ScarceError if it cannot be told now."""
    return _record(Result, folder.result)


def clear_result(folder: JobFolder) -> None:
    """Before another worker starts on a job: what the last one said is no longer true."""
    folder.result.unlink(missing_ok=True)
    folder.progress.unlink(missing_ok=True)


def is_running(folder: JobFolder) -> bool:
    """Whether a worker lives on this job: its lock says so, and no pid does."""
    return is_locked(folder.lock)


def _record(kind: type[_Record], path: Path) -> _Record | None:
    """A record, or None where there is none that can be read."""
    try:
        return typed(kind, read_json(path, path.name), path.name, path)
    except DamagedError:
        return None
