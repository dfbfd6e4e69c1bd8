"""Starting jobs: which job starts when and on which device, and which training makes room.

A start consists of lock, `starting`, spawn, `running`, in this order, so that the next service can judge a job if
this one dies in between.
"""

import asyncio
import contextlib
import errno
import functools
import logging
import time
from collections.abc import Awaitable, Callable

from engine.base.errors import DamagedError, DdpmError
from engine.base.failpoints import reach
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.device.place import KINDS
from engine.jobs.files import clear_result, read_progress
from engine.service import machine, runs
from engine.service.launchers.base import Launcher, take_lock
from engine.service.queue import Queue
from engine.service.scheduling import NextStarts, Wish, plan
from engine.service.states import Intent, Job, Priority, State, job_number
from engine.service.store import StaleError
from engine.service.supervision import PATIENCE_S, SOON_S, Supervisor

log = logging.getLogger(__name__)

BORDER_S = 0.5
"""Seconds between checks of a training that should make room at the end of its chunk."""

LONGEST_PAUSE_S = 2.0
"""The longest pause between attempts during a shortage of system resources."""

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class Dispatcher:
    """Starts jobs. `waits`: why each queued job is not running, for users."""

    def __init__(
        self, home: Home, queue: Queue, launcher: Launcher, slots: tuple[str, ...] | None = None
    ) -> None:
        self.home = home
        self.queue = queue
        self.launcher = launcher
        self.supervisor = Supervisor(home, queue, launcher, slots or machine.device_slots())
        self.waits: dict[str, str] = {}
        self.wait_listeners: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._starts_again = 0.0
        self._short_for = 0.0
        self._chunk_seen: dict[str, int] = {}
        queue.change_listeners.append(self._wake.set)

    async def run(self) -> None:
        """Start jobs until `stop` is called. Sleeps until something changes."""
        while not self._stopping:
            self._wake.clear()
            try:
                pause = await self._round()
            except Exception as error:
                pause = PATIENCE_S
                if not self.supervisor.passes(error):
                    self.queue.trouble("scheduling", "choosing what to start", error)
            else:
                self.queue.say_problem("scheduling", None)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def stop(self) -> None:
        """Start no more jobs; `run` returns when a start in progress is recorded."""
        self._stopping = True
        self._wake.set()

    async def _round(self) -> float | None:
        """Start the jobs that can start now. Returns the seconds until the next check; None: when something changes."""
        self.supervisor.read_settings()
        made = self._plan()
        for job, reason in made.hold:
            hint = f"`queue resume {job_number(job.id)}` runs it anyway"
            await self._unless_stale(
                self.queue.transition(job, [State.QUEUED], State.HELD, reason, hint=hint)
            )
        if made.waits != self.waits:
            self.waits = made.waits
            for listener in self.wait_listeners:
                listener()
        for job, slot in made.starts:
            if not self._stopping and time.monotonic() >= self._starts_again:
                await self._start(job, slot)
        patient = await self._make_room(made.room)
        now = time.monotonic()
        soon = [t - now for i, t in self.supervisor.not_before.items() if t > now and i in made.waits]
        if self._starts_again > now:
            soon.append(self._starts_again - now)
        if patient:
            soon.append(BORDER_S)
        if any(wait.startswith("run ") for wait in made.waits.values()):
            soon.append(PATIENCE_S)
        return max(0.01, min(soon)) if soon else None

    def _plan(self) -> NextStarts:
        # Read a run's facts only once, even for a thousand jobs of the run.
        in_use = functools.cache(lambda run: runs.in_use(self.home, run))
        run_facts = functools.cache(self._run_facts)

        def blocked(job: Job) -> str | None:
            if self.supervisor.not_before.get(job.id, 0.0) > time.monotonic():
                return "starts again in a moment"
            if self._starts_again > time.monotonic():
                return "a system resource is short; it starts when that is over"
            if self.supervisor.has_worker(job):
                return "its last worker is still ending"
            holder = in_use(job.run) if job.kind == "train" and job.run else None
            return f"run {job.run} is in use by {holder}" if holder else None

        def wanted(job: Job) -> Wish:
            return Wish(job.device) if job.device != "auto" else _unasked_device(job, run_facts)

        return plan(self.queue.jobs, self.supervisor.slots, self.queue.on_hold, blocked, wanted)

    def _run_facts(self, run: str) -> runs.RunFacts | None:
        """Return the facts of a run; None for a run that does not exist yet or cannot be read, which its worker then
        reports.
        """
        with contextlib.suppress(DamagedError):
            return runs.run_facts(self.home.run(run)) if runs.exists(self.home, run) else None
        return None

    # Starting.

    async def _start(self, job: Job, slot: str) -> None:
        folder = self.home.job(job.id)
        try:
            lock = await self.queue.in_thread(lambda: take_lock(folder))
            if lock is None:
                await self._find_worker(job, folder)
                return
            try:
                await self.queue.in_thread(lambda: clear_result(folder))
                job = await self.queue.transition(
                    job,
                    [State.QUEUED],
                    State.STARTING,
                    f"starting on {slot}",
                    attempt=job.attempt + 1,
                    slot=slot,
                    intent=None,
                    handle=None,
                    hint="",
                    started=time.time(),
                    ended=None,
                    result=None,
                )
                reach("service.before_spawn")
                worker = await self.queue.in_thread(lambda: self.launcher.start(folder, slot, lock))
                reach("service.after_spawn")
            finally:
                lock.release()
        except StaleError:
            return
        except Exception as error:  # whatever the error, no job may stay `starting` without a worker
            await self._not_started(job, error)
            return
        self._short_for = 0.0
        log.info("job %s: attempt %d on %s, worker %s", job.id, job.attempt, slot, worker.handle)
        facts = {"handle": worker.handle}
        # From here on a worker lives, which must be recorded, however long the disk is full.
        try:
            job = await self.supervisor.persist(
                lambda: self.queue.transition(
                    job, [State.STARTING], State.RUNNING, f"running on {slot}", **facts
                )
            )
        finally:
            self.supervisor.watch(job, worker)

    async def _not_started(self, job: Job, error: Exception) -> None:
        """Handle a failed start: wait for the end of a shortage or of a full or read-only disk; otherwise the job
        fails.
        """
        cause = error if isinstance(error, OSError) else error.__cause__
        passes = self.supervisor.passes(error)
        if not passes and isinstance(cause, OSError) and cause.errno in _DISK:
            self.queue.say_problem("disk", str(error))
            passes = True
        what = error.what if isinstance(error, DdpmError) else f"{type(error).__name__}: {error}"
        if isinstance(error, OSError):
            what = f"{error.filename}: {error.strerror}"
        log.error("job %s is not started: %s", job.id, what, exc_info=None if passes else error)
        if passes:
            # The next job would fail in the same way: start none for a while, longer each time.
            self._short_for = min(max(2 * self._short_for, SOON_S), LONGEST_PAUSE_S)
            self._starts_again = time.monotonic() + self._short_for
            self.supervisor.not_before[job.id] = self._starts_again
            if job.state is State.QUEUED:
                return
        after = State.QUEUED if passes else State.FAILED
        with contextlib.suppress(StaleError):
            self.supervisor.tell(
                await self.supervisor.persist(
                    lambda: self.queue.transition(job, [job.state], after, what, slot=None, ended=time.time())
                )
            )

    async def _find_worker(self, job: Job, folder: JobFolder) -> None:
        """Adopt the worker that holds a queued job's lock and that the database does not know."""
        worker = await self.queue.in_thread(lambda: self.launcher.adopt(folder, None))
        if worker is None:  # it has ended, or the lock was only checked: no other event would wake this loop
            self._wake.set()
            return
        job = await self.queue.transition(
            job, [State.QUEUED], State.STARTING, "found a living worker", attempt=job.attempt + 1
        )
        await self.supervisor.adopt(job, worker)

    # Making room.

    async def _make_room(self, wishes: dict[str, int]) -> bool:
        """Stop trainings that are behind a waiting job with a priority, at the end of their chunk or at once.

        Returns whether the end of a chunk must be watched for.
        """
        patient = False
        for job_id, priority in wishes.items():
            job = self.queue.jobs[job_id]
            if job.intent is not None or job.state is not State.RUNNING:
                continue
            if priority >= Priority.NOW or self._crossed_border(job):
                await self._unless_stale(self.supervisor.ask(job, Intent.MAKE_ROOM))
            else:
                patient = True
        for job_id in [i for i in self._chunk_seen if i not in wishes]:
            del self._chunk_seen[job_id]
        return patient

    def _crossed_border(self, job: Job) -> bool:
        """Return whether the training has begun another chunk since a job first waited for it."""
        progress = read_progress(self.home.job(job.id))
        if progress is None or progress.epoch is None or not job.run:
            return False
        with contextlib.suppress(DdpmError):
            chunk = int(progress.epoch // runs.run_facts(self.home.run(job.run)).chunk_epochs)
            return chunk > self._chunk_seen.setdefault(job.id, chunk)
        return False

    async def _unless_stale(self, work: Awaitable[Job]) -> None:
        """Make a transition unless another change came first."""
        with contextlib.suppress(StaleError):
            await work


def _unasked_device(job: Job, run_facts: Callable[[str], runs.RunFacts | None]) -> Wish:
    """Return the device of a job for which the user named none: its profile's. A run continues on the kind of device
    on which it began, because other kinds give other bits.
    """
    match job.args:
        case {"branch": {"checkpoint": str(base), "set": [*changes]}} if run_facts(job.run or "") is None:
            # The worker creates the run, so its device follows from the base's known profile and the changes.
            asked = [str(c).partition("=")[2] for c in changes if str(c).startswith("training.device=")]
            run, began = base.partition("@")[0], False
        case {"profile": {"training": {"device": str(device)}}}:
            asked, run, began = [device], "", False
        case _:
            asked, run, began = [], job.run or "", job.kind == "train"
    facts = run_facts(run) if run and not asked else None
    device = asked[-1] if asked else facts.device if facts else "auto"
    if device != "auto":
        return Wish(device, f"the profile of {f'run {run}' if run else 'the job'} asks for it")
    if began and facts and facts.began:
        return Wish(facts.began, f"run {run} began on {KINDS[facts.began]}")
    return Wish("auto")
