"""Facts about other processes: when one started, who holds a lock, who belongs to a session.

A pid alone names nobody for long; a pid with its start time does. Linux answers from /proc, other systems
through psutil. When the system is short of descriptors there is no answer: ScarceError. Knows nothing of jobs.
"""

import contextlib
import os
import signal
from pathlib import Path

from engine.base.scarcity import ScarceError, unless_scarce

PROC = Path("/proc/self/stat").exists()


def start_time(pid: int) -> str | None:
    """When `pid` started, as a text that only compares equal for the same process; None: no such process."""
    if PROC:
        fields = _stat(pid)
        return fields[19] if fields else None
    import psutil  # only where there is no /proc

    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def is_zombie(pid: int) -> bool:
    """Whether the process has ended and waits only for its parent to notice."""
    fields = _stat(pid) if PROC else None
    return fields is not None and fields[:1] == ["Z"]


def _stat(pid: int) -> list[str] | None:
    """/proc/PID/stat from the state on (field 3): the name before it may hold anything, so cut after its ')'."""
    with unless_scarce():
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return None


def holders(lock: Path) -> list[int]:
    """Pids of this user's processes that have `lock` open, session leaders first."""
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
    """Workers lead a session of their own; what they start does not."""
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def session_members(leader: int) -> list[int]:
    """Living processes of the session that `leader` made, without it. The kernel keeps a session's number from
    being a new pid while anyone is in it, so these are the leader's own children and theirs."""
    if not PROC:
        return []
    found = []
    for pid in _pids():
        fields = _stat(pid)
        if fields and pid != leader and fields[0] != "Z" and fields[3] == str(leader):
            found.append(pid)
    return found


def kill_session(leader: int, started: str | None) -> int:
    """SIGKILL what a worker left behind. `started` is the worker's start time: a living leader with another
    one is somebody else's session. Returns how many were killed."""
    now = start_time(leader)
    if now is not None and now != started:
        return 0
    members = session_members(leader)
    for pid in members:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(members)


def pidfd(pid: int, started: str | None) -> int | None:
    """A descriptor that becomes readable when exactly this process ends; None where the system has none, or the
    process is already gone or another one."""
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
