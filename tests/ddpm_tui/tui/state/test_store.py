"""The store: what the disk says first, what the service says then, and everything that goes wrong on the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ddpm_tui.tui.state.reading import RunReader, job_from_wire, jobs_on_disk, profile_names
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.state.store import LiveStore
from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.base.version import VERSION
from engine.config.profile import Profile
from engine.jobs.files import Progress, new_job_folder, write_progress
from engine.runs.manifest import Manifest
from engine.runs.record import create_run
from engine.service.protocol import VersionError
from engine.service.states import Job, State


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


class Service:
    """A link whose events the test says; None ends a connection, an error breaks it."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[dict[str, Any] | Exception | None] = asyncio.Queue()
        self.connections = 0
        self.starts = True

    async def request(self, do: str, **args: Any) -> Any:
        return {}

    async def listen(self, start: bool = True) -> AsyncIterator[dict[str, Any]]:
        self.connections += 1
        self.starts = start
        while (event := await self.events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    async def close(self) -> None:
        pass


def hello(*jobs: Job, **status: Any) -> dict[str, Any]:
    return {"event": "hello", "status": status, "jobs": [job.to_wire() for job in jobs]}


def changed(job: Job, **more: Any) -> dict[str, Any]:
    return {"event": "job", "job": {**job.to_wire(), **more}}


class Running:
    """A store at work, as a context; `until` waits for a snapshot that is as wished."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root).create()
        self.service, self.clock = Service(), Clock()
        self.store = LiveStore(self.home, self.service, clock=self.clock, period=0.01)
        self.last = Snapshot()
        self.count = 0

    async def __aenter__(self) -> "Running":
        self.store.start(self._take)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.store.close()

    def _take(self, snapshot: Snapshot) -> None:
        self.last = snapshot
        self.count += 1

    async def say(self, *events: dict[str, Any] | Exception | None) -> None:
        for event in events:
            await self.service.events.put(event)

    async def until(self, wished: Callable[[Snapshot], bool], seconds: float = 60.0) -> Snapshot:
        async with asyncio.timeout(seconds):
            while not wished(self.last):
                self.store.poke()
                await asyncio.sleep(0.02)
        return self.last


def train(number: int = 1, state: State = State.QUEUED, **more: Any) -> Job:
    return Job(f"{number:06d}", "train", "r", rank=float(number), state=state, args={"to_epoch": 5}, **more)


async def test_jobs_follow_the_service_with_their_waits_and_progress(tmp_path: Path) -> None:
    async with Running(tmp_path) as it:
        folder = new_job_folder(it.home, "train", "r", {"to_epoch": 5})
        await it.say(hello(train(), slots=["cpu"], version="1", on_hold=True))
        snapshot = await it.until(lambda s: s.engine.link == "connected")
        assert snapshot.engine.slots == ("cpu",)
        assert snapshot.engine.on_hold
        await it.say({"event": "waits", "waits": {"000001": "waits for cpu"}})
        await it.until(lambda s: s.jobs[0].wait == "waits for cpu")
        await it.say(changed(train(state=State.RUNNING, reason="running on cpu")))
        write_progress(folder, Progress("training", 3, 10, step=3, epoch=1.5, to_epoch=5))
        snapshot = await it.until(lambda s: bool(s.jobs[0].progress))
        assert snapshot.live[0].fraction == 0.3
        assert [e.text for e in snapshot.events] == ["● train r to epoch 5: running on cpu"]
        await it.say({"event": "engine", "problems": ["the disk is full"]})
        await it.until(lambda s: s.engine.problem == "the disk is full")


async def test_history_is_no_news_but_what_happened_while_away_is(tmp_path: Path) -> None:
    async with Running(tmp_path) as it:
        await it.say(hello(train(1, State.DONE), train(2, State.RUNNING)))
        snapshot = await it.until(lambda s: len(s.jobs) == 2)
        assert [e.text for e in snapshot.events] == ["● train r to epoch 5: running"]
        await it.say(None)
        await it.until(lambda s: s.engine.link == "disconnected")
        assert len(it.last.jobs) == 2, "what was known stays in view"
        await it.say(hello(train(1, State.DONE), train(2, State.FAILED, reason="out of memory")))
        snapshot = await it.until(lambda s: s.engine.link == "connected")
        assert snapshot.events[-1].text == "✗ train r to epoch 5: failed, out of memory"
        assert it.service.connections == 2


async def test_broken_connections_and_garbage_are_survived(tmp_path: Path) -> None:
    async with Running(tmp_path) as it:
        await it.say(DdpmError("the engine cannot start", "see engine.log"))
        snapshot = await it.until(lambda s: s.engine.link == "disconnected")
        assert snapshot.engine.problem == "the engine cannot start — see engine.log"
        await it.say({"event": "job", "job": {"state": "no such state"}})
        await it.until(lambda s: "no such state" in s.engine.problem)
        await it.say(hello(train()))
        await it.until(lambda s: s.engine.link == "connected")


async def test_an_engine_that_somebody_stopped_is_waited_for_and_not_started_again(tmp_path: Path) -> None:
    async with Running(tmp_path) as it:
        it.service.events.put_nowait(hello())
        await it.until(lambda s: s.engine.link == "connected")
        assert it.service.starts
        it.service.events.put_nowait({"event": "stopping"})
        it.service.events.put_nowait({"event": "waits", "waits": {}})
        it.service.events.put_nowait(None)
        snapshot = await it.until(lambda s: s.engine.link == "stopped")
        assert "engine start" in snapshot.engine.problem
        it.service.events.put_nowait(hello())
        await it.until(lambda s: s.engine.link == "connected")
        assert not it.service.starts
        it.service.events.put_nowait(None)
        await it.until(lambda s: s.engine.link == "disconnected")
        it.service.events.put_nowait(hello())
        await it.until(lambda s: s.engine.link == "connected")
        assert it.service.starts, "one that went away by itself is"


async def test_curves_come_for_followed_runs_only_and_go_with_the_run(tmp_path: Path) -> None:
    async with Running(tmp_path) as it:
        create_run(it.home, "r", Profile())
        run = it.home.run("r")
        run.metrics.write_text('{"kind":"train","step":1,"epoch":0.1,"images":64,"loss":0.5}\ngarbage\n')
        snapshot = await it.until(lambda s: bool(s.runs))
        assert not snapshot.curves
        it.store.follow("dashboard", ["r", "gone"])
        snapshot = await it.until(lambda s: "r" in s.curves)
        assert set(snapshot.curves) == {"r"}
        assert snapshot.curves["r"].points == 1
        assert snapshot.curves["r"].corrupt_lines == 1
        run.previews.mkdir()
        run.preview(7).write_bytes(b"")
        await it.until(lambda s: s.curves["r"].previews == (7,))
        generation = it.last.curves["r"].generation
        run.metrics.write_text('{"kind":"train","step":1,"epoch":0.1,"images":64,"loss":0.4}\n' * 1)
        with open(run.metrics, "a") as file:
            file.write('{"kind":"train","step":2,"epoch":0.2,"images":128,"loss":null}\n')
        await it.until(lambda s: s.curves["r"].points == 2)
        run.metrics.write_text("")
        await it.until(lambda s: s.curves["r"].generation != generation or s.curves["r"].points == 0)
        import shutil

        shutil.rmtree(run.path)
        await it.until(lambda s: not s.runs and not s.curves)


async def test_nothing_is_published_where_nothing_changed(tmp_path: Path) -> None:
    async with Running(tmp_path) as it:
        it.store._read_meters = lambda: it.last.meters  # type: ignore[method-assign]
        await it.say(hello(train()))
        await it.until(lambda s: bool(s.jobs))
        before = it.count
        for _ in range(5):
            it.store.poke()
            await asyncio.sleep(0.1)
        assert it.count == before
        it.clock.time += 11
        await it.until(lambda s: s.time == it.clock.time)
        assert it.count == before + 1


def test_the_first_paint_has_what_the_folders_tell(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    create_run(home, "r", Profile())
    first = new_job_folder(home, "train", "r", {"to_epoch": 5})
    note = train(1, State.DONE)
    first.queue_note.write_text(json.dumps(note.to_wire()))
    new_job_folder(home, "sample", "r", {"checkpoint": "r@latest"})
    new_job_folder(home, "train", "r", {}, foreground=True)
    damaged = new_job_folder(home, "train", "r", {})
    damaged.spec.write_text("{")
    store = LiveStore(home, Service())
    snapshot = store.first()
    assert snapshot.loaded
    assert [(j.id, j.state) for j in snapshot.jobs] == [("000001", State.DONE), ("000002", State.QUEUED)]
    assert [r.name for r in snapshot.runs] == ["r"]
    assert jobs_on_disk(Home(tmp_path / "nowhere")) == ()


def test_runs_are_read_again_only_when_their_files_change(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    create_run(home, "b", Profile(), "demo")
    create_run(home, "a", Profile())
    (home.runs / ".hidden").mkdir()
    (home.runs / "b (copy)").mkdir()
    reader = RunReader(home)
    first = reader.read()
    assert {r.name for r in first} == {"a", "b"}
    again = reader.read()
    assert all(x is y for x, y in zip(first, again, strict=True))
    home.run("a").record.write_text("{broken")
    changed_runs = {r.name: r for r in reader.read()}
    assert "cannot be read" in changed_runs["a"].problem
    assert changed_runs["b"].setting("data", "size") == 32
    home.run("a").record.unlink()
    assert "missing" in {r.name: r for r in reader.read()}["a"].problem


def test_a_checkpoint_with_a_damaged_manifest_is_passed_over_for_the_newest_epoch(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    create_run(home, "r", Profile())
    for step, content in ((100, json.dumps(asdict(Manifest(100, 3, 800, 0, 33, "a")))), (200, "{")):
        folder = home.run("r").checkpoint(step)
        folder.path.mkdir()
        folder.manifest.write_text(content)
    (view,) = RunReader(home).read()
    assert (view.checkpoints, view.latest_step, view.epoch) == (2, 100, 3)


def test_profiles_by_name_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    home.user_profile("mine").write_text('description = "of mine"')
    home.user_profile("broken").write_text("[data\n")
    home.user_profile("demo").write_text('description = "my own demo"')
    found = {p.name: p for p in profile_names(home)}
    assert found["mine"].description == "of mine"
    assert found["broken"].problem
    assert found["demo"].own
    assert not found["celeba32"].own


def test_a_row_from_a_newer_engine_is_read_as_far_as_it_is_known() -> None:
    wire = {**train(4, State.PAUSED).to_wire(), "colour": "green"}
    assert job_from_wire(wire) == train(4, State.PAUSED)


async def test_an_engine_of_an_older_program_is_known_as_one(tmp_path: Path) -> None:
    async with Running(tmp_path) as it:
        it.service.events.put_nowait(hello(version="0.0.9"))
        snapshot = await it.until(lambda s: s.engine.link == "connected")
        assert (snapshot.engine.version, snapshot.engine.old) == ("0.0.9", True)
        it.service.events.put_nowait(hello(version=VERSION))
        await it.until(lambda s: not s.engine.old)
        it.service.events.put_nowait(VersionError("the engine speaks protocol 0, and 1 or newer is needed"))
        snapshot = await it.until(lambda s: s.engine.old)
        assert snapshot.engine.link == "disconnected"
