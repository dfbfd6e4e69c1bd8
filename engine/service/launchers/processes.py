"""Facts about other processes: start times, holders of locks, members of sessions.

A pid is reused after a while; a pid with its start time is unique. Linux provides this in /proc, other systems
through psutil. Without free descriptors the facts cannot be read: ScarceError. Knows nothing about jobs.
"""

import contextlib
import os
import signal
from pathlib import Path

from engine.base.scarcity import ScarceError, unless_scarce

PROC = Path("/proc/self/stat").exists()


def start_time(pid: int) -> str | None:
    """Return the start time of `pid`, as text that is equal only for the same process; None: no such process."""
    if PROC:
        fields = _stat(pid)
        return fields[19] if fields else None
    import psutil  # only needed without /proc

    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def is_zombie(pid: int) -> bool:
    """Return whether the process has ended and waits for its parent."""
    fields = _stat(pid) if PROC else None
    return fields is not None and fields[:1] == ["Z"]


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state (field 3) on: the name before it may contain any character,
    so split after its ')'.
    """
    with unless_scarce():
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return None


def holders(lock: Path) -> list[int]:
    """Return pids of this user's processes that have `lock` open, session leaders first."""
    found: list[int] = []
    if PROC:
        with unless_scarce():
            wanted = lock.stat()
            for pid in _pids():
                if pid != os.getpid() and _has_open(pid, wanted):
                    found.append(pid)
    else:
        import psutil

        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and any(f.path == str(lock) for f in process.open_files()):
                    found.append(process.pid)
    return sorted(found, key=lambda pid: (not leads_session(pid), pid))


def _pids() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()]


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    with unless_scarce():
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                facts = entry.stat()
                if (facts.st_dev, facts.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
    return False


def leads_session(pid: int) -> bool:
    """Return whether a process leads a session; workers do, their child processes do not."""
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def session_members(leader: int) -> list[int]:
    """Return the living processes of the session that `leader` created, without the leader. The kernel does not reuse
    a session's number as a pid while it has members, so these are descendants of the leader.
    """
    if not PROC:
        return []
    found = []
    for pid in _pids():
        fields = _stat(pid)
        if fields and pid != leader and fields[0] != "Z" and fields[3] == str(leader):
            found.append(pid)
    return found


def kill_session(leader: int, started: str | None) -> int:
    """Kill the processes that a worker left behind. `started` is the worker's start time: a living leader with
    another one has a different session. Returns the number of killed processes.
    """
    now = start_time(leader)
    if now is not None and now != started:
        return 0
    members = session_members(leader)
    for pid in members:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(members)


def pidfd(pid: int, started: str | None) -> int | None:
    """Return a descriptor that becomes readable when exactly this process ends; None if the system has none, or if
    the process is already gone or another one.
    """
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        same = started is not None and start_time(pid) == started
    except ScarceError:
        same = False
    if not same:
        os.close(descriptor)
        return None
    return descriptor
