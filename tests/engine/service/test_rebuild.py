import asyncio
import json
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from engine.base.files import FileLock, write_json
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.jobs.files import Result, new_job_folder, write_result
from engine.service.queue import Queue
from engine.service.rebuild import jobs_from_folders
from engine.service.states import Job, Priority, State


def add(home: Home, state: str | None = None, result: str | None = None, **note: object) -> JobFolder:
    extra = {"after": ["000001"], "priority": "high", "token": "t"}
    folder = new_job_folder(home, "train", "r", {"to_epoch": 4}, queue=extra)
    if state:
        write_json(folder.queue_note, {"state": state, "attempt": 2, "rank": 7.5, **note})
    if result:
        write_result(folder, Result(result, 0))
    return folder


def only(home: Home) -> Job:
    (job,) = jobs_from_folders(home, {})
    return job


def test_a_bare_spec_is_a_queued_job(home: Home) -> None:
    folder = add(home)
    job = only(home)
    assert (job.id, job.state, job.run, job.args) == (folder.id, State.QUEUED, "r", {"to_epoch": 4})
    assert (job.after, job.priority, job.token) == (("000001",), Priority.HIGH, "t")


@pytest.mark.parametrize(
    ("noted", "result", "state"),
    [
        ("queued", None, State.QUEUED),
        ("paused", None, State.PAUSED),
        ("held", "failed", State.HELD),
        ("done", "done", State.DONE),
        ("cancelled", None, State.CANCELLED),
        ("failed", "failed", State.FAILED),
        ("running", None, State.RUNNING),
        ("running", "done", State.RUNNING),
        ("queued", "stopped", State.QUEUED),
        ("queued", "done", State.RUNNING),
        (None, "done", State.RUNNING),
        (None, "failed", State.RUNNING),
        ("dancing", None, State.QUEUED),
    ],
)
def test_notes_and_results(home: Home, noted: str | None, result: str | None, state: State) -> None:
    """`running` without a living worker is judged next, from the result: see test_recovery."""
    add(home, noted, result)
    assert only(home).state is state


def test_a_held_lock_outweighs_every_note(home: Home) -> None:
    folder = add(home, "cancelled")
    with FileLock.acquire(folder.lock, "the job"):
        assert only(home).state is State.RUNNING
    assert only(home).state is State.CANCELLED


def test_order_and_attempts_come_back(home: Home) -> None:
    add(home, "queued", rank=3.0)
    add(home, "queued", rank=1.0, attempt=5, crashes=2)
    jobs = {job.id: job for job in jobs_from_folders(home, {})}
    assert jobs["000002"].rank < jobs["000001"].rank
    assert (jobs["000002"].attempt, jobs["000002"].crashes) == (5, 2)


def test_what_is_not_a_job_is_left_out(home: Home) -> None:
    new_job_folder(home, "train", "r", {}, foreground=True)
    (home.jobs / "000009").mkdir()
    (home.jobs / "000010").mkdir()
    JobFolder(home.jobs / "000010").spec.write_text("{ torn")
    torn = add(home, "queued")
    torn.queue_note.write_text(json.dumps({"state": "paused"})[:-4])
    assert [(job.id, job.state) for job in jobs_from_folders(home, {})] == [(torn.id, State.QUEUED)]
    assert list(jobs_from_folders(home, {torn.id})) == []


@pytest.mark.parametrize("lost", ["gone", "damaged", "damaged while open"])
@pytest.mark.parametrize("on_hold", [True, False])
def test_a_queue_on_hold_stays_on_hold(home: Home, lost: str, on_hold: bool) -> None:
    """Or a job starts that its user held back."""
    add(home, "queued")

    async def hold(queue: Queue) -> None:
        await queue.set_on_hold(not on_hold)
        await queue.set_on_hold(on_hold)
        if lost == "damaged while open":
            home.queue_db.write_bytes(b"no database at all" * 1000)
            await queue.move(["000001"], None)

    queue = Queue.open(home)
    asyncio.run(hold(queue))
    queue.close()
    if lost == "gone":
        home.queue_db.unlink()
    elif lost == "damaged":
        home.queue_db.write_bytes(b"no database at all" * 100)
    else:
        home.queue_note.unlink()  # what was written anew says it too
    again = Queue.open(home)
    again.close()
    assert again.on_hold is on_hold


def _spec(change: Callable[[dict[str, Any]], object]) -> Callable[[JobFolder], None]:
    def damage(folder: JobFolder) -> None:
        content = json.loads(folder.spec.read_bytes())
        change(content)
        folder.spec.write_text(json.dumps(content))

    return damage


def _pipe(folder: JobFolder) -> None:
    folder.spec.unlink()
    os.mkfifo(folder.spec)


