"""The interface between the queue and workers: starting, stopping, watching and finding them. Knows nothing about
processes.
"""

from typing import Protocol

from engine.base.errors import DdpmError
from engine.base.files import FileLock
from engine.base.folders import JobFolder


class LaunchError(DdpmError):
    """A worker that could not be started."""


class Worker(Protocol):
    """A started worker."""

    @property
    def handle(self) -> str | None:
        """Return the identifier by which its launcher finds it again, in another service too; opaque to all others.
        None if only its lock identifies it.
        """

    def stop(self) -> None:
        """Ask it to checkpoint and exit."""

    def kill(self) -> None:
        """Kill it and its child processes at once."""

    def poll(self) -> bool:
        """Return whether it has ended."""

    async def wait(self) -> int | None:
        """Wait for its end, and return the exit code, negative for a signal, None if it is unknown. Its child
        processes have ended too. Raises OSError and ScarceError during a shortage of system resources; it may then be
        waited for again.
        """


class Launcher(Protocol):
    """Starts workers, and finds those that an earlier service started."""

    def start(self, folder: JobFolder, device: str, lock: FileLock) -> Worker:
        """Start a worker that holds `lock` from its first instant. It sees only `device`; with "auto" it chooses one
        itself. Raises LaunchError, UserError for a device that is hidden from this process, ScarceError.
        """

    def adopt(self, folder: JobFolder, handle: str | None) -> Worker | None:
        """Return the living worker of a job, or None if its lock is free. handle: its stored identifier; None if
        there is none.
        """


def take_lock(folder: JobFolder) -> FileLock | None:
    """Take the job's lock for a worker that is about to start; None if a worker is alive. Raises LaunchError."""
    if not folder.spec.exists():
        raise LaunchError(f"the folder of job {folder.id} is gone or empty: {folder.path}")
    return FileLock.try_acquire(folder.lock)
