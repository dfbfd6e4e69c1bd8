"""Files survive a crash whole, and locks tell who lives."""

import errno
import fcntl
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from engine.base.errors import BusyError, DiskFullError, GoneError, NoLocksError
from engine.base.files import (
    LOOK_S,
    FileLock,
    disk_errors,
    free_bytes,
    is_locked,
    lock_holder,
    require_free,
    write_bytes,
    write_json,
)


def test_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"long": "x" * 1000})
    write_json(path, {"ᾱ": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"ᾱ": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_an_interrupted_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_an_array_for_which_there_is_no_room(tmp_path: Path) -> None:
    """numpy's error has no number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(DiskFullError, match="no room to write"), disk_errors(tmp_path):
            np.save(tmp_path / "a.npy", np.zeros(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(DiskFullError, match=r"no room to write .*here.*free some space"),
        disk_errors(tmp_path / "here"),
    ):
        raise OSError(number, os.strerror(number))


def test_other_errors_of_the_system_pass(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_errors(tmp_path):
        raise PermissionError(errno.EACCES, "denied")


def test_space_is_asked_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert abs(free_bytes(tmp_path / "not" / "yet") - free_bytes(tmp_path)) < 100 << 20
    require_free(tmp_path / "not" / "yet", 1)
    with pytest.raises(DiskFullError, match=r"MB free, but .* MB are needed"):
        require_free(tmp_path, 1 << 60)


def test_what_is_needed_is_more_than_what_is_free_also_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.base.files.free_bytes", lambda _: 25_000_000)
    with pytest.raises(DiskFullError, match="has 25 MB free, but 41 MB are needed"):
        require_free(tmp_path, 24_500_000)


def test_a_lock_is_exclusive_and_ends_with_release(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    first = FileLock.acquire(path, "the run")
    first.describe("job 7")
    assert is_locked(path)
    assert FileLock.try_acquire(path) is None
    with pytest.raises(BusyError, match="the run is in use by job 7 — wait"):
        FileLock.acquire(path, "the run", "wait")
    first.release()
    first.release()
    assert not is_locked(path)
    with FileLock.acquire(path, "the run"):
        assert is_locked(path)
    assert not is_locked(path)


def test_looking_at_a_lock_takes_it_from_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    for _ in range(50):
        assert not is_locked(path)
        lock = FileLock.try_acquire(path)
        assert lock is not None
        lock.release()


def test_somebody_who_looks_for_long_takes_it_from_nobody_either(tmp_path: Path) -> None:
    """A process that looks may lose the processor with its shared lock held."""
    path = tmp_path / "lock"
    path.touch()
    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    threading.Timer(0.12, os.close, [looking]).start()
    lock = FileLock.try_acquire(path)
    assert lock is not None
    lock.release()


def test_a_lock_that_cannot_be_looked_at_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_yours(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", not_yours)
    monkeypatch.setattr(os, "open", not_yours)
    assert not is_locked(tmp_path / "run" / "lock")


def test_a_shorter_holder_replaces_a_longer_one(tmp_path: Path) -> None:
    with FileLock.acquire(tmp_path / "lock", "it") as lock:
        lock.describe("a very long description")
        lock.describe("pid 1")
        assert lock_holder(tmp_path / "lock") == "pid 1"


def test_a_lock_is_held_where_the_disk_has_no_room_to_say_by_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with FileLock.acquire(tmp_path / "lock", "it") as lock:
        lock.describe("pid 1")
        with pytest.raises(BusyError, match="in use by another process"):
            FileLock.acquire(tmp_path / "lock", "it")


def test_a_lock_handed_to_a_child_dies_with_the_child(tmp_path: Path) -> None:
    """What the queue does with a worker: the descriptor goes over, its own is closed."""
    path = tmp_path / "lock"
    lock = FileLock.acquire(path, "job")
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=(lock.descriptor,),
    )
    try:
        lock.release()
        assert is_locked(path)
        child.kill()
        child.wait()
        for _ in range(100):
            if not is_locked(path):
                break
            time.sleep(0.02)
        assert not is_locked(path)
    finally:
        child.kill()
        child.wait()


def test_a_lock_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(GoneError, match="below is gone"):
        FileLock.try_acquire(tmp_path / "below" / "lock")
    with pytest.raises(GoneError, match="run 'r' is gone"):
        FileLock.acquire(tmp_path / "below" / "lock", "run 'r'")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_waited_for_is_that_of_what_is_there_now(tmp_path: Path) -> None:
    """The holder moves the folder away: whoever waited has nothing, or the lock of what came in its place."""
    for again in (False, True):
        folder = tmp_path / f"run-{again}"
        folder.mkdir()
        lock = FileLock.acquire(folder / "lock", "the run")

        def move(lock: FileLock = lock, folder: Path = folder, again: bool = again) -> None:
            folder.rename(tmp_path / f"trash-{again}")
            if again:
                folder.mkdir()
            lock.release()

        mover = threading.Timer(0.1, move)
        mover.start()
        if again:
            with FileLock.acquire(folder / "lock", "the run") as taken:
                assert taken.is_in_place()
        else:
            with pytest.raises(GoneError):
                FileLock.acquire(folder / "lock", "the run")
            assert not folder.exists()
        mover.join()


def test_who_holds_a_lock_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock.for_a_moment(path, "the list", "a tag is set") as lock:
        threading.Timer(3 * LOOK_S, lock.release).start()
        with FileLock.for_a_moment(path, "the list", "another tag is set"):
            pass
    assert lock_holder(path) is None


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "lock").touch()
    monkeypatch.setattr(fcntl, "flock", none)
    for look in (is_locked, FileLock.try_acquire):
        with pytest.raises(NoLocksError, match="has no locks") as error:
            look(tmp_path / "lock")
        assert isinstance(error.value.__cause__, OSError)


def test_a_pipe_in_a_locks_place_makes_nobody_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")
    assert lock_holder(tmp_path / "lock") is None
