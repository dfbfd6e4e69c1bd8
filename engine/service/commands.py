"""The handlers of clients' requests, one for each class in `requests`. Changes always go through the queue."""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from engine.base.errors import BusyError, DamagedError, UsageError, UserError
from engine.base.home import Home
from engine.base.typed import typed
from engine.jobs.files import QueueWishes, new_job_folder, read_progress, read_spec
from engine.jobs.kinds import ADDED, title
from engine.service import requests
from engine.service.dispatcher import Dispatcher
from engine.service.job_states import LOST, Change, states_that_take
from engine.service.needed import kept_meanwhile
from engine.service.planning import TrainRequest, check_after, make_run, plan_job, plan_training
from engine.service.queue import Queue
from engine.service.rebuild import new_job
from engine.service.server import Peer
from engine.service.settings import is_slot
from engine.service.states import Intent, Job, Priority, State, job_number
from engine.service.store import StaleError
from engine.service.supervision import tail

TOPICS = frozenset({"jobs", "progress", "runs", "engine"})

RECENT = 20
"""Finished jobs that a listing shows unless all are requested."""

STALE_TRIES = 5
"""The number of attempts to change a job that changes at the same time."""


Handler = Callable[[Peer, Any], Awaitable[Any]]


class Commands:
    """Handles requests to one engine. `stop`: called when the service should end."""

    def __init__(self, home: Home, queue: Queue, engine: Dispatcher, stop: Callable[[], None]) -> None:
        self.home = home
        self.queue = queue
        self.engine = engine
        self.facts: dict[str, Any] = {}
        self.subscribed: Callable[[], None] = lambda: None
        self.stops_jobs = False
        self._stop = stop
        self._adding = (
            asyncio.Lock()
        )  # a target depends on the last one queued, so only one request at a time may add jobs
        self._started = time.time()
        self._handlers: dict[type[requests.Request], Handler] = {
            requests.Status: self.do_status,
            requests.ListJobs: self.do_list,
            requests.ShowJob: self.do_show,
            requests.Subscribe: self.do_subscribe,
            requests.Unsubscribe: self.do_unsubscribe,
            requests.Train: self.do_train,
            requests.Add: self.do_add,
            requests.Pause: self.do_pause,
            requests.Resume: self.do_resume,
            requests.Retry: self.do_retry,
            requests.Cancel: self.do_cancel,
            requests.Hold: self.do_hold,
            requests.HoldQueue: self.do_hold_queue,
            requests.Move: self.do_move,
            requests.Stop: self.do_stop,
        }

    async def handle(self, client: Peer, do: str, args: dict[str, Any]) -> Any:
        request = requests.read_request(do, args)
        return await self._handlers[type(request)](client, request)

    # Reading.

    async def do_status(self, _: Peer, __: requests.Status) -> dict[str, Any]:
        return self.status()

    def status(self) -> dict[str, Any]:
        counts: dict[str, int] = {}
        for job in self.queue.jobs.values():
            counts[job.state] = counts.get(job.state, 0) + 1
        return {
            **self.facts,
            "pid": os.getpid(),
            "home": str(self.home.root),
            "started": self._started,
            "slots": list(self.engine.supervisor.slots),
            "workers": self.engine.supervisor.worker_count,
            "on_hold": self.queue.on_hold,
            "problems": list(self.queue.problems.values()),
            "jobs": counts,
        }

    async def do_list(self, _: Peer, args: requests.ListJobs) -> dict[str, Any]:
        everything = args.all
        over = self.queue.over()
        shown = over if everything else over[-RECENT:]
        active = [job for job in self.queue.ordered() if not job.over]
        return {
            "jobs": [self.wire(job) for job in (*shown, *active)],
            "hidden": len(over) - len(shown),
            "on_hold": self.queue.on_hold,
            "problems": list(self.queue.problems.values()),
        }

    def wire(self, job: Job) -> dict[str, Any]:
        """Return a job as clients see it: its row, its title, why it waits, and its worker's progress."""
        wire = {
            **job.to_wire(),
            "title": title(job.kind, job.run, job.args),
            "changed": self.queue.change_of(job.id),
        }
        if job.state is State.QUEUED:
            wire["waits"] = self.engine.waits.get(job.id, "")
        if job.live and (progress := read_progress(self.home.job(job.id))):
            wire["progress"] = asdict(progress)
        return wire

    async def do_show(self, _: Peer, args: requests.ShowJob) -> dict[str, Any]:
        job = self.queue.find(args.id)
        folder = self.home.job(job.id)
        return {
            **self.wire(job),
            "folder": str(folder.path),
            "log": str(folder.log),
            "log_tail": tail(folder, 5),
            "history": [asdict(event) for event in await self.queue.history(job.id)],
        }

    async def do_subscribe(self, client: Peer, args: requests.Subscribe) -> dict[str, Any]:
        topics = args.topics or sorted(TOPICS)
        if unknown := set(topics) - TOPICS:
            raise UsageError(f"no topic {sorted(unknown)[0]!r}", f"there are: {', '.join(sorted(TOPICS))}")
        client.topics = frozenset(topics)
        self.subscribed()
        return {"status": self.status(), "jobs": [self.wire(job) for job in self.queue.ordered()]}

    async def do_unsubscribe(self, client: Peer, _: requests.Unsubscribe) -> None:
        client.topics = frozenset()
        self.subscribed()

    # Adding.

    async def do_train(self, _: Peer, args: requests.Train) -> dict[str, Any]:
        async with self._adding:
            return await self._train(args)

    async def _train(self, args: requests.Train) -> dict[str, Any]:
        request = TrainRequest(
            args.target,
            args.run,
            args.chunks,
            args.to_epoch,
            tuple(args.set),
            args.new,
            args.branch,
        )
        if (earlier := self.queue.by_token(args.token)) is not None:
            return {"job": self.wire(earlier), "says": [], "added": False}
        common = self._common(args, Priority.NORMAL)
        plan = await self.queue.in_thread(
            lambda: plan_training(self.home, tuple(self.queue.jobs.values()), request)
        )
        if plan.job is not None or args.dry_run:
            job = self.queue.jobs.get(plan.job or "")
            return {"job": job and self.wire(job), "says": list(plan.says), "added": False}

        def make() -> Job:
            make_run(self.home, plan)
            return self._make("train", plan.run, plan.args, *common)

        job = await self.queue.add(make)
        return {"job": self.wire(job), "says": list(plan.says), "added": True}

    async def do_add(self, _: Peer, args: requests.Add) -> dict[str, Any]:
        async with self._adding:
            return await self._add(args)

    async def _add(self, args: requests.Add) -> dict[str, Any]:
        kind = args.kind
        given = args.args
        if (earlier := self.queue.by_token(args.token)) is not None:
            return {"job": self.wire(earlier), "says": [], "added": False}
        common = self._common(args, Priority.HIGH if kind in ADDED else Priority.NORMAL)
        jobs = tuple(self.queue.jobs.values())
        run, final = await self.queue.in_thread(lambda: plan_job(self.home, jobs, kind, given))
        says = [title(kind, run, final)]
        if args.dry_run:
            return {"job": None, "says": says, "added": False}
        job = await self.queue.add(lambda: self._make(kind, run, final, *common))
        return {"job": self.wire(job), "says": says, "added": True}

    def _common(
        self, args: requests.Addition, default: Priority
    ) -> tuple[str, tuple[str, ...], Priority, str | None]:
        """Return the arguments that every kind of job accepts: device, --after, priority, token."""
        device = args.device or "auto"
        if device not in ("auto", "cuda") and not is_slot(device):
            raise UsageError(f"{device!r} is not a device", 'use "auto", "cpu", "cuda" or "cuda:0"')
        after = check_after(self.queue.jobs, args.after, self.queue.find)
        name = args.priority
        token = args.token
        try:  # before creating a run for an impossible job
            typed(QueueWishes, {"token": token}, "the request")
        except DamagedError as error:
            raise UsageError(error.what) from None
        return device, after, Priority.parse(name) if name else default, token

    def _make(
        self,
        kind: str,
        run: str | None,
        args: dict[str, Any],
        device: str,
        after: tuple[str, ...],
        priority: Priority,
        token: str | None,
    ) -> Job:
        extra = {"after": list(after), "priority": priority.name.lower(), "token": token}
        last = max((int(job_id) for job_id in self.queue.jobs if job_id.isdecimal()), default=0)
        with kept_meanwhile(self.home, args):
            folder = new_job_folder(self.home, kind, run, args, device, queue=extra, above=last)
        return new_job(read_spec(folder))

    # Changing.

    async def do_pause(self, _: Peer, args: requests.Pause) -> list[dict[str, Any]]:
        return await self._each(args, self._pause)

    async def _pause(self, job: Job) -> Job:
        if job.live:
            return await self.engine.supervisor.ask(job, Intent.PAUSE)
        states = self._allowed(job, "pause", "paused")
        return await self.queue.transition(
            job, states, State.PAUSED, "paused", hint="`queue resume` continues it"
        )

    async def do_resume(self, _: Peer, args: requests.Resume) -> list[dict[str, Any]]:
        return await self._each(args, self._resume)

    async def _resume(self, job: Job) -> Job:
        if job.live and job.intent is Intent.PAUSE:
            return await self.engine.supervisor.take_back(job)
        return await self._back(job, self._allowed(job, "resume", "resumed"), "resumed")

    async def do_retry(self, _: Peer, args: requests.Retry) -> list[dict[str, Any]]:
        return await self._each(args, self._retry)

    async def _retry(self, job: Job) -> Job:
        return await self._back(job, self._allowed(job, "retry", "retried"), "tried again")

    async def _back(self, job: Job, states: list[State], reason: str) -> Job:
        """Queue a job again with a clean slate; it does not wait again for a predecessor that will never be done."""
        after = tuple(a for a in job.after if a in self.queue.jobs and not _lost(self.queue.jobs[a]))
        self.engine.supervisor.not_before.pop(job.id, None)
        changes = {"crashes": 0, "mark": None, "hint": "", "after": after, "ended": None}
        if job.over:
            return await self.queue.bring_back(job, states, reason, **changes)
        return await self.queue.transition(job, states, State.QUEUED, reason, **changes)

    async def do_cancel(self, _: Peer, args: requests.Cancel) -> list[dict[str, Any]]:
        intent = Intent.KILL if args.now else Intent.CANCEL

        async def cancel(job: Job) -> Job:
            if job.live:
                return await self.engine.supervisor.ask(job, intent)
            return await self.queue.transition(
                job,
                self._allowed(job, "cancel", "cancelled"),
                State.CANCELLED,
                "cancelled",
                hint="`queue retry` brings it back",
                ended=time.time(),
            )

        return await self._each(args, cancel)

    async def do_hold(self, _: Peer, args: requests.Hold) -> list[dict[str, Any]]:
        async def hold(job: Job) -> Job:
            states = self._allowed(job, "hold", "held")
            return await self.queue.transition(
                job, states, State.HELD, "held by hand", hint="`queue resume` releases it"
            )

        return await self._each(args, hold)

    async def do_hold_queue(self, _: Peer, args: requests.HoldQueue) -> dict[str, Any]:
        await self.queue.set_on_hold(args.on)
        return self.status()

    async def do_move(self, _: Peer, args: requests.Move) -> list[dict[str, Any]]:
        refused: list[dict[str, Any]] = []
        ids: list[str] = []
        for name in args.ids:
            job = None
            try:
                job = self.queue.find(name)
                if job.over:
                    raise UserError(
                        f"job {job_number(job.id)} is {job.state}", "only waiting jobs can be moved"
                    )
            except UserError as problem:
                refused.append({"job": job and self.wire(job), "error": str(problem)})
            else:
                ids.append(job.id)
        ids = list(dict.fromkeys(ids))
        if not ids:
            return refused
        where = args.where
        active = [job for job in self.queue.ordered() if not job.over and job.id not in ids]
        if where == "first":
            before = next((job.id for job in active if not job.live), None)
        elif where == "last":
            before = None
        else:
            target = self.queue.find(where)
            if target.id in ids:
                raise UserError(
                    f"job {job_number(target.id)} cannot go before itself",
                    "name another waiting job",
                )
            if target.over:
                raise UserError(f"job {job_number(target.id)} is not waiting", "name a waiting job")
            before = target.id
        moved = await self.queue.move(ids, before)
        return [*({"job": self.wire(job), "error": None} for job in moved), *refused]

    async def do_stop(self, _: Peer, args: requests.Stop) -> dict[str, Any]:
        """End the service. With `jobs`, workers first write a checkpoint and their jobs go back to the queue;
        otherwise they continue and the next service adopts them.
        """
        asked = []
        try:
            if args.jobs:
                self.engine.stop()
                for job in [job for job in self.queue.jobs.values() if job.live and job.intent is None]:
                    with contextlib.suppress(StaleError):  # it has just ended by itself
                        await self.engine.supervisor.ask(job, Intent.STOP)
                        asked.append(job.id)
                self.stops_jobs = True
        finally:
            self._stop()  # nothing starts any more, so there is nothing to wait for
        return {"workers": self.engine.supervisor.worker_count, "stopped": asked}

    async def _each(
        self, args: requests.Change, change: Callable[[Job], Awaitable[Job]]
    ) -> list[dict[str, Any]]:
        """Apply one change to several jobs; each succeeds or fails independently."""
        names = args.ids
        if not names:
            raise UsageError("no jobs are given", "give the ids that `queue list` shows")
        results: list[dict[str, Any]] = []
        for name in names:
            error = None
            try:
                job = self.queue.find(name)
            except UserError as problem:
                results.append({"job": None, "error": str(problem)})
                continue
            try:
                await self._on_current(job.id, change)
            except (UserError, BusyError) as problem:
                error = str(problem)
            except StaleError as problem:
                error = f"{problem.what}; try again"
            results.append({"job": self.wire(self.queue.jobs[job.id]), "error": error})
        return results

    async def _on_current(self, job_id: str, change: Callable[[Job], Awaitable[Job]]) -> Job:
        """Change the current state of a job. If the job started or ended in the meantime, try again with its new
        state: the user wants to cancel the job, not one attempt.
        """
        for _ in range(STALE_TRIES - 1):
            with contextlib.suppress(StaleError):
                return await change(self.queue.jobs[job_id])
        return await change(self.queue.jobs[job_id])

    def _allowed(self, job: Job, change: Change, done: str) -> list[State]:
        """Return the states in which `change` is allowed. Raises UserError if the job is in none of them."""
        allowed = states_that_take(change)
        if job.state not in allowed:
            raise UserError(f"job {job_number(job.id)} is {job.state} and cannot be {done}")
        return [*allowed]


def _lost(job: Job) -> bool:
    return job.state in LOST
