"""What `kill -9` leaves goes a day later; what is whole, or still being written, stays."""

import os
import time
from pathlib import Path

import pytest

from engine.base.files import FileLock
from engine.base.home import Home
from engine.base.trash import discard_run
from engine.jobs.files import new_job_folder
from engine.service.leftovers import ABANDONED_S, sweep
from tests.torchless import trained_run


def leave(*paths: Path) -> list[Path]:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if (
            path.suffix in (".new", ".removed")
            or path.name.startswith(".new-")
            or path.parent.name == "trash"
        ):
            path.mkdir()
        else:
            path.write_bytes(b"half")
    return list(paths)


def everything(root: Path) -> set[Path]:
    return set(root.rglob("*"))


def made(home: Home) -> list[Path]:
    run = home.run("r")
    return leave(
        home.root / ".settings.toml.0a1b2c3d.tmp",
        home.root / ".engine.sock.path.tmp",
        home.profiles / ".mine.toml.0a1b2c3d.tmp",
        home.jobs / ".new-0123456789ab",
        home.jobs / "000001" / ".result.json.0a1b2c3d.tmp",
        home.jobs / "000001" / ".progress.tmp",
        run.path / ".run.json.0a1b2c3d.tmp",
        run.checkpoints / ".00000007.0a1b2c3d.new",
        run.checkpoints / ".00000014.removed",
        run.previews / ".00000007.png.0a1b2c3d.tmp",
        run.samples / ".000003.new",
        run.evaluations / ".00000007-aa.json.0a1b2c3d.tmp",
        home.samples / ".000004.new",
        home.data / "dots-0123456789" / ".split.u8.0a1b2c3d.tmp",
        home.trash / "01700000000000000000",
    )


def test_leftovers_go_once_they_are_a_day_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home").create()
    trained_run(home, "r", 2)
    new_job_folder(home, "sample", None, {})
    discard_run(home, trained_run(home, "gone", 1))
    (home.profiles / "mine.toml").write_text("")
    whole = everything(home.root)
    left = made(home)
    assert sweep(home) == 0, "they are fresh: somebody may be at them"
    later = time.time() + ABANDONED_S + 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert sweep(home) == len(left)
    assert whole <= everything(home.root)
    assert not any(path.exists() for path in left)


def test_what_a_worker_is_at_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home").create()
    run = trained_run(home, "r", 1)
    (building,) = leave(run.checkpoints / ".00000014.0a1b2c3d.new")
    os.utime(building, (1, 1))
    lock = FileLock.try_acquire(run.lock)
    assert lock is not None
    later = time.time() + ABANDONED_S + 60
    monkeypatch.setattr(time, "time", lambda: later)
    with lock:
        assert sweep(home) == 0
    assert sweep(home) == 1
