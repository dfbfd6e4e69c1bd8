"""Supervision of workers: finding them after a restart, asking them to stop, and judging how each one ended.

The service may be killed at any instant; everything that the next one needs is in the database, the job folders and
the locks before any action.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from engine.base.failpoints import reach
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.base.records import read_tail
from engine.base.scarcity import ScarceError, is_scarce
from engine.device.place import VISIBLE
from engine.jobs.files import Result, read_result
from engine.service import machine, runs
from engine.service.database import UnwritableError
from engine.service.launchers.base import Launcher, Worker
from engine.service.notices import Notices, is_told
from engine.service.queue import Queue
from engine.service.scheduling import fits
from engine.service.settings import QueueSettings, read_settings
from engine.service.states import LIVE, Intent, Job, State, job_number
from engine.service.store import StaleError
from engine.service.verdict import after_interruption, judge

log = logging.getLogger(__name__)

Value = TypeVar("Value")

SOON_S = 0.1
"""The pause before the first retry after a shortage; it doubles each time, up to PATIENCE_S."""

PATIENCE_S = 2.0
"""Seconds between checks of things that send no event: a run's lock, a full disk, the end of a chunk."""


@dataclass(frozen=True)
class _End:
    """A worker's end. exit_code: negative for a signal, None if unknown · result: the one it wrote, if any ·
    target_reached: an intact checkpoint is at a training's target · step: that of the run's newest checkpoint.
    """

    exit_code: int | None
    result: Result | None
    target_reached: bool = False
    step: int | None = None


