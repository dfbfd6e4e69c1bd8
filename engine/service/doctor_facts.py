"""Findings of `doctor` about the engine: whether it survives logout, whether its files are safe, whether its socket
is reachable. Facts are gathered in one place and judged by pure functions, so that each case can be tested.
"""

import os
import platform
import re
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.base.files import is_locked, lock_holder
from engine.base.home import Home
from engine.service.address import PATH_LIMIT, usual_socket

Level = Literal["ok", "note", "warning", "problem"]

NETWORK_FILESYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "fuse.sshfs"}
)
MEMORY_FILESYSTEMS = frozenset({"tmpfs", "ramfs"})
CONTAINER_FILESYSTEMS = frozenset({"overlay", "fuse.fuse-overlayfs", "aufs"})


@dataclass(frozen=True)
class Finding:
    """One finding of `doctor`: a fact, and a remedy if one is needed."""

    level: Level
    what: str
    hint: str = ""


@dataclass(frozen=True)
class SessionFacts:
    """Facts about systemd and the login. systemd: its version, None if it does not run this system · user_manager:
    this user has one · linger: it stays after the last logout · kill_user_processes: logind kills a user's processes
    at logout.
    """

    systemd: tuple[int, int] | None = None
    user_manager: bool = False
    linger: bool = False
    kill_user_processes: bool = False
    user: str = ""


def keeper(facts: SessionFacts) -> Literal["systemd", "itself"]:
    """Return what keeps the service running: a lingering user manager if it is reliable, or else the service itself."""
    if facts.user_manager and facts.linger and not kills_lingering(facts.systemd):
        return "systemd"
    return "itself"


def kills_lingering(version: tuple[int, int] | None) -> bool:
    """Return whether this systemd (255 to 256.2) may stop a lingering user manager at the last logout (systemd issue
    43361, fixed in 256.3).
    """
    return version is not None and (255, 0) <= version < (256, 3)


def session_findings(facts: SessionFacts) -> list[Finding]:
    """Return whether the engine survives logout, and why."""
    enable = f"ask for lingering once: loginctl enable-linger {facts.user}".rstrip()
    if facts.systemd is None:
        return [Finding("ok", "no systemd: the engine runs in its own session and survives logout")]
    found = []
    if keeper(facts) == "systemd":
        found.append(Finding("ok", "the engine runs under your lingering systemd user manager"))
    elif facts.linger and kills_lingering(facts.systemd):
        number = ".".join(str(part) for part in facts.systemd)
        found.append(
            Finding(
                "warning",
                f"systemd {number} may end lingering user services at logout, so the engine does not use it "
                "and runs in a session of its own",
                "update systemd to 256.3 or newer",
            )
        )
    else:
        found.append(Finding("ok", "the engine runs in its own session (no lingering user manager)"))
    if facts.kill_user_processes and keeper(facts) == "itself":
        found.append(
            Finding(
                "problem",
                "KillUserProcesses=yes: logging out kills the engine and its workers (they lose at most the steps "
                "since the last checkpoint, and go on when the engine is next started)",
                enable,
            )
        )
    return found


def engine_findings(holder: str | None) -> list[Finding]:
    """Return whether the engine runs; `holder` describes the holder of its lock, None if there is none."""
    if holder is None:
        return [Finding("ok", "the engine does not run; the first `queue` command or the screen starts it")]
    return [Finding("ok", f"the engine runs ({holder})")]


def folder_findings(root: str, filesystem: str) -> list[Finding]:
    """Return whether locks and the database are reliable on the home's file system."""
    is_layer = filesystem in CONTAINER_FILESYSTEMS
    if filesystem in NETWORK_FILESYSTEMS or (filesystem.startswith("fuse.") and not is_layer):
        return [
            Finding(
                "warning",
                f"{root} is on {filesystem}, a network disk: locks may not hold between machines, and writes "
                "are slow",
                "set DDPM_HOME to a local disk; never use one home from two machines at once",
            )
        ]
    if filesystem in MEMORY_FILESYSTEMS:
        return [
            Finding(
                "warning",
                f"{root} is in memory ({filesystem}): a reboot empties it",
                "set DDPM_HOME to a disk",
            )
        ]
    if is_layer:
        return [
            Finding(
                "note",
                f"{root} is on a container's own layer ({filesystem}), which is deleted with the container",
                "set DDPM_HOME to a mounted volume",
            )
        ]
    return [Finding("ok", f"{root} is on a local disk ({filesystem or 'unknown'})")]


