"""The queue inside the service: rows in memory, every change written to the database first, by one thread.

Reading never uses the disk, so listings are fast even if a disk is slow or full. Each change is written by the
thread, noted in the job's folder, and only then announced to the listeners.
"""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from engine.base.errors import BusyError, DamagedError, DdpmError, unknown
from engine.base.failpoints import reach
from engine.base.files import write_json
from engine.base.home import Home
from engine.base.scarcity import is_scarce, scarce
from engine.service import runs
from engine.service.needed import kept_meanwhile
from engine.service.rebuild import jobs_from_folders, was_on_hold
from engine.service.scheduling import in_order
from engine.service.states import Job, State, Transition, job_number
from engine.service.store import QueueStore

log = logging.getLogger(__name__)

Value = TypeVar("Value")
Listener = Callable[[Job], None]

HOLD = "on_hold"

SHORTAGE = "shortage"
SHORT_S = 10.0
"""Seconds for which a shortage is shown after its last occurrence."""


class Queue:
    """All jobs. `jobs` is the state last written; `listeners` are called for every changed row."""

    def __init__(self, home: Home, store: QueueStore) -> None:
        self.home = home
        self.jobs: dict[str, Job] = {job.id: job for job in store.jobs()}
        self.listeners: list[Listener] = []
        self.change_listeners: list[Callable[[], None]] = []
        self.problems: dict[str, str] = {}
        self.problem_listeners: list[Callable[[], None]] = []
        self.on_hold = store.meta(HOLD) == "1"
        self._changes: dict[str, int] = {}
        self._change = 0
        self._store = store
        self._relief: asyncio.TimerHandle | None = None
        self._unwanted: list[Path] = []
        self._thread = ThreadPoolExecutor(1, "queue")
        # Start the thread now: during a later shortage of resources it might not be possible.
        self._thread.submit(lambda: None).result()

    @classmethod
    def open(cls, home: Home) -> "Queue":
        """Open the database; if it is new or was damaged, fill it from the job folders."""
        store = QueueStore.open(home.queue_db)
        queue = cls(home, store)
        if store.set_aside:
            queue.problems["database"] = (
                f"the queue's database was damaged; it is kept as {store.set_aside.name}, "
                "and the queue was rebuilt from the job folders"
            )
        if store.fresh and was_on_hold(home):
            store.set_meta(HOLD, "1")
            queue.on_hold = True
        complaints: list[str] = []
        for job in jobs_from_folders(home, queue.jobs, complaints.append):
            try:
                store.insert(job)
            except BusyError as error:  # another folder from the same request: a duplicate
                complaints.append(f"{home.job(job.id).path} is left out of the queue: {error}")
                continue
            queue.jobs[job.id] = job
        queue.problems |= {f"folder {number}": text for number, text in enumerate(complaints)}
        queue._count_changes()
        return queue

    def _count_changes(self) -> None:
        self._changes = self._store.last_changes()
        self._change = max(self._changes.values(), default=0)

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._remove_unwanted()
        self._store.close()

    # Reading.

    def ordered(self) -> list[Job]:
        return in_order(self.jobs.values())

    def over(self) -> list[Job]:
        """Return finished jobs in the order in which they ended, whatever the clock said."""
        found = [job for job in self.jobs.values() if job.over]
        return sorted(found, key=lambda job: (self.change_of(job.id), job.id))

    def change_of(self, job_id: str) -> int:
        """Return the number of a job's last transition; numbers increase over all jobs, unlike clock times."""
        return self._changes.get(job_id, 0)

    def find(self, name: str) -> Job:
        """Find a job by its id as typed ("12" or "000012"). Raises UserError."""
        job_id = name.zfill(6) if name.isdecimal() else name
        if job_id not in self.jobs:
            still = [job_number(job.id) for job in self.ordered() if not job.over]
            raise unknown("job", name, still, "see `queue list --all`")
        return self.jobs[job_id]

    def by_token(self, token: str | None) -> Job | None:
        """Return the job of an earlier, identical request."""
        if token is None:
            return None
        return next((job for job in self.jobs.values() if job.token == token), None)

    async def history(self, job_id: str) -> list[Transition]:
        return await self.in_thread(lambda: self._store.history(job_id))

    # Writing.

    async def in_thread(self, work: Callable[[], Value]) -> Value:
        """Run slow or writing work in the queue's thread, in the order of the calls."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def add(self, make: Callable[[], Job]) -> Job:
        """Create the job's folder (in the thread) and its row, at the place of its priority; neither if the row
        cannot be written.
        """

        def work() -> list[Job]:
            self._remove_unwanted()
            job = make()
            reach("service.folder_made")
            try:
                return self._mended(lambda: self._store.enter(job))
            except Exception:
                # The client is told of the failure; without this, the next engine would adopt a folder without a row.
                self._unwanted.append(self.home.job(job.id).path)
                self._remove_unwanted()
                raise

        return await self._change_order(work)

    def _remove_unwanted(self) -> None:
        """Remove folders of jobs that were not added; those that cannot be removed now are tried again next time."""
        for path in self._unwanted:
            shutil.rmtree(path, ignore_errors=True)
        self._unwanted = [path for path in self._unwanted if path.exists()]

    async def transition(
        self, job: Job, before: Iterable[State], to: State, reason: str, **changes: Any
    ) -> Job:
        """Make a transition, see Store.transition. Listeners are called once it is durable."""
        states = list(before)

        def work() -> Job:
            reach(f"service.before_{to}")
            new = self._mended(lambda: self._store.transition(job, states, to, reason, **changes))
            reach(f"service.after_{to}")
            return new

        return self._tell(await self._safely(work))

    async def update(self, job: Job, states: Iterable[State], **changes: Any) -> Job:
        """Change columns, see Store.update."""
        wanted = list(states)
        return self._tell(
            await self._safely(lambda: self._mended(lambda: self._store.update(job, wanted, **changes)))
        )

    async def bring_back(self, job: Job, before: Iterable[State], reason: str, **changes: Any) -> Job:
        """Queue a finished job again, see Store.bring_back. Raises UserError if a checkpoint that the job needs no
        longer exists.
        """
        states = list(before)

        def work() -> list[Job]:
            # A branch that was created is a run, and no longer needs its base.
            made = job.kind == "train" and job.run is not None and runs.exists(self.home, job.run)
            with kept_meanwhile(self.home, {} if made else job.args):
                return self._store.bring_back(job, states, reason, **changes)

        return await self._change_order(work)

    async def move(self, ids: Sequence[str], before: str | None) -> list[Job]:
        """Change the order, see Store.move. Returns the moved jobs."""
        await self._change_order(lambda: self._store.move(ids, before))
        return [self.jobs[job_id] for job_id in ids]

    async def _change_order(self, work: Callable[[], list[Job]]) -> Job:
        """Run a change that may give several jobs new ranks; return the first of them."""
        changed = await self._safely(lambda: self._mended(work))
        for job in changed:
            self._tell(job)
        return self.jobs[changed[0].id]

    async def set_on_hold(self, on_hold: bool) -> None:
        await self._safely(lambda: self._mended(lambda: self._store.set_meta(HOLD, "1" if on_hold else "0")))
        self.on_hold = on_hold
        self._thread.submit(self._keep, self.home.queue_note, {"on_hold": on_hold})
        self.changed()

    async def _safely(self, work: Callable[[], Value]) -> Value:
        """Run to the end even if the caller is cancelled, so that memory and disk stay consistent."""
        return await asyncio.shield(self.in_thread(work))

    def _mended(self, work: Callable[[], Value]) -> Value:
        """Run `work`; if the file is found damaged, write a new one from memory and run it again."""
        try:
            return work()
        except DamagedError as error:
            aside = self._store.start_again(self.jobs.values())
            self._store.set_meta(HOLD, "1" if self.on_hold else "0")
            text = f"{error.what}; it is kept as {aside and aside.name} and was written anew"
            log.error("%s", text)
            self.problems["database"] = text
            return work()

    def _tell(self, job: Job) -> Job:
        before = self.jobs.get(job.id)
        if before is None or before.state is not job.state:
            self._change += 1
            self._changes[job.id] = self._change
        self.jobs[job.id] = job
        self._note(job)
        for listener in self.listeners:
            try:
                listener(job)
            except Exception as error:  # an observer must not undo the change
                self.trouble("listeners", f"telling of job {job_number(job.id)}", error)
        self.changed()
        return job

    def trouble(self, key: str, doing: str, error: BaseException) -> None:
        """Show to all clients that a part of the engine failed; `engine.log` has the details."""
        if is_scarce(error):
            self.say_shortage(error)
            return
        log.error("%s failed", doing, exc_info=error)
        self.say_problem(
            key, f"{doing} failed ({type(error).__name__}: {str(error)[:200]}); see `engine logs`"
        )

    def say_shortage(self, error: BaseException) -> None:
        """Show a shortage for some seconds after its last occurrence."""
        said = scarce(error)
        text = f"{said.what}; jobs wait and are retried — {said.hint}"
        if self.problems.get(SHORTAGE) != text:
            log.warning("%s", text)
            self.say_problem(SHORTAGE, text)
        if self._relief is not None:
            self._relief.cancel()
        with contextlib.suppress(RuntimeError):  # no event loop is running yet
            self._relief = asyncio.get_running_loop().call_later(SHORT_S, self.say_problem, SHORTAGE, None)

    def say_problem(self, key: str, text: str | None) -> None:
        """Set the current problem of a cause; None: solved."""
        before = self.problems.get(key)
        if text is None:
            self.problems.pop(key, None)
        else:
            self.problems[key] = text
        if before != text:
            for listener in self.problem_listeners:
                listener()

    def changed(self) -> None:
        """Mark that something has changed that affects which jobs may start."""
        for listener in self.change_listeners:
            listener()

    def _note(self, job: Job) -> None:
        """Store the row in the job's folder too, in case the database is lost. This does not need an fsync."""

        def work() -> None:
            folder = self.home.job(job.id)
            if folder.path.is_dir():
                self._keep(folder.queue_note, job.to_wire())

        self._thread.submit(work)

    @staticmethod
    def _keep(path: Path, content: dict[str, Any]) -> None:
        with contextlib.suppress(OSError, DdpmError):
            write_json(path, content, durable=False)
