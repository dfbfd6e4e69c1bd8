"""Requests that meet the service's own changes half-way."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from engine.base.errors import UsageError
from engine.jobs.files import list_job_folders
from engine.service.commands import Commands
from engine.service.database import UnwritableError
from engine.service.dispatcher import Dispatcher
from engine.service.launchers.local import LocalLauncher
from engine.service.queue import Queue
from engine.service.requests import REQUESTS
from engine.service.server import Peer
from engine.service.states import Intent, Job, State
from engine.service.store import QueueStore

from .support import make_home


class Desk:
    """The commands of a queue whose engine is not running: nothing happens but what a test does."""

    def __init__(self, queue: Queue, commands: Commands) -> None:
        self.queue = queue
        self.commands = commands

    async def ask(self, do: str, **args: Any) -> Any:
        reader = asyncio.StreamReader()
        return await self.commands.handle(Peer(reader, None), do, args)  # type: ignore[arg-type]

    async def job(self) -> Job:
        added = await self.ask("add", kind="sample", args={})
        return self.queue.jobs[added["job"]["id"]]

    async def start(self, job: Job) -> Job:
        return await self.queue.transition(
            job, [State.QUEUED], State.STARTING, "starting", attempt=job.attempt + 1, slot="cpu"
        )


def full(*_: Any, **__: Any) -> Job:
    """Instead of a method of the Store that writes."""
    raise UnwritableError("queue.db cannot be written (disk full)", "free some space")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    home = make_home(tmp_path / "home")
    queue = Queue.open(home)
    yield Desk(
        queue, Commands(home, queue, Dispatcher(home, queue, LocalLauncher(home), ("cpu",)), lambda: None)
    )
    queue.close()


@pytest.mark.parametrize(("do", "intent"), [("cancel", Intent.CANCEL), ("pause", Intent.PAUSE)])
async def test_a_wish_that_meets_a_start_is_for_the_started_job(desk: Desk, do: str, intent: Intent) -> None:
    job = await desk.job()
    _, (answer,) = await asyncio.gather(desk.start(job), desk.ask(do, ids=[job.id]))
    assert answer["error"] is None
    now = desk.queue.jobs[job.id]
    assert (now.state, now.intent) == (State.STARTING, intent)


async def test_a_wish_that_meets_an_end_says_what_the_job_has_become(desk: Desk) -> None:
    job = await desk.start(await desk.job())
    over = desk.queue.transition(job, [State.STARTING], State.FAILED, "it broke")
    _, (answer,) = await asyncio.gather(over, desk.ask("cancel", ids=[job.id]))
    assert "is failed and cannot be cancelled" in answer["error"]


async def test_the_second_of_two_jobs_is_taken_as_it_is_when_its_turn_comes(desk: Desk) -> None:
    first, second = await desk.job(), await desk.job()
    answers = asyncio.ensure_future(desk.ask("cancel", ids=[first.id, second.id]))
    await desk.start(second)
    assert [answer["error"] for answer in await answers] == [None, None]
    assert desk.queue.jobs[second.id].intent is Intent.CANCEL


@pytest.mark.parametrize(
    ("do", "state"), [("cancel", State.CANCELLED), ("pause", State.PAUSED)], ids=["cancel", "pause"]
)
async def test_a_wish_that_is_being_written_while_the_worker_dies_is_granted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, do: str, state: State
) -> None:
    """The death is judged from memory, which hears of the wish only when it is written."""
    update = QueueStore.update

    def slowly(*args: Any, **changes: Any) -> Job:
        time.sleep(0.2)
        return update(*args, **changes)

    monkeypatch.setattr(QueueStore, "update", slowly)
    job = await desk.start(await desk.job())
    job = await desk.queue.transition(job, [State.STARTING], State.RUNNING, "running on cpu")
    finished = asyncio.ensure_future(desk.commands.engine.supervisor._finish(job, -9))
    (answer,) = await desk.ask(do, ids=[job.id])
    await finished
    assert answer["error"] is None
    now = desk.queue.jobs[job.id]
    assert (now.state, now.intent) == (state, None)


async def test_a_stop_with_all_jobs_that_meets_an_end_stops_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the engine would go on without starting anything."""
    stopped: list[bool] = []
    monkeypatch.setattr(desk.commands, "_stop", lambda: stopped.append(True))
    job = await desk.start(await desk.job())
    over = desk.queue.transition(job, [State.STARTING], State.FAILED, "it broke")
    _, answer = await asyncio.gather(over, desk.ask("stop", jobs=True))
    assert answer["stopped"] == []
    assert stopped


async def test_a_stop_that_cannot_be_written_waits_for_no_worker(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were not asked to end, so they would not; the next engine finds them."""
    stopped: list[bool] = []
    monkeypatch.setattr(desk.commands, "_stop", lambda: stopped.append(True))
    await desk.start(await desk.job())
    monkeypatch.setattr(QueueStore, "update", full)
    with pytest.raises(UnwritableError):
        await desk.ask("stop", jobs=True)
    assert stopped
    assert not desk.commands.stops_jobs


async def test_a_job_that_could_not_be_written_does_not_come_up_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next engine takes up every job's folder that has no row; of this one the client heard that it failed."""
    with monkeypatch.context() as patched:
        patched.setattr(QueueStore, "enter", full)
        with pytest.raises(UnwritableError):
            await desk.job()
    assert list_job_folders(desk.queue.home) == []
    assert (await desk.job()).id == "000001"


async def test_a_number_is_not_given_again_where_its_folder_was_deleted(desk: Desk) -> None:
    job = await desk.job()
    await desk.queue.in_thread(lambda: None)  # its note is written
    shutil.rmtree(desk.queue.home.job(job.id).path)
    assert (await desk.job()).id == "000002"


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "args",
    [
        {"x": "\ud800"},
        {"y": "\udcff"},
        {"\udfff": 1},
        {"n": "4"},
        {"n": True},
        {"n": -1},
        {"n": 10**50},
        {"x": 10**50},
        {"seed": 1.5},
        {"to_epoch": [1]},
        {"dataset": {}},
        {"measures": "fid"},
        {"measures": [1]},
        {"x": nested(40)},
        {"x": "y" * 20_000},
    ],
    ids=lambda args: str(args)[:30],
)
async def test_what_could_not_be_read_back_is_refused_and_nothing_is_stored(
    desk: Desk, args: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="the request"):
        await desk.ask("add", kind="sample", args=args)
    with pytest.raises(UsageError, match="the request"):
        await desk.ask("add", kind="sample", args={}, token="t" * 201)
    assert list_job_folders(desk.queue.home) == []
    assert (await desk.ask("list"))["jobs"] == []
    again = Queue.open(desk.queue.home)
    again.close()
    assert again.problems == {}


async def test_every_request_has_one_handler_that_takes_it(desk: Desk) -> None:
    handlers = desk.commands._handlers
    assert set(handlers) == set(REQUESTS.values())
    for kind, handler in handlers.items():
        assert list(get_type_hints(handler).values())[1] is kind
