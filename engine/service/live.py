"""Events for subscribers: changed jobs at once; progress and new files of runs by polling, only while there are
subscribers and running jobs. An idle service never wakes up.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from engine.base.home import Home
from engine.jobs.files import read_progress
from engine.service.dispatcher import Dispatcher
from engine.service.queue import Queue
from engine.service.server import Server
from engine.service.states import Job

log = logging.getLogger(__name__)

LOOK_S = 0.25
RUN_EVERY = 4
"""Checks of progress per check of a run's folders."""


class Live:
    """Sends changes to the server's subscribers. `wire` converts a job to its form for clients."""

    def __init__(
        self,
        home: Home,
        queue: Queue,
        engine: Dispatcher,
        server: Server,
        wire: Callable[[Job], dict[str, Any]],
    ) -> None:
        self.home = home
        self.queue = queue
        self.engine = engine
        self.server = server
        self._wire = wire
        self._wake = asyncio.Event()
        self._progress: dict[str, int] = {}
        self._runs: dict[str, dict[str, int]] = {}
        self._engine_state: dict[str, Any] = {}
        queue.listeners.append(self._job_changed)
        queue.change_listeners.append(self._wake.set)
        queue.problem_listeners.append(self._wake.set)
        engine.wait_listeners.append(self._waits_changed)

    def look(self) -> None:
        """Check again after a client subscribed or left."""
        self._wake.set()

    def _job_changed(self, job: Job) -> None:
        if self.server.has_subscribers("jobs"):
            self.server.broadcast("jobs", f"job:{job.id}", {"event": "job", "job": self._wire(job)})
        if not job.live:
            self._progress.pop(job.id, None)
        self._wake.set()

    def _waits_changed(self) -> None:
        self.server.broadcast("jobs", "waits", {"event": "waits", "waits": self.engine.waits})

    async def run(self) -> None:
        """Poll while there are running jobs and subscribers."""
        count = 0
        while True:
            live = [job for job in self.queue.jobs.values() if job.live]
            listened = self.server.has_subscribers("progress") or self.server.has_subscribers("runs")
            self._tell_engine()
            if not live or not listened:
                self._wake.clear()
                await self._wake.wait()
                continue
            for job in live:
                self._look_at_progress(job)
            if count % RUN_EVERY == 0:
                for run in {job.run for job in live if job.run}:
                    self._look_at_run(run)
            count += 1
            await asyncio.sleep(LOOK_S)

    def _look_at_progress(self, job: Job) -> None:
        path = self.home.job(job.id).progress
        try:
            changed = path.stat().st_mtime_ns
            if self._progress.get(job.id) == changed:
                return
        except OSError:
            return
        progress = read_progress(self.home.job(job.id))
        if progress is None:
            return
        self._progress[job.id] = changed
        message = {"event": "progress", "job": job.id, "run": job.run, "progress": asdict(progress)}
        self.server.broadcast("progress", f"progress:{job.id}", message)

    def _look_at_run(self, run: str) -> None:
        folder = self.home.run(run)
        now = {}
        for path in (folder.checkpoints, folder.previews, folder.samples, folder.evaluations):
            with contextlib.suppress(OSError):
                now[path.name] = path.stat().st_mtime_ns
        before = self._runs.get(run)
        self._runs[run] = now
        if before is None or before == now:
            return
        changed = sorted(name for name in now if now[name] != before.get(name))
        self.server.broadcast("runs", f"run:{run}", {"event": "run", "run": run, "changed": changed})

    def _tell_engine(self) -> None:
        state = {"problems": list(self.queue.problems.values()), "on_hold": self.queue.on_hold}
        if state != self._engine_state:
            self._engine_state = state
            self.server.broadcast("engine", "engine", {"event": "engine", **state})