DAMAGES: dict[str, Callable[[JobFolder], Any]] = {
    "a list for the queue's table": _spec(lambda s: s.update(queue=[])),
    "a text for the format": _spec(lambda s: s.update(format="1")),
    "true for a list": _spec(lambda s: s["queue"].update(after=True)),
    "numbers for ids": _spec(lambda s: s["queue"].update(after=[1])),
    "half a character": _spec(lambda s: s.update(run="\ud800")),
    "a path for a run": _spec(lambda s: s.update(run="../../elsewhere")),
    "a list for the args": _spec(lambda s: s.update(args=[1])),
    "a text for an epoch": _spec(lambda s: s["args"].update(to_epoch="7")),
    "a list for a checkpoint": _spec(lambda s: s["args"].update(checkpoint=["r@1"])),
    "a number of 99 digits": _spec(lambda s: s["args"].update(n=10**98)),
    "deep": lambda folder: folder.spec.write_text("[" * 100_000),
    "UTF-16": lambda folder: folder.spec.write_text(folder.spec.read_text(), encoding="utf-16"),
    "a pipe": _pipe,
    "missing": lambda folder: folder.spec.unlink(),
    "the id of another": _spec(lambda s: s.update(id="000001")),
    "a token that is no text": _spec(lambda s: s["queue"].update(token=["t"])),
    "the token of another": _spec(lambda s: s["queue"].update(token="first")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_one_bad_job_folder_is_named_and_stops_no_other(home: Home, damage: str) -> None:
    new_job_folder(home, "train", "r", {"to_epoch": 4}, queue={"token": "first"})
    bad = new_job_folder(home, "sample", "r", {"checkpoint": "r@1"}, queue={"token": "second"})
    new_job_folder(home, "train", "r", {"to_epoch": 8}, queue={"token": "third"})
    DAMAGES[damage](bad)
    for _ in range(2):  # the second engine meets the first one's database
        queue = Queue.open(home)
        queue.close()
        assert sorted(queue.jobs) == ["000001", "000003"]
        (problem,) = queue.problems.values()
        assert "000002" in problem
        assert "\n" not in problem


def test_a_copied_and_a_renamed_folder_are_named(home: Home) -> None:
    first = add(home)
    shutil.copytree(first.path, home.jobs / "000002")
    queue = Queue.open(home)
    queue.close()
    assert list(queue.jobs) == ["000001"]
    (problem,) = queue.problems.values()
    assert "000002 holds job 000001: the folder was copied or renamed" in problem
    first.path.rename(home.jobs / "000009")
    queue = Queue.open(home)
    queue.close()
    assert len(queue.problems) == 2


@pytest.mark.parametrize(
    "note",
    [{"state": ["done"]}, {"attempt": "2"}, {"rank": "x"}, {"pid": True}, {"rank": 10**30}, []],
    ids=str,
)
def test_a_note_of_wrong_types_is_named_and_the_job_is_taken_as_it_was_queued(home: Home, note: Any) -> None:
    folder = add(home, "queued")
    folder.queue_note.write_text(json.dumps(note))
    queue = Queue.open(home)
    queue.close()
    assert queue.jobs["000001"].state is State.QUEUED
    (problem,) = queue.problems.values()
    assert "the queue's note of job 1" in problem


def test_a_number_too_long_is_no_job(home: Home) -> None:
    """Or the next id would be longer than a folder's name may be."""
    (home.jobs / ("9" * 200)).mkdir(parents=True)
    (home.jobs / "٣").mkdir()
    assert add(home).id == "000001"


@pytest.mark.parametrize("what", ["a folder", "a pipe", "a link to a device"])
def test_what_is_no_database_is_moved_aside(home: Home, what: str) -> None:
    add(home)
    home.create()
    if what == "a folder":
        home.queue_db.mkdir()
    elif what == "a pipe":
        os.mkfifo(home.queue_db)
    else:
        home.queue_db.symlink_to("/dev/zero")
    queue = Queue.open(home)
    queue.close()
    assert list(queue.jobs) == ["000001"]
    assert "rebuilt from the job folders" in queue.problems["database"]


@pytest.mark.parametrize(
    "change",
    [
        "args = '['",
        "args = '[1]'",
        "args = x'ff'",
        "state = 'dona'",
        "priority = 7",
        "priority = 'x'",
        "\"after\" = '{}'",
        "rank = 'first'",
        "attempt = -1",
        "run = '../x'",
        "run = cast(x'ff' as text)",
        "result = '" + "[" * 2000 + "'",
        "handle = x'ff'",
    ],
)
def test_a_row_that_holds_no_job_makes_the_database_a_damaged_one(home: Home, change: str) -> None:
    import sqlite3

    add(home)
    Queue.open(home).close()
    with sqlite3.connect(home.queue_db) as connection:
        connection.execute(f"UPDATE jobs SET {change}")
    connection.close()
    queue = Queue.open(home)
    queue.close()
    assert queue.jobs["000001"].args == {"to_epoch": 4}
    assert "queue.db.damaged-1" in queue.problems["database"]
