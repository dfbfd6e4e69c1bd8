"""A shortage is no answer: it is told from "not there" wherever something is decided by that."""

import errno
import fcntl
import gc
import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import DamagedError, NoLocksError
from engine.base.files import FileLock, is_locked
from engine.base.folders import JobFolder, RunFolder
from engine.base.records import read_json
from engine.base.scarcity import ENOUGH_FILES, ScarceError, allow_enough_files, is_scarce, scarce
from engine.jobs.files import Result, read_progress, read_result, write_result
from engine.runs.manifest import Manifest
from engine.service.launchers import processes
from engine.service.runs import newest
from engine.service.settings import read_settings
from engine.service.store import QueueStore


@contextmanager
def no_descriptors() -> Iterator[None]:
    """This process cannot open another file."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()  # files that other tests forgot must not be closed, and their numbers freed, in between
    gc.disable()
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
        gc.enable()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EMFILE, "x", "/a/file"), "/a/file: too many open files"),
        (OSError(errno.ENFILE, "x"), "this: too many open files in system"),
        (BlockingIOError(errno.EAGAIN, "fork"), "this: resource temporarily unavailable"),
        (OSError(errno.ENOLCK, "x"), "this: no locks available"),
        (MemoryError(), "this: cannot allocate memory"),
        (RuntimeError("can't start new thread"), "this: resource temporarily unavailable"),
        (
            ImportError("libx.so: cannot open shared object file: Too many open files"),
            "this: too many open files",
        ),
    ],
)
def test_what_the_system_is_short_of_is_said_with_a_way_out(error: Exception, words: str) -> None:
    assert is_scarce(error)
    said = scarce(error, "this")
    assert said.what == words
    assert said.hint
    around = DamagedError("it looks damaged")
    around.__cause__ = error
    assert is_scarce(around), "also behind another error"


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(2, "x"), PermissionError(13, "x"), OSError(28, "x"), RuntimeError("x"), ValueError()],
)
def test_other_failures_are_answers(error: Exception) -> None:
    assert not is_scarce(error)


def _held(tmp_path: Path) -> Path:
    FileLock.try_acquire(tmp_path / "held")
    return tmp_path / "held"


def _job(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path)
    write_result(folder, Result("done", 0))
    folder.progress.write_text("{}")
    return folder


def _run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path)
    run.checkpoint(7).path.mkdir(parents=True)
    run.checkpoint(7).manifest.write_text(json.dumps(asdict(Manifest(7, 1, 56, 0, 7, "a"))))
    return run


def _text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


DECIDES: dict[str, Callable[[Path], Callable[[], Any]]] = {
    "a lock that is held": lambda p: partial(is_locked, _held(p)),
    "taking a lock": lambda p: partial(FileLock.try_acquire, p / "lock"),
    "how a worker ended": lambda p: partial(read_result, _job(p)),
    "a record": lambda p: partial(read_json, _text(p / "record", "{}"), "it"),
    "the settings": lambda p: partial(read_settings, _text(p / "settings.toml", "[queue]\n")),
    "whether a process is the same": lambda p: partial(processes.start_time, os.getpid()),
    "who holds a lock": lambda p: partial(processes.holders, _held(p)),
    "the newest checkpoint": lambda p: partial(newest, _run(p)),
    "the queue": lambda p: partial(QueueStore.open, p / "queue.db"),
}


@pytest.mark.parametrize("what", DECIDES, ids=list(DECIDES))
def test_without_descriptors_nothing_is_decided(tmp_path: Path, what: str) -> None:
    look = DECIDES[what](tmp_path)
    before = open_files()
    with no_descriptors(), pytest.raises((ScarceError, OSError)) as caught:
        look()
    assert is_scarce(caught.value)
    assert open_files() == before, "and nothing stays open"
    assert look() is not None, "a moment later it is known"


def test_progress_is_looked_at_again_anyway(tmp_path: Path) -> None:
    job = _job(tmp_path)
    with no_descriptors():
        assert read_progress(job) is None
    assert read_progress(job) is not None


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    (tmp_path / "lock").touch()
    before = open_files()
    for look in (lambda: FileLock.try_acquire(tmp_path / "lock"), lambda: is_locked(tmp_path / "lock")):
        with pytest.raises(NoLocksError, match="lock has no locks") as caught:
            look()
        assert is_scarce(caught.value), "an engine waits for them"
        assert "lock has no locks" in str(scarce(caught.value))
    assert open_files() <= before


def test_a_database_that_cannot_be_opened_now_is_not_damaged(tmp_path: Path) -> None:
    """SQLite opens its journal at each write and says of a shortage only that it cannot open a file."""
    store = QueueStore.open(tmp_path / "queue.db")
    with no_descriptors(), pytest.raises(ScarceError, match=r"queue.db: too many open files"):
        store.set_meta("key", "value")
    store.set_meta("key", "value")
    assert store.meta("key") == "value"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["queue.db", "queue.db-journal"]


def test_our_processes_allow_themselves_more_than_a_shell_does() -> None:
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, most))
        allow_enough_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (
            min(ENOUGH_FILES, most) if most > 0 else ENOUGH_FILES,
            most,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
