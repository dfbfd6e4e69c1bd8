"""What doctor says about sessions, disks, sockets and databases, each case from facts."""

from pathlib import Path

import pytest

from engine.base.files import FileLock
from engine.base.home import Home
from engine.service.doctor_facts import (
    SessionFacts,
    engine_findings,
    filesystem_of,
    findings,
    folder_findings,
    journal_mode_of,
    parse_kill_user_processes,
    parse_systemd_version,
    session_findings,
    socket_findings,
    sqlite_findings,
)


@pytest.mark.parametrize(
    ("facts", "levels", "words"),
    [
        (SessionFacts(), ["ok"], "no systemd"),
        (SessionFacts((252, 0), True, True), ["ok"], "under your lingering systemd user manager"),
        (SessionFacts((252, 0), True, False), ["ok"], "no lingering user manager"),
        (SessionFacts((256, 1), True, True), ["warning"], "systemd 256.1 may end lingering"),
        (SessionFacts((252, 0), True, False, True, "ada"), ["ok", "problem"], "KillUserProcesses=yes"),
        (SessionFacts((252, 0), True, True, True, "ada"), ["ok"], "lingering systemd user manager"),
    ],
)
def test_sessions(facts: SessionFacts, levels: list[str], words: str) -> None:
    found = session_findings(facts)
    assert [f.level for f in found] == levels
    assert words in found[-1].what
    if facts.kill_user_processes and "problem" in levels:
        assert found[-1].hint == "ask for lingering once: loginctl enable-linger ada"


@pytest.mark.parametrize(
    ("filesystem", "level", "words"),
    [
        ("ext4", "ok", "local disk (ext4)"),
        ("", "ok", "local disk (unknown)"),
        ("nfs4", "warning", "a network disk"),
        ("fuse.sshfs", "warning", "a network disk"),
        ("fuse.anything", "warning", "a network disk"),
        ("tmpfs", "warning", "in memory (tmpfs): a reboot empties it"),
        ("overlay", "note", "is deleted with the container"),
        ("fuse.fuse-overlayfs", "note", "is deleted with the container"),
    ],
)
def test_disks(filesystem: str, level: str, words: str) -> None:
    (found,) = folder_findings("/home/ada/ddpm", filesystem)
    assert (found.level, words in found.what) == (level, True), found
    assert bool(found.hint) is (level != "ok")


def test_the_disk_is_that_of_the_longest_mount(tmp_path: Path) -> None:
    mounts = "y /data/my\\040runs nfs4 rw 0 0\nx /data ext4 rw 0 0\nnone / overlay rw 0 0\ntorn\n"
    places = {"/etc": "overlay", "/data": "ext4", "/database": "overlay", "/data/my runs/r": "nfs4"}
    assert {place: filesystem_of(Path(place), mounts) for place in places} == places


def test_sockets() -> None:
    assert socket_findings("/short")[0].level == "ok"
    (found,) = socket_findings("/" + "ö" * 54)  # 109 bytes
    assert found.level == "note"
    assert "109 of 107 bytes" in found.what


@pytest.mark.parametrize(
    ("version", "mode", "level"),
    [
        ((3, 40, 1), "delete", "ok"),
        ((3, 40, 1), "wal", "warning"),
        ((3, 51, 2), "wal", "warning"),
        ((3, 51, 3), "wal", "ok"),
        ((3, 50, 6), "wal", "warning"),
        ((3, 50, 7), "wal", "ok"),
        ((3, 44, 6), "wal", "ok"),
        ((3, 45, 0), "WAL", "warning"),
    ],
)
def test_sqlite(version: tuple[int, ...], mode: str, level: str) -> None:
    assert sqlite_findings(version, mode)[0].level == level


def test_the_journal_mode_is_read_from_the_header(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "queue.db"
    assert journal_mode_of(path) == "delete"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    assert journal_mode_of(path) == "delete"
    connection.execute("PRAGMA journal_mode = WAL")
    assert journal_mode_of(path) == "wal"
    connection.close()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("systemd 255 (255.4-1ubuntu8.4)\n+PAM", (255, 4)),
        ("systemd 252 (252.22-1~deb12u1)", (252, 22)),
        ("systemd 256 (256)", (256, 0)),
        ("systemd 219", (219, 0)),
        ("launchd", None),
    ],
)
def test_versions(text: str, version: tuple[int, int] | None) -> None:
    assert parse_systemd_version(text) == version


def test_the_last_file_wins() -> None:
    commented, yes, no = "#KillUserProcesses=yes", "[Login]\nKillUserProcesses = yes", "KillUserProcesses=no"
    assert not parse_kill_user_processes([commented])
    assert parse_kill_user_processes([no, yes])
    assert not parse_kill_user_processes([yes, no])


def test_the_engine_itself(home: Home) -> None:
    assert "does not run" in engine_findings(None)[0].what
    assert "does not run" in findings(home)[0].what
    with FileLock.acquire(home.engine_lock, "it") as lock:
        lock.describe("pid 7")
        assert findings(home)[0].what == "the engine runs (pid 7)"
