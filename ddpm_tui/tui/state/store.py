"""The one maker of Snapshots: looks at files in a thread, listens to the service, publishes the changes.

Screens ask a Store only to follow runs; screens never read the disk for its data. The app shows
whatever Snapshot comes last, so a test can publish its own (`FakeStore` in tests/ddpm_tui/fakes.py).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ddpm_tui.tui.state.reading import RunReader, job_from_wire, jobs_on_disk
from ddpm_tui.tui.state.snapshot import EngineStatus, Event, JobView, LinkState, Meters, RunView, Snapshot
from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.jobs.files import Progress, read_progress
from engine.service.job_states import STATES
from engine.service.protocol import VersionError, outdated
from engine.service.states import Job, State

if TYPE_CHECKING:
    from ddpm_tui.tui.state.curves import RunCurves, RunFollower

log = logging.getLogger(__name__)

Publish = Callable[[Snapshot], None]
KEPT_EVENTS = 100
STOPPED = "the engine was stopped (`ddpm-tui engine start` starts it)"
STOPPED_S = 2.0
"""Between two looks whether somebody has started it again."""
CATCH_UP_S = 3.0
"""A look takes milliseconds; on a disk that hangs nobody waits for it longer than this."""


class Clock:
    """The wall clock. Tests give another."""

    def now(self) -> float:
        return time.time()


class Link(Protocol):
    """The connection to the service: `engine.client.asynchronous.AsyncClient` is one."""

    async def request(self, do: str, **args: Any) -> Any:
        """Send one request. Raises DdpmError: refused, or not connected."""

    def listen(self, start: bool = True) -> AsyncIterator[dict[str, Any]]:
        """Connect (starting the service if there is none and `start`) and yield {"event": "hello", "status": …,
        "jobs": […]}, then events; ends or raises DdpmError when the service goes away."""

    async def close(self) -> None: ...


class SnapshotStore(Protocol):
    """The source of the app's Snapshots."""

    link: Link

    def start(self, publish: Publish) -> None:
        """Publish from now on, in the running event loop."""

    def follow(self, who: str, runs: Iterable[str]) -> None:
        """Put the curves of these runs, which `who` (a screen) shows, into the Snapshot."""

    def poke(self) -> None:
        """Look at once: something was just changed."""

    async def caught_up(self) -> None:
        """Look at once, and return when the new state is published, or after some seconds."""

    async def close(self) -> None: ...


@dataclass(frozen=True)
class _Known:
    """The state as heard from the service."""

    engine: EngineStatus
    jobs: tuple[Job, ...]
    waits: Mapping[str, str]
    events: tuple[Event, ...]
    changes: Mapping[str, int]


