"""A run that the queue still needs keeps its name and its place."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import BusyError
from engine.base.home import Home
from engine.jobs.files import new_job_folder
from engine.runs.record import run_names
from engine.service import run_changes
from engine.service.states import Job, State
from engine.service.store import QueueStore
from tests.engine.service.support import make_run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home").create()
    make_run(home, "r")
    return home


def queue(home: Home, *jobs: Job) -> QueueStore:
    store = QueueStore.open(home.queue_db)
    for job in jobs:
        store.insert(job)
    return store


def attempts(home: Home) -> list[str]:
    """What a rename and a deletion say to being refused."""
    said = []
    for change in (
        lambda: run_changes.rename(home, "r", "s"),
        lambda: run_changes.discard(home, home.run("r")),
    ):
        with pytest.raises(BusyError) as caught:
            change()
        said.append(str(caught.value))
    return said


BRANCH = {"to_epoch": 4, "branch": {"checkpoint": "r@e2", "set": []}}


@pytest.mark.parametrize(
    "job",
    [
        *(Job("000012", "train", "r", state=s, args={"to_epoch": 4}) for s in State if s not in
          (State.DONE, State.FAILED, State.CANCELLED)),
        Job("000012", "sample", "r", args={"checkpoint": "r@latest"}),
        Job("000012", "train", "to-be", args=BRANCH),
    ],
    ids=lambda job: f"{job.kind} {job.run} {job.state}",
)  # fmt: skip
def test_refused_while_a_job_names_it(home: Home, job: Job) -> None:
    queue(home, job).close()
    for said in attempts(home):
        assert f", {job.state})" in said
        assert said.endswith("ddpm-tui queue cancel 12")
    assert run_names(home) == ["r"]


def test_it_says_which_jobs_in_one_line(home: Home) -> None:
    queue(home, *(Job(f"{n:06d}", "train", "r", args={"to_epoch": n}) for n in range(1, 6))).close()
    for said in attempts(home):
        assert "job 1 (train r to epoch 1, queued), 2 (" in said
        assert "3, queued), 2 more — wait" in said
        assert said.endswith("queue cancel 1 2 3 4 5")


def test_jobs_that_are_over_or_another_runs_do_not_count(home: Home) -> None:
    over = (State.DONE, State.FAILED, State.CANCELLED)
    jobs = [Job(f"{n:06d}", "train", "r", state=state) for n, state in enumerate(over, 1)]
    # Who writes the queue does not keep others from asking it.
    store = queue(home, *jobs, Job("000009", "train", "other"))
    run_changes.rename(home, "r", "s")
    assert run_names(home) == ["s"]
    run_changes.discard(home, home.run("s"))
    assert run_names(home) == []
    store.close()


def test_what_a_killed_writer_did_not_commit_does_not_count(home: Home) -> None:
    """Its journal is rolled back first, as by the next service."""
    queue(home, Job("000001", "train", "r", state=State.DONE)).close()
    journal = home.queue_db.with_name("queue.db-journal")
    writer = sqlite3.connect(home.queue_db, isolation_level=None)
    writer.execute("PRAGMA journal_mode = TRUNCATE")
    writer.execute("PRAGMA cache_spill = 1")
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE jobs SET state = 'queued', reason = ?", ("x" * 200_000,))
    image, log = home.queue_db.read_bytes(), journal.read_bytes()
    writer.close()
    home.queue_db.write_bytes(image)
    journal.write_bytes(log)
    assert b"x" * 1000 in image, "it was half written"
    run_changes.rename(home, "r", "s")
    assert run_names(home) == ["s"]


@pytest.mark.parametrize("database", ["none", "damaged"])
def test_without_a_database_the_job_folders_tell(home: Home, database: str) -> None:
    args: dict[str, Any] = {"to_epoch": 4}
    new_job_folder(home, "train", "r", args)
    if database == "damaged":
        home.queue_db.write_bytes(b"no database at all" * 100)
    for said in attempts(home):
        assert "job 1 (train r to epoch 4, queued)" in said
    assert run_names(home) == ["r"]


def test_asking_makes_no_database(home: Home) -> None:
    run_changes.rename(home, "r", "s")
    assert not home.queue_db.exists()
