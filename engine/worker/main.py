"""The process that runs one job: `python -m engine.worker JOB_DIR`.

It holds the job's lock while it lives, reports progress in the job's folder, and finally writes its result. SIGTERM,
SIGHUP, SIGUSR1, SIGUSR2 and the first SIGINT ask the job to stop at its next safe point; a second SIGINT makes it
exit at once.
"""

import argparse
import errno
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType

from engine.base.errors import BusyError, DamagedError, DdpmError, DiskFullError
from engine.base.failpoints import reach
from engine.base.files import MAKE_ROOM, FileLock, disk_errors, is_disk_full
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.base.named import load
from engine.base.scarcity import ScarceError, allow_enough_files, is_scarce, scarce
from engine.device.allocator import keep_memory
from engine.device.threads import wait_briefly
from engine.jobs.context import Stopped, Work
from engine.jobs.files import (
    AHEAD,
    EXIT_DISK_FULL,
    EXIT_FAILED,
    EXIT_MISUSED,
    EXIT_QUIT,
    EXIT_STOPPED,
    JobSpec,
    Progress,
    Result,
    read_spec,
    write_progress,
    write_result,
)
from engine.jobs.kinds import KINDS


def _need_torch() -> None:
    """Raise DamagedError if torch cannot be imported, whatever the reason; ScarceError during a shortage."""
    try:
        import torch  # noqa: F401 - whether it can be
    except Exception as error:
        if is_scarce(error):
            raise scarce(error, "torch cannot be imported now") from error
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise DamagedError(
            f"torch cannot be imported: {why[0]}",
            "reinstall it: pip install --force-reinstall torch; `ddpm-tui doctor` checks it too",
        ) from error


RESULT_S = 30.0
"""Seconds that a worker tries to write its result. Its exit code tells it too."""

NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)
"""Error numbers for another user's file, a read-only disk and a failing disk, which are not bugs of this program."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="engine.worker", description="Do one job in this process.")
    parser.add_argument("job", help="a job's folder, or 'facts' for this machine's as JSON")
    parser.add_argument("--lock-fd", type=int, help="inherited descriptor that already holds the job's lock")
    arguments = parser.parse_args(argv)
    allow_enough_files()
    wait_briefly()
    keep_memory()
    if arguments.job == "facts":
        from engine.device.facts import machine_facts

        print(json.dumps(machine_facts()))
        return 0
    folder = JobFolder(Path(arguments.job).absolute())
    home = Home(folder.path.parent.parent)
    try:
        spec = read_spec(folder)
        if arguments.lock_fd is not None:
            lock = FileLock.adopt(folder.lock, arguments.lock_fd)
        else:
            lock = FileLock.acquire(folder.lock, f"job {folder.id}", "wait for it to end")
    except DdpmError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_MISUSED
    lock.describe(f"pid {os.getpid()}")
    # A child process (such as a decoder of pictures) must not keep the job's lock after this process has ended.
    os.set_inheritable(lock.descriptor, False)
    with lock:
        return work_on(Work(home, folder, spec))


def work_on(work: Work) -> int:
    """Run the job, record how it ended, and return the exit code."""
    _listen(work)
    write_progress(work.folder, Progress(phase="starting", time=time.time()))
    reach("worker.start")
    result = _outcome(work)
    reach("worker.before_result")
    try:
        ended = replace(result, ended=time.time())
        work.patiently(lambda: write_result(work.folder, ended), RESULT_S)
    except (DdpmError, OSError) as error:
        work.say(f"could not write how the job ended: {error}")
    return result.exit_code  # the exit code counts if nothing could be written


def _outcome(work: Work) -> Result:
    spec: JobSpec = work.spec
    if spec.kind not in KINDS:
        return Result(
            "failed", EXIT_MISUSED, f"this version does not know jobs of kind {spec.kind!r}", "update it"
        )
    try:
        with disk_errors(work.home.root):
            if KINDS[spec.kind].needs_torch:
                _need_torch()
            handler: Callable[[Work], Result] = load(KINDS[spec.kind].handler)
            return handler(work)
    except Stopped as error:
        return Result("stopped", EXIT_STOPPED, error.what, error.hint, spec.run)
    except DiskFullError as error:
        work.say(f"error: {error}")
        return Result("disk_full", EXIT_DISK_FULL, error.what, error.hint, spec.run)
    except BusyError as error:
        work.say(f"error: {error}")
        return Result("busy", EXIT_FAILED, error.what, error.hint, spec.run)
    except ScarceError as error:
        return _short(work, error)
    except DdpmError as error:
        work.say(f"error: {error}")
        return Result("failed", EXIT_FAILED, error.what, error.hint, spec.run)
    except MemoryError as error:
        return _memory(work, error)
    except Exception as error:
        if is_disk_full(error):  # the cause of another exception
            work.say(f"error: no room on the disk: {error}")
            return Result("disk_full", EXIT_DISK_FULL, "no room on the disk", MAKE_ROOM, spec.run)
        if is_scarce(error):
            return _short(work, error)
        if isinstance(error, OSError) and error.filename and error.errno in NOT_OURS:
            work.say(traceback.format_exc())
            what = f"{error.filename}: {os.strerror(error.errno).lower()}"
            return Result("failed", EXIT_FAILED, what, "`ddpm-tui doctor` says how to fix it", spec.run)
        if _is_out_of_memory(error):
            return _memory(work, error)
        work.say(traceback.format_exc())
        return Result(
            "failed",
            EXIT_FAILED,
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}",
            f"this is a bug in ddpm-tui; the traceback is in {work.folder.log}",
            spec.run,
        )


def _is_out_of_memory(error: Exception) -> bool:
    if "torch" not in sys.modules:
        return False  # no error class that describes itself
    from engine.device.out_of_memory import is_out_of_memory

    return is_out_of_memory(error)


def _memory(work: Work, error: BaseException) -> Result:
    work.say(f"error: out of memory: {error}")
    tried = ", even with the smallest micro-batch" if work.spec.kind == "train" else ""
    way_out = KINDS[work.spec.kind].less_memory
    return Result("failed", EXIT_FAILED, f"out of memory{tried}", way_out, work.spec.run)


def _short(work: Work, error: Exception) -> Result:
    """Return the result of a temporary shortage; nothing before the last checkpoint is lost."""
    work.say(traceback.format_exc())
    said = scarce(error)
    work.say(f"error: {said}")
    return Result("short", EXIT_FAILED, said.what, said.hint, work.spec.run)


def _listen(work: Work) -> None:
    """Let signals set a flag, which the job checks between steps."""
    interrupts = 0

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal interrupts
        if number == signal.SIGINT:
            interrupts += 1
            if interrupts > 1:
                os._exit(EXIT_QUIT)
        work.stop(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *AHEAD):
        signal.signal(number, ask)


def _end(code: int) -> None:
    """Exit with `code` even if output cannot be written; Python would otherwise exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
    sys.exit(code)


def run() -> None:
    """Run the job that the command line names, and exit."""
    try:
        ended = main()
    except DamagedError as damaged:
        print(f"error: {damaged}", file=sys.stderr)
        ended = EXIT_FAILED
    _end(ended)
