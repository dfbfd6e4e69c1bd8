"""The queue in motion, with a launcher that only writes down what it is to start."""

import asyncio
from pathlib import Path

import pytest

from engine.base.files import FileLock
from engine.base.folders import JobFolder
from engine.jobs.files import new_job_folder, read_spec
from engine.service import dispatcher as module
from engine.service.dispatcher import Dispatcher
from engine.service.launchers.base import LaunchError, take_lock
from engine.service.launchers.local import LocalWorker
from engine.service.queue import Queue
from engine.service.rebuild import new_job
from engine.service.states import State

from .support import make_home


class Endless(LocalWorker):
    """A worker that goes on and on."""

    async def wait(self) -> int | None:
        await asyncio.Event().wait()
        return None


class Notebook:
    """A launcher without processes."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, folder: JobFolder, device: str, lock: FileLock) -> Endless:
        self.started.append(folder.id)
        return Endless(folder, None, None)

    def adopt(self, folder: JobFolder, handle: str | None) -> None:
        return None


async def test_a_lock_that_is_free_again_at_once_leaves_no_job_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken when the job was to start, free when its worker was looked for: nothing else happens to wake the queue."""
    looks = 0

    def looked_at(folder: JobFolder) -> FileLock | None:
        nonlocal looks
        looks += 1
        return None if looks == 1 else take_lock(folder)

    monkeypatch.setattr(module, "take_lock", looked_at)
    home = make_home(tmp_path / "home")
    queue, notebook = Queue.open(home), Notebook()
    engine = Dispatcher(home, queue, notebook, ("cpu",))
    running = asyncio.create_task(engine.run())
    await queue.add(lambda: new_job(read_spec(new_job_folder(home, "sample", None, {})), 1.0))
    async with asyncio.timeout(20):
        while not notebook.started:
            await asyncio.sleep(0.01)
    engine.stop()
    await running
    await engine.supervisor.close()
    queue.close()


async def test_a_job_that_is_cancelled_while_it_cannot_be_started_stays_cancelled(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    queue = Queue.open(home)
    engine = Dispatcher(home, queue, Notebook(), ("cpu",))
    job = await queue.add(lambda: new_job(read_spec(new_job_folder(home, "sample", None, {})), 1.0))
    await queue.transition(job, [State.QUEUED], State.CANCELLED, "cancelled")
    await engine._not_started(job, LaunchError("the folder of job 000001 is gone"))
    queue.close()
    assert queue.jobs[job.id].state is State.CANCELLED