class LiveStore:
    """The real one. period: seconds between looks while something runs; it rests when nothing does."""

    def __init__(self, home: Home, link: Link, *, clock: Clock | None = None, period: float = 1.0) -> None:
        self.home = home
        self.link = link
        self.period = period
        self._clock = clock or Clock()
        self._jobs: dict[str, Job] = {}
        self._waits: dict[str, str] = {}
        self._changes: dict[str, int] = {}
        self._engine = EngineStatus()
        self._events: list[Event] = []
        self._runs = RunReader(home)
        self._wanted: dict[str, frozenset[str]] = {}
        self._followers: dict[str, RunFollower] = {}
        self._meters: Any = None
        self._publish: Publish = lambda _: None
        self._snapshot = Snapshot()
        self._wake = asyncio.Event()
        self._stopped = False
        """Whether somebody stopped the service: then it is waited for, and not started again."""
        self._catching_up: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    def first(self) -> Snapshot:
        """Return the quickly read state of the disk, for the first paint: jobs and runs, no curves, no meters."""
        self._jobs = {job.id: job for job in jobs_on_disk(self.home)}
        return self._look(self._known(), curves=False)

    def start(self, publish: Publish) -> None:
        self._publish = publish
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._stay_connected())]

    def follow(self, who: str, runs: Iterable[str]) -> None:
        wanted = frozenset(runs)
        if self._wanted.get(who, frozenset()) != wanted:
            self._wanted[who] = wanted
            self.poke()

    def poke(self) -> None:
        self._wake.set()

    async def caught_up(self) -> None:
        looked = asyncio.Event()
        self._catching_up.append(looked)
        self.poke()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(looked.wait(), CATCH_UP_S)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            await self.link.close()

    # Looking.

    async def _watch(self) -> None:
        """Look, publish, wait; for ever."""
        while True:
            self._wake.clear()
            catching_up, self._catching_up = self._catching_up, []
            try:
                snapshot = await asyncio.to_thread(self._look, self._known(), curves=True)
                if not _same(snapshot, self._snapshot):
                    self._snapshot = snapshot
                    self._publish(snapshot)
            except Exception:
                log.exception("looking at %s failed", self.home.root)
            for looked in catching_up:
                looked.set()
            busy = any(job.live for job in self._jobs.values())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self.period if busy else max(2.0, self.period))
            await asyncio.sleep(0.05)  # several events in a row make one look

    def _known(self) -> "_Known":
        """Return all state heard so far, as one piece: the thread that looks must not see half an event."""
        return _Known(
            self._engine, tuple(self._jobs.values()), self._waits, tuple(self._events), self._changes
        )

    def _look(self, known: "_Known", curves: bool) -> Snapshot:
        """Return everything as it is now. Runs in a thread."""
        jobs = sorted(known.jobs, key=lambda job: (job.rank, job.id))
        views = tuple(self._view(job, known) for job in jobs)
        runs = self._runs.read()
        shown: Mapping[str, RunCurves] = self._snapshot.curves
        meters = self._snapshot.meters
        if curves:
            shown = self._poll_curves(runs)
            meters = self._read_meters()
        return Snapshot(
            self._clock.now(), known.engine, views, runs, known.events, meters, shown, loaded=True
        )

    def _view(self, job: Job, known: "_Known") -> JobView:
        progress: Progress | None = None
        if job.live or job.state in (State.PAUSED, State.HELD, State.QUEUED):
            progress = read_progress(self.home.job(job.id))
        wait = known.waits.get(job.id, "") if job.state is State.QUEUED else ""
        return JobView(job, progress, wait, known.changes.get(job.id, 0))

    def _poll_curves(self, runs: tuple[RunView, ...]) -> "Mapping[str, RunCurves]":
        from ddpm_tui.tui.state.curves import RunFollower

        wanted = frozenset().union(*self._wanted.values()) if self._wanted else frozenset()
        wanted &= {run.name for run in runs}
        for name in [name for name in self._followers if name not in wanted]:
            del self._followers[name]
        for name in wanted - self._followers.keys():
            self._followers[name] = RunFollower(self.home.run(name))
        found = {name: follower.poll() for name, follower in self._followers.items()}
        before = self._snapshot.curves
        same = found.keys() == before.keys() and all(found[name] is before[name] for name in found)
        return before if same else found

    def _read_meters(self) -> Meters:
        if self._meters is None:
            from ddpm_tui.tui.state.devices import MeterReader

            self._meters = MeterReader(self.home.root)
        meters: Meters = self._meters.read()
        return meters

    # Listening.

    async def _stay_connected(self) -> None:
        """Listen; when the service goes away, say so and reconnect after ever longer waits."""
        patience = 0.5
        while True:
            try:
                async for event in self.link.listen(start=not self._stopped):
                    self._hear(event)
                    patience = 0.5
                problem, old = STOPPED if self._stopped else "the engine went away", False
            except DdpmError as error:
                problem, old = str(error), isinstance(error, VersionError)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.exception("the engine's events could not be used")
                problem, old = str(error), False
            link: LinkState = "stopped" if self._stopped else "disconnected"
            self._engine = replace(self._engine, link=link, problem=problem, old=old)
            self.poke()
            await asyncio.sleep(STOPPED_S if self._stopped else patience)
            patience = min(10.0, patience * 1.7)

    def _hear(self, event: dict[str, Any]) -> None:
        """Add one event of the service to the known state."""
        kind = event.get("event")
        if kind == "progress":
            return  # read from the file, at this side's own pace
        if kind == "stopping":
            self._stopped = True
        elif kind == "hello":
            self._stopped = False
            status = event["status"]
            fresh = {job.id: job for job in map(job_from_wire, event["jobs"])}
            self._waits = {wire["id"]: wire.get("waits") or "" for wire in event["jobs"]}
            self._changes = {wire["id"]: int(wire.get("changed") or 0) for wire in event["jobs"]}
            for job in fresh.values():
                self._note_change(self._jobs.get(job.id), job)
            self._jobs = fresh
            self._engine = EngineStatus(
                "connected",
                "; ".join(status.get("problems", ())),
                bool(status.get("on_hold")),
                tuple(status.get("slots", ())),
                str(status.get("version", "")),
                bool(outdated(status)),
            )
        elif kind == "job":
            job = job_from_wire(event["job"])
            self._waits = {**self._waits, job.id: event["job"].get("waits") or ""}
            self._changes = {**self._changes, job.id: int(event["job"].get("changed") or 0)}
            self._note_change(self._jobs.get(job.id), job)
            self._jobs = {**self._jobs, job.id: job}
        elif kind == "waits":
            self._waits = dict(event["waits"])
        elif kind == "engine":
            problem = "; ".join(event.get("problems", ()))
            hold = bool(event.get("on_hold", self._engine.on_hold))
            self._engine = replace(self._engine, problem=problem, on_hold=hold)
        self.poke()

    def _note_change(self, before: Job | None, after: Job) -> None:
        """Add a line to the dashboard's events if a job's state changed."""
        if before is not None and before.state == after.state:
            return
        if before is None and (after.over or after.state is State.QUEUED) and self._engine.link == "starting":
            return  # history, on the first connection
        view = JobView(after)
        facts = STATES[after.state]
        words = f"{facts.sign} {view.title}"  # the sign first: a long line is cut at its end
        if after.reason and after.reason not in (str(after.state), "queued"):
            says_state = after.reason.startswith(str(after.state))  # "running on cpu"
            words += f": {after.reason if says_state else f'{after.state}, {after.reason}'}"
        elif after.state is not State.DONE:
            words += f": {after.state}"
        when = (after.ended if after.over else after.started) or self._clock.now()
        self._events = [*self._events, Event(when, words, facts.news, after.id)][-KEPT_EVENTS:]


def _same(a: Snapshot, b: Snapshot) -> bool:
    """Return whether nothing is worth a paint: times that say "3 min ago" may be ten seconds behind."""
    return abs(a.time - b.time) < 10 and replace(a, time=0.0) == replace(b, time=0.0)