class Supervisor:
    """All living workers of the queue. `not_before`: monotonic times before which a job must not start again;
    `slots`: the devices, one entry per job.
    """

    def __init__(self, home: Home, queue: Queue, launcher: Launcher, found_slots: tuple[str, ...]) -> None:
        self.home = home
        self.queue = queue
        self.launcher = launcher
        self.settings = QueueSettings()
        self.slots: tuple[str, ...] = ()
        self.not_before: dict[str, float] = {}
        self._found_slots = found_slots
        self._notices = Notices(home)
        self._workers: dict[str, Worker] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def has_worker(self, job: Job) -> bool:
        return job.id in self._workers

    @property
    def worker_count(self) -> int:
        return len(self._workers)

    async def close(self) -> None:
        """Stop watching; workers continue and can be adopted again."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def read_settings(self) -> None:
        """Read the current settings.toml. Raises ScarceError, which leaves the settings unchanged."""
        self.settings, problems = read_settings(self.home.settings)
        self.queue.say_problem("settings", "; ".join(problems) or None)
        named = self.settings.devices
        hidden = machine.hidden(named)
        text = (
            f"{self.home.settings}: queue.devices names {', '.join(dict.fromkeys(hidden))}, which {VISIBLE}="
            f"{os.environ.get(VISIBLE)} hides from the engine"
        )
        self.queue.say_problem("devices", text if hidden else None)
        self.slots = tuple(slot for slot in named if slot not in hidden) if named else self._found_slots

    # Recovery.

    async def recover(self) -> None:
        """Adopt living workers and judge dead ones, before anything else."""
        await self.persist(self._read_settings_here)
        for job in self.queue.ordered():
            try:
                if job.state is State.INTERRUPTED:
                    await self._after_interruption(job)
                elif job.live:
                    await self._recover(job)
            except Exception as error:
                # One job that cannot be judged must not block all others.
                log.exception("job %s could not be taken up again", job.id)
                self.queue.problems[f"job {job.id}"] = (
                    f"job {job_number(job.id)} could not be taken up again ({error}); `engine logs` has more, "
                    "`engine stop` and any command try it again"
                )

    async def _recover(self, job: Job) -> None:
        folder = self.home.job(job.id)
        worker = await self.persist(
            lambda: self.queue.in_thread(lambda: self.launcher.adopt(folder, job.handle))
        )
        if worker is None:
            log.info("job %s: its worker is gone", job.id)
            await self._finish(job, None)
            return
        log.info("job %s: adopted, worker %s", job.id, worker.handle)
        await self.adopt(job, worker)

    async def adopt(self, job: Job, worker: Worker) -> None:
        """Adopt the living worker of a job that is `starting` or `running`."""
        slot = job.slot or next((s for s in self.slots if fits(s, job.device, self.slots)), None)
        facts = {"handle": worker.handle, "slot": slot}
        if job.state is State.STARTING:
            job = await self.persist(
                lambda: self.queue.transition(job, [State.STARTING], State.RUNNING, "adopted", **facts)
            )
        elif (job.handle, job.slot) != (worker.handle, slot):
            job = await self.persist(lambda: self.queue.update(job, [State.RUNNING], **facts))
        self.watch(job, worker)

    # Watching and judging.

    def watch(self, job: Job, worker: Worker) -> None:
        """Judge the worker when it ends. An earlier request to it is passed on now."""
        self._workers[job.id] = worker
        self._spawn(self._until_end(job.id, worker))
        if self.queue.jobs[job.id].intent is not None:
            self._signal(job)

    async def _until_end(self, job_id: str, worker: Worker) -> None:
        try:
            exit_code = await self.persist(worker.wait)
            reach("service.worker_ended")
            await self._finish(self.queue.jobs[job_id], exit_code)
        except Exception as error:
            # No more is known here; the next engine judges it again.
            log.exception("job %s: its worker's end could not be judged", job_id)
            self.queue.say_problem(
                f"job {job_id}",
                f"the end of job {job_number(job_id)} could not be judged ({error}); `engine logs` has more, "
                "`engine stop` and any command try it again",
            )
        finally:
            self._workers.pop(job_id, None)
            self.queue.changed()

    async def _finish(self, job: Job, exit_code: int | None) -> None:
        """Judge a worker's end and record it, however long the disk is full."""
        end = await self.persist(lambda: self.queue.in_thread(lambda: self._look(job, exit_code)))
        if end.result is not None and end.result.outcome == "busy":
            self.not_before[job.id] = time.monotonic() + PATIENCE_S
        done = await self.persist(lambda: self._judge(job.id, end))
        log.info("job %s: %s (%s)", done.id, done.state, done.reason)
        self.tell(done)
        if done.state is State.INTERRUPTED:
            await self._after_interruption(done)

    async def _judge(self, job_id: str, end: _End) -> Job:
        """Record the next state of a job whose worker has ended; a request that was being written in the meantime
        counts.
        """
        while True:
            job = self.queue.jobs[job_id]
            verdict = judge(job, end.result, end.exit_code, end.target_reached)
            crashes = 0
            if verdict.crashed:
                # Crashes between which the run has progressed are not added up.
                progressed = job.crashes > 0 and end.step is not None and end.step > (job.mark or 0)
                crashes = 1 if progressed else job.crashes + 1
            try:
                return await self.queue.transition(
                    job,
                    [State.RUNNING, State.STARTING],
                    verdict.state,
                    verdict.reason,
                    same_intent=True,
                    slot=None,
                    handle=None,
                    intent=None,
                    hint=verdict.hint,
                    result=None if end.result is None else asdict(end.result),
                    crashes=crashes,
                    mark=end.step if verdict.crashed else job.mark,
                    ended=time.time(),
                )
            except StaleError:
                if self.queue.jobs[job_id] is job:
                    raise

    def _look(self, job: Job, exit_code: int | None) -> _End:
        """Return the files at a worker's end."""
        result = read_result(self.home.job(job.id))
        if not job.run or not runs.exists(self.home, job.run):
            return _End(exit_code, result)
        reached = False
        if result is None and job.kind == "train" and job.to_epoch:
            reached = runs.target_reached(self.home, job.run, job.to_epoch)
        near = runs.newest(self.home.run(job.run))
        return _End(exit_code, result, reached, near.step if near else None)

    async def _after_interruption(self, job: Job) -> None:
        """Queue or hold an interrupted job, unless another decision was made in the meantime."""
        lines = await self.queue.in_thread(lambda: tail(self.home.job(job.id), 1))
        state, reason, hint = after_interruption(
            job, self.settings.on_crash, self.settings.crash_limit, lines[0][:200] if lines else ""
        )
        self.not_before[job.id] = time.monotonic() + self.settings.retry_delay_s
        with contextlib.suppress(StaleError):
            self.tell(
                await self.persist(
                    lambda: self.queue.transition(job, [State.INTERRUPTED], state, reason, hint=hint)
                )
            )

    def tell(self, job: Job) -> None:
        """Run the user's command for a job that has ended, after this is recorded."""
        if is_told(job):
            with contextlib.suppress(ScarceError):
                self.read_settings()  # the command may have been set during the job
            if self.settings.on_end:
                self._notices.tell(job, self.settings.on_end)

    # Requests to workers.

    async def ask(self, job: Job, intent: Intent) -> Job:
        """Store a request to a living worker, then send it. A later request replaces an earlier one."""
        job = await self.queue.update(job, LIVE, intent=intent)
        reach("service.after_intent")
        self._signal(job)
        return job

    async def take_back(self, job: Job) -> Job:
        """Cancel a pause. If the worker was not told yet, it never is; otherwise it checkpoints, and its job goes
        back to the queue.
        """
        told = self.has_worker(job)
        return await self.queue.update(job, LIVE, intent=Intent.RESUME if told else None)

    def _signal(self, job: Job) -> None:
        worker = self._workers.get(job.id)
        if worker is None:
            return  # starting: the signal follows as soon as there is a process
        self._spawn(self._pass_on(job, worker))

    async def _pass_on(self, job: Job, worker: Worker) -> None:
        """Send a request to a worker; one that does not end afterwards is killed, because it would keep its device
        for ever.
        """
        if self.queue.jobs[job.id].intent is Intent.KILL:
            await self._send(worker, worker.kill)
            return
        await self._send(worker, worker.stop)
        end = time.monotonic() + self.settings.stop_grace_s
        while time.monotonic() < end:
            await asyncio.sleep(min(5.0, max(0.05, end - time.monotonic())))
            if self._workers.get(job.id) is not worker:
                return
        log.warning("job %s: did not stop within %g s and is killed", job.id, self.settings.stop_grace_s)
        await self._send(worker, worker.kill)

    async def _send(self, worker: Worker, signal: Callable[[], None]) -> None:
        """Send a signal. A worker of an earlier engine is identified first, for which a shortage may have to be
        waited for.
        """

        async def send() -> None:
            if worker in self._workers.values():
                signal()

        await self.persist(send)

    # Helpers.

    async def persist(self, write: Callable[[], Awaitable[Value]]) -> Value:
        """Repeat `write` until it succeeds: neither a full disk nor a shortage may lose a change."""
        pause = SOON_S
        while True:
            try:
                done = await write()
            except Exception as error:
                if not self.passes(error):
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, PATIENCE_S)
            else:
                self.queue.say_problem("disk", None)
                return done

    def passes(self, error: BaseException) -> bool:
        """Return whether an error is temporary; if it is, it is logged once and shown to clients."""
        if is_scarce(error):
            self.queue.say_shortage(error)
        elif isinstance(error, UnwritableError):
            if self.queue.problems.get("disk") != str(error):
                log.error("%s; trying again", error)
            self.queue.say_problem("disk", str(error))
        else:
            return False
        return True

    async def _read_settings_here(self) -> None:
        self.read_settings()

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.queue.trouble("workers", "watching a worker", error)


def tail(folder: JobFolder, count: int) -> list[str]:
    """Return the last non-empty lines of a worker's log."""
    try:
        lines = read_tail(folder.log, 65536)[0].decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-count:]
