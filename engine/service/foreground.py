"""Running a job in the foreground: a job folder, a worker as a child process, and its result.

The command line and `engine.api` share it; display and signals are their part. Never imports torch.
"""

import signal
import time
from typing import Any

from engine.base.errors import DdpmError
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.base.scarcity import ScarceError
from engine.jobs.files import Result, new_job_folder, read_result
from engine.service.launchers.local import LocalLauncher, LocalWorker

POLL_S = 0.1
"""Seconds between checks of a worker."""
SHORTAGE_S = 30.0
"""Seconds to wait for the end of a shortage before reading a worker's result."""


class JobFailedError(DdpmError):
    """Raised if the worker did not complete its job; has the worker's message and exit code."""

    def __init__(
        self, what: str, hint: str | None = None, exit_code: int = 1, result: Result | None = None
    ) -> None:
        super().__init__(what, hint)
        self.exit_code, self.result = exit_code, result


def new_foreground_job(
    home: Home, kind: str, run: str | None, args: dict[str, Any], device: str
) -> JobFolder:
    """Create the folder of a job that the queue does not know, and the home if necessary. Raises UserError,
    UsageError, DiskFullError.
    """
    return new_job_folder(home.create(), kind, run, args, device, foreground=True)


def start_worker(home: Home, folder: JobFolder, device: str) -> LocalWorker:
    """Start a worker for a job as a child of this process; it holds the job's lock. Raises BusyError, LaunchError."""
    return LocalLauncher(home).run(folder, device)


def last_result(folder: JobFolder) -> Result | None:
    """Return the result of a worker that has ended, waiting for the end of a shortage. Raises ScarceError if it
    lasts.
    """
    end = time.monotonic() + SHORTAGE_S
    while True:
        try:
            return read_result(folder)
        except ScarceError:
            if time.monotonic() > end:
                raise
            time.sleep(POLL_S)


def death(code: int | None) -> str:
    """Describe the end of a worker that wrote no result, from its exit code (negative for a signal)."""
    if code == -signal.SIGKILL:
        return "was killed by SIGKILL, which the system sends when memory runs out"
    if code is not None and code < 0:
        return f"died of {signal.Signals(-code).name}"
    return f"ended with code {code} without a message"
