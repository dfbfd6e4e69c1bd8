"""Deleting moves, restoring moves back, purging destroys, and nothing is written over."""

import errno
import shutil
import time
from pathlib import Path

import pytest

from engine.base.errors import BusyError, DiskFullError, UserError
from engine.base.files import FileLock
from engine.base.home import Home
from engine.base.trash import (
    discard,
    discard_checkpoint,
    discard_run,
    find_trashed,
    list_trash,
    purge,
    restore,
)
from engine.runs.checkpoints import list_checkpoints
from engine.runs.record import run_names
from tests.torchless import trained_run


def test_a_run_and_back(home: Home) -> None:
    run = trained_run(home, "r", 2)
    trashed = discard_run(home, run)
    assert run_names(home) == []
    assert [(t.label, t.kind) for t in list_trash(home)] == [("r", "run")]
    assert restore(trashed) == run.path
    assert [c.step for c in list_checkpoints(run)] == [7, 14]
    assert list(home.trash.iterdir()) == []


def test_a_checkpoint_and_back(home: Home) -> None:
    run = trained_run(home, "r", 2)
    discard_checkpoint(home, run, run.checkpoint(7))
    assert [c.step for c in list_checkpoints(run)] == [14]
    restore(find_trashed(home, "r@7", "checkpoint"))
    assert [c.step for c in list_checkpoints(run)] == [7, 14]


@pytest.mark.parametrize("refusing", ["mkdir", "open"])
def test_a_disk_without_room_for_a_note_leaves_a_way_out(
    home: Home, monkeypatch: pytest.MonkeyPatch, refusing: str
) -> None:
    run = trained_run(home, "r", 1)

    def full(path: Path, *_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as disk:
        disk.setattr(Path, "mkdir", full) if refusing == "mkdir" else disk.setattr("os.fsync", full)
        disk.setattr(Home, "create", lambda home: home)
        with pytest.raises(
            DiskFullError, match=f"no room to write .* — `rm -r {run.path}` deletes it permanently"
        ):
            discard(home, "run", "r", run.path)
    assert (run_names(home), list(home.trash.iterdir())) == (["r"], [])


def test_what_is_in_use_stays(home: Home) -> None:
    run = trained_run(home, "r", 1)
    with FileLock.acquire(run.lock, "run"), pytest.raises(BusyError, match="run 'r' is in use"):
        discard_run(home, run)
    assert run_names(home) == ["r"]


def test_nothing_is_written_over(home: Home) -> None:
    trashed = discard_run(home, trained_run(home, "r", 1))
    trained_run(home, "r", 2)
    with pytest.raises(UserError, match=r"cannot be restored: .* exists"):
        restore(trashed)
    assert len(list_trash(home)) == 1


def test_a_checkpoint_whose_run_is_gone(home: Home) -> None:
    run = trained_run(home, "r", 1)
    trashed = discard_checkpoint(home, run, run.checkpoint(7))
    discard_run(home, run)
    with pytest.raises(UserError, match="restore its run first"):
        restore(trashed)


def test_the_newest_of_a_name_is_meant(home: Home) -> None:
    first = discard_run(home, trained_run(home, "r", 1))
    second = discard_run(home, trained_run(home, "r", 2))
    assert [t.id for t in list_trash(home)] == [second.id, first.id]
    assert find_trashed(home, "r", "run").id == second.id
    assert find_trashed(home, first.id, "run").id == first.id
    with pytest.raises(UserError, match="no deleted run named 'q'"):
        find_trashed(home, "q", "run")


def test_purging_says_what_it_freed(home: Home) -> None:
    run = trained_run(home, "r", 2)
    size = sum(p.stat().st_size for p in run.path.rglob("*") if p.is_file())
    trashed = discard_run(home, run)
    assert purge(trashed) >= size
    assert list(home.trash.iterdir()) == []


def test_things_without_a_note_do_not_disturb(home: Home) -> None:
    discard_run(home, trained_run(home, "r", 1))
    (home.trash / "zz").mkdir()
    (home.trash / "torn").mkdir()
    (home.trash / "torn" / "trash.json").write_text("{")
    (home.trash / "list").mkdir()
    (home.trash / "list" / "trash.json").write_text("[]")
    (home.trash / "list" / "thing").touch()
    assert [t.label for t in list_trash(home)] == ["r"]
    shutil.rmtree(home.trash)
    assert list_trash(home) == []


def test_deleting_twice(home: Home) -> None:
    run = trained_run(home, "r", 1)
    discard_checkpoint(home, run, run.checkpoint(7))
    with pytest.raises(UserError, match="already gone"):
        discard_checkpoint(home, run, run.checkpoint(7))
    assert len(list(home.trash.iterdir())) == 1


def test_the_last_deleted_is_the_newest_also_when_the_clock_was_set_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = discard_run(home, trained_run(home, "r", 1))
    hour_ago = time.time_ns() - 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: hour_ago)
    second = discard_run(home, trained_run(home, "r", 2))
    third = discard_run(home, trained_run(home, "r", 3))
    assert [t.id for t in list_trash(home)] == [third.id, second.id, first.id]
    assert restore(find_trashed(home, "r", "run")).name == "r"
    assert [c.step for c in list_checkpoints(home.run("r"))] == [7, 14, 21]