def socket_findings(path: str, limit: int = PATH_LIMIT) -> list[Finding]:
    """Return whether the socket's path is short enough for its usual place."""
    length = len(os.fsencode(path))
    if length > limit:
        return [
            Finding(
                "note",
                f"the socket's path is too long for this system ({length} of {limit} bytes), so it is in a short "
                "private folder that the state folder names",
                "set a shorter DDPM_HOME to avoid this",
            )
        ]
    return [Finding("ok", f"the socket's path fits ({length} of {limit} bytes)")]


def sqlite_findings(version: tuple[int, ...], journal_mode: str) -> list[Finding]:
    """Return findings on the WAL-reset bug: SQLite 3.7.0 to 3.51.2 (except 3.50.7 and 3.44.6) corrupts databases in
    WAL mode with two connections; the queue uses a rollback journal and one connection.
    """
    text = ".".join(str(part) for part in version)
    mended = version >= (3, 51, 3) or (version[:2] == (3, 50) and version >= (3, 50, 7))
    mended = mended or (version[:2] == (3, 44) and version >= (3, 44, 6))
    if journal_mode.lower() == "wal" and not mended:
        return [
            Finding(
                "warning",
                f"queue.db is in WAL mode and SQLite {text} has the WAL-reset bug",
                "stop other programs that have it open; the engine sets it back when it starts",
            )
        ]
    why = "mended" if mended else "its WAL-reset bug does not matter: the queue uses a rollback journal"
    return [Finding("ok", f"SQLite {text} ({why})")]


# Gathering.


def gather() -> SessionFacts:
    """Return this system's facts; facts that cannot be determined count as absent."""
    user = os.environ.get("USER") or str(os.getuid())
    runs_systemd = Path("/run/systemd/system").is_dir()
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    return SessionFacts(
        systemd=_systemd_version() if runs_systemd else None,
        user_manager=runs_systemd and (runtime / "systemd" / "private").exists(),
        linger=(Path("/var/lib/systemd/linger") / user).exists(),
        kill_user_processes=runs_systemd and _kill_user_processes(),
        user=user,
    )


def parse_systemd_version(text: str) -> tuple[int, int] | None:
    """Parse the first line of `systemctl --version`: "systemd 255 (255.4-1ubuntu8)" gives (255, 4)."""
    found = re.search(r"\((\d+)(?:\.(\d+))?", text) or re.search(r"systemd (\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2] or 0)) if found else None


def parse_kill_user_processes(texts: list[str]) -> bool:
    """Return the last setting, as logind reads its files in order."""
    value = False
    for text in texts:
        for line in text.splitlines():
            found = re.match(r"\s*KillUserProcesses\s*=\s*(\w+)", line)
            if found:
                value = found[1].lower() in ("yes", "true", "1", "on")
    return value


def _systemd_version() -> tuple[int, int] | None:
    try:
        done = subprocess.run(
            ["systemctl", "--version"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_systemd_version(done.stdout)


def _kill_user_processes() -> bool:
    files = [Path("/usr/lib/systemd/logind.conf"), Path("/etc/systemd/logind.conf")]
    for folder in (
        "/usr/lib/systemd/logind.conf.d",
        "/run/systemd/logind.conf.d",
        "/etc/systemd/logind.conf.d",
    ):
        files += sorted(Path(folder).glob("*.conf"))
    texts = []
    for file in files:
        try:
            texts.append(file.read_text())
        except OSError:
            continue
    return parse_kill_user_processes(texts)


def filesystem_of(path: Path, mounts: str | None = None) -> str:
    """Return the type of the file system of `path`, from /proc/mounts; "" if it is unknown."""
    try:
        text = Path("/proc/mounts").read_text() if mounts is None else mounts
    except OSError:
        return ""
    best, kind = "", ""
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        place = parts[1].encode().decode("unicode_escape")
        inside = str(path) == place or str(path).startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, parts[2]
    return kind


def journal_mode_of(path: Path) -> str:
    """Return "wal" or "delete" from the database's header (bytes 18 and 19), without opening it as a database."""
    try:
        with open(path, "rb") as file:
            header = file.read(20)
    except OSError:
        return "delete"
    return "wal" if header[18:20] == b"\x02\x02" else "delete"


def findings(home: Home) -> list[Finding]:
    """Return all findings about the engine on this machine."""
    found = session_findings(gather()) if platform.system() == "Linux" else []
    return [
        *engine_findings((lock_holder(home.engine_lock) or "it") if is_locked(home.engine_lock) else None),
        *found,
        *folder_findings(str(home.root), filesystem_of(home.root)),
        *socket_findings(str(usual_socket(home))),
        *sqlite_findings(sqlite3.sqlite_version_info, journal_mode_of(home.queue_db)),
    ]
