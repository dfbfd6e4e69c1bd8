"""The launcher for this machine: `python -m engine.worker` in its own session.

The lock in the job's folder, not a pid, says whether a worker is alive; it is taken before the start and passed on.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.base.files import FileLock, is_locked
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.base.records import loads_json
from engine.base.scarcity import ScarceError, is_scarce, scarce
from engine.device.place import PLACE, Place
from engine.service.launchers import processes
from engine.service.launchers.base import LaunchError
from engine.service.spawn import python_path

POLL_S = 0.5
"""Seconds between checks of a worker that the system cannot watch."""

COMMAND_VARIABLE = "DDPM_WORKER_COMMAND"
"""A variable with a JSON list that replaces `python -m engine.worker`: containers and tests wrap the worker with it.
"""


class LocalWorker:
    """A worker on this machine, a child of this process or of an earlier service.

    pid, started: the process, with the start time that makes the pid unique; None if unknown.
    """

    def __init__(
        self,
        folder: JobFolder,
        pid: int | None,
        started: str | None,
        process: "subprocess.Popen[bytes] | None" = None,
    ) -> None:
        self.folder = folder
        self.pid = pid
        self.started = started
        self._process = process

    @property
    def handle(self) -> str | None:
        """See `engine.service.launchers.base.Worker`: "PID:START"."""
        return None if self.pid is None else f"{self.pid}:{self.started or ''}"

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """Send what Ctrl-C means for a foreground worker."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self.pid is not None:
            processes.kill_session(self.pid, self.started)

    def poll(self) -> bool:
        if self._process is not None:
            return self._process.poll() is not None
        if self.pid is not None and processes.start_time(self.pid) == self.started:
            return processes.is_zombie(self.pid)
        return not is_locked(self.folder.lock)

    @property
    def exit_code(self) -> int | None:
        """Return the exit code after the end; None for a worker that is not a child of this process."""
        return None if self._process is None else self._process.returncode

    def wait_here(self, timeout: float) -> bool:
        """Wait without asyncio, at most `timeout` seconds; return whether it has ended. For foreground workers."""
        if self._process is not None:
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                return False
            return True
        end = time.monotonic() + timeout
        while not self.poll():
            if time.monotonic() >= end:
                return False
            time.sleep(0.05)
        return True

    async def wait(self) -> int | None:
        descriptor = None if self.pid is None else processes.pidfd(self.pid, self.started)
        if descriptor is not None:
            try:
                await _readable(descriptor)
            finally:
                os.close(descriptor)
        while not self.poll():
            await asyncio.sleep(0.02 if descriptor is not None else POLL_S)
        self.sweep()
        return self.exit_code

    def sweep(self) -> None:
        """Kill the processes that the worker left behind, which would keep the device and the lock."""
        if self.pid is not None:
            processes.kill_session(self.pid, self.started)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
        elif self.pid is not None and processes.start_time(self.pid) == self.started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def notice() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(descriptor, notice)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)


class LocalLauncher:
    """Starts `command JOB_DIR --lock-fd N` in its own session, with its output in the job's log."""

    def __init__(
        self, home: Home, command: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self.command = list(command or worker_command())
        self.environment = dict(os.environ if environment is None else environment)

    def start(self, folder: JobFolder, device: str, lock: FileLock) -> LocalWorker:
        arguments = [*self.command, str(folder.path), "--lock-fd", str(lock.descriptor)]
        environment = worker_environment({**self.environment, "DDPM_HOME": str(self.home.root)}, device)
        environment["PYTHONPATH"] = python_path(environment)
        try:
            with open(folder.log, "ab") as output:
                process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.home.root,
                    env=environment,
                    start_new_session=True,
                    pass_fds=(lock.descriptor,),
                )
        except OSError as error:
            if is_scarce(error):
                raise scarce(error, f"the worker of job {folder.id} cannot be started now") from error
            raise LaunchError(
                f"the worker of job {folder.id} cannot be started ({error.strerror})",
                f"command: {arguments[0]}",
            ) from error
        try:
            started = processes.start_time(process.pid)
        except ScarceError:
            started = None  # it is our child: its pid is not reused before we wait for it
        return LocalWorker(folder, process.pid, started, process)

    def run(self, folder: JobFolder, device: str) -> LocalWorker:
        """Take the job's lock and start a worker, for foreground commands. Raises BusyError, LaunchError."""
        lock = FileLock.acquire(folder.lock, f"job {folder.id}")
        try:
            return self.start(folder, device, lock)
        finally:
            lock.release()

    def adopt(self, folder: JobFolder, handle: str | None) -> LocalWorker | None:
        if not is_locked(folder.lock):
            return None
        pid, started = process_of(handle)
        if pid is not None and started is not None:
            if processes.start_time(pid) == started and not processes.is_zombie(pid):
                return LocalWorker(folder, pid, started)
            processes.kill_session(pid, started)
        found = processes.holders(folder.lock)
        leaders = [pid for pid in found if processes.leads_session(pid)]
        if found and not leaders:
            # The worker is dead; its child processes must not keep its lock and its device.
            for orphan in found:
                with contextlib.suppress(OSError):
                    os.kill(orphan, signal.SIGKILL)
            found = []
        if not found and _freed(folder.lock):
            return None
        leader = leaders[0] if leaders else None
        return LocalWorker(folder, leader, None if leader is None else processes.start_time(leader))


def process_of(handle: str | None) -> tuple[int | None, str | None]:
    """Return the pid and the start time in a handle; None for missing parts."""
    pid, _, started = (handle or "").partition(":")
    return (int(pid) if pid.isdecimal() else None, started or None)


def _freed(lock: Path, patience: float = 2.0) -> bool:
    """Return whether the lock becomes free soon, because killed processes take a moment to end."""
    end = time.monotonic() + patience
    while is_locked(lock):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def worker_environment(surroundings: Mapping[str, str], device: str) -> dict[str, str]:
    """Return `surroundings` for a worker with `device`. Raises UserError."""
    place = Place.parse(device)
    if place is not None:
        return place.environment(surroundings)
    return {name: value for name, value in surroundings.items() if name != PLACE}


def worker_command() -> list[str]:
    """Return the command that starts a worker, without the job's folder."""
    given = os.environ.get(COMMAND_VARIABLE)
    if given:
        return [str(part) for part in loads_json(given.encode())]
    return [sys.executable, "-P", "-m", "engine.worker"]
