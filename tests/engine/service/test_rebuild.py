import asyncio
import json

import pytest

from engine.files import FileLock, write_json
from engine.folders import JobFolder
from engine.home import Home
from engine.jobs import Result, new_job_folder, write_result
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
