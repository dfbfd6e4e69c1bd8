"""Workers under watch, without processes."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.service.queue import Queue
from engine.service.states import Job, State
from engine.service.supervision import Supervisor


def test_a_worker_whose_end_cannot_be_judged_is_let_go(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its device is taken for ever, and the engine waits for it when it is to stop."""
    looked = []
    queue: Any = SimpleNamespace(
        jobs={"000001": Job("000001", "train", state=State.RUNNING)}, changed=lambda: looked.append(True)
    )

    async def end() -> int:
        return 0

    async def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    async def watched() -> int:
        supervisor = Supervisor(home, queue, SimpleNamespace(), ())  # type: ignore[arg-type]
        monkeypatch.setattr(supervisor, "_finish", fail)
        supervisor.watch(queue.jobs["000001"], SimpleNamespace(wait=end))  # type: ignore[arg-type]
        while supervisor._tasks:
            await asyncio.sleep(0)
        return supervisor.worker_count

    assert asyncio.run(watched()) == 0
    assert looked


class Blind:
    """A launcher that cannot look for the worker of one job; no other has one."""

    def __init__(self, fails_at: str) -> None:
        self.fails_at = fails_at

    def adopt(self, folder: JobFolder, handle: str | None) -> None:
        if folder.id == self.fails_at:
            raise OSError(5, "Input/output error", str(folder.lock))


async def test_a_job_that_cannot_be_taken_up_again_keeps_no_other_from_it(home: Home) -> None:
    """Else one unreadable file would leave an engine that answers and never starts a job."""
    queue = Queue.open(home)
    for job_id in ("000001", "000002"):
        await queue.add(lambda job_id=job_id: Job(job_id, "sample", state=State.RUNNING, rank=float(job_id)))
    await Supervisor(home, queue, Blind("000001"), ("cpu",)).recover()  # type: ignore[arg-type]
    queue.close()
    assert {job.id: job.state for job in queue.jobs.values()} == {
        "000001": State.RUNNING,
        "000002": State.QUEUED,
    }
    (problem,) = queue.problems.values()
    assert "job 1 could not be taken up again" in problem
    assert "Input/output error" in problem


async def test_an_interrupted_job_that_is_cancelled_meanwhile_stays_cancelled(home: Home) -> None:
    queue = Queue.open(home)
    job = await queue.add(lambda: Job("000001", "sample", state=State.INTERRUPTED))
    supervisor = Supervisor(home, queue, Blind(""), ("cpu",))  # type: ignore[arg-type]
    cancelled = queue.transition(job, [State.INTERRUPTED], State.CANCELLED, "cancelled")
    await asyncio.gather(cancelled, supervisor.recover())
    queue.close()
    assert queue.jobs["000001"].state is State.CANCELLED
    assert not queue.problems
