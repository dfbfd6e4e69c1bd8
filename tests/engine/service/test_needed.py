"""A checkpoint that a job names stays until the job has ended, whoever would remove it."""

from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import BusyError, UserError
from engine.base.files import FileLock
from engine.base.home import Home
from engine.jobs.files import Result, new_job_folder, write_result
from engine.service.needed import Watched, discard_checkpoint, kept_meanwhile, needed
from engine.service.states import Job, State
from engine.service.store import QueueStore
from tests.torchless import trained_run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home").create()
    trained_run(home, "r", 4, training={"keep_epochs": [], "keep_last": 1})
    return home


def queue(home: Home, *jobs: Job) -> None:
    store = QueueStore.open(home.queue_db)
    for job in jobs:
        store.insert(job)
    store.close()


NAMING = [
    ("sample", "r", {"checkpoint": "r@7"}),
    ("evaluate", "r", {"checkpoint": "r@7"}),
    ("sample", "r", {"checkpoint": "r@e1"}),
    ("train", "to-be", {"to_epoch": 4, "branch": {"checkpoint": "r@7", "set": []}}),
]


@pytest.mark.parametrize("state", [s for s in State if s not in (State.DONE, State.FAILED, State.CANCELLED)])
@pytest.mark.parametrize(("kind", "run", "args"), NAMING)
def test_a_named_checkpoint_cannot_be_deleted(
    home: Home, kind: str, run: str, args: dict[str, Any], state: State
) -> None:
    queue(home, Job("000003", kind, run, args=args, state=state))
    with pytest.raises(BusyError, match="needed by job 3 ") as refused:
        discard_checkpoint(home, home.run("r"), home.run("r").checkpoint(7))
    assert "queue cancel 3" in (refused.value.hint or "")
    discard_checkpoint(home, home.run("r"), home.run("r").checkpoint(14))


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_a_job_that_is_over_keeps_nothing(home: Home, state: State) -> None:
    queue(home, Job("000003", "sample", "r", args={"checkpoint": "r@7"}, state=state))
    discard_checkpoint(home, home.run("r"), home.run("r").checkpoint(7))


def test_a_foreground_job_keeps_it_as_long_as_its_worker_lives(home: Home) -> None:
    folder = new_job_folder(home, "sample", "r", {"checkpoint": "r@7"}, foreground=True)
    running = r"needed by job 1 \(sample r@7, running\)"
    with FileLock.acquire(folder.lock, "job"), pytest.raises(BusyError, match=running):
        discard_checkpoint(home, home.run("r"), home.run("r").checkpoint(7))
    # Killed: it has left neither a result nor a lock.
    assert not needed(home, "r").steps
    discard_checkpoint(home, home.run("r"), home.run("r").checkpoint(7))


def test_a_job_that_is_just_being_queued_counts_and_one_that_ended_does_not(home: Home) -> None:
    queue(home)
    folder = new_job_folder(home, "sample", "r", {"checkpoint": "r@7"})
    assert set(needed(home, "r").steps) == {7}
    write_result(folder, Result("done", 0))
    assert not needed(home, "r").steps


def test_what_jobs_name_is_read_again_where_the_queue_changed(home: Home) -> None:
    watched = Watched(home, "r")
    assert not watched.look().steps
    queue(home, Job("000003", "sample", "r", args={"checkpoint": "r@7"}))
    assert set(watched.look().steps) == {7}


def test_a_job_is_not_queued_for_a_checkpoint_that_has_just_gone(home: Home) -> None:
    with kept_meanwhile(home, {"checkpoint": "r@7"}), pytest.raises(BusyError):
        discard_checkpoint(home, home.run("r"), home.run("r").checkpoint(7))
    discard_checkpoint(home, home.run("r"), home.run("r").checkpoint(7))
    with pytest.raises(UserError, match="r@7 is gone"), kept_meanwhile(home, {"checkpoint": "r@7"}):
        pass


def test_a_job_is_not_queued_for_a_run_that_has_gone(home: Home) -> None:
    home.run("r").path.rename(home.trash / "r")
    with pytest.raises(UserError, match=r"run 'r'.* is gone"), kept_meanwhile(home, {"checkpoint": "r@7"}):
        pass
