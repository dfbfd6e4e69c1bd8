"""What the queue knows of workers: how one is started, told to stop, watched and found again. Knows no processes."""

from typing import Protocol

from engine.base.errors import DdpmError
from engine.base.files import FileLock
from engine.base.folders import JobFolder


class LaunchError(DdpmError):
    """The worker could not be started at all."""


class Worker(Protocol):
    """A started job."""

    @property
    def handle(self) -> str | None:
        """What its launcher finds it again by, in another service too; means nothing to anyone else. None if its lock
        alone tells of it."""

    def stop(self) -> None:
        """Ask it to checkpoint and end."""

    def kill(self) -> None:
        """End it and everything it started, now."""

    def poll(self) -> bool:
        """Whether it has ended."""

    async def wait(self) -> int | None:
        """Wait for its end: the exit code, negative for a signal, None where nobody can know it any more.
        Nothing it started is alive afterwards. Raises OSError and ScarceError when the system is short of what it
        takes to know: then it may be waited for again."""


class Launcher(Protocol):
    """Starts workers and finds those that another service started."""

    def start(self, folder: JobFolder, device: str, lock: FileLock) -> Worker:
        """Start a worker that holds `lock` from its first instant. It sees `device` and no other, but with "auto" it
        chooses by itself. Raises LaunchError, UserError for a device that is hidden from us, ScarceError."""

    def adopt(self, folder: JobFolder, handle: str | None) -> Worker | None:
        """The living worker of a job, or None if its lock is free. handle: what was noted of it; None if nothing."""


def take_lock(folder: JobFolder) -> FileLock | None:
    """The job's lock for a worker that is about to start; None where one lives. Raises LaunchError."""
    if not folder.spec.exists():
        raise LaunchError(f"the folder of job {folder.id} is gone or empty: {folder.path}")
    return FileLock.try_acquire(folder.lock)
