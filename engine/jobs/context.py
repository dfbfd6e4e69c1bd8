"""What every kind of job has at hand inside a worker: its spec, a way to report, and whether to stop.

Knows nothing of torch or of what a job does.
"""

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TextIO, TypeVar

from engine.base.errors import DdpmError
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.base.scarcity import may_pass, scarce
from engine.device.place import Place
from engine.jobs.files import JobSpec, Phase, Progress, write_progress

_T = TypeVar("_T")

PATIENCE_S = 600.0
"""How long a job waits for what the system is short of, before it ends its attempt."""
LONGEST_PAUSE_S = 10.0


class Stopped(DdpmError):
    """The job was asked to stop and has nothing more to save."""


class Work:
    """One job in one worker. `report` may be called at every step: it writes at most four times a second."""

    INTERVAL = 0.25

    def __init__(self, home: Home, folder: JobFolder, spec: JobSpec, stream: TextIO = sys.stdout) -> None:
        self.home, self.folder, self.spec = home, folder, spec
        self._place = Place.given(os.environ)
        self.stopping: str | None = None
        self._stream = stream
        self._progress = Progress(device=None)
        self._written = -math.inf
        self._listeners: list[Callable[[str], None]] = []

    def device(self, wish: str = "auto") -> str:
        """Where to compute, as torch calls it here: on the device that this worker was given, else on the one that
        the job names, else as `wish` says, which is the profile's."""
        if self._place is not None:
            return self._place.inside(os.environ)
        return self.spec.device if self.spec.device != "auto" else wish

    def device_name(self, device: str) -> str:
        """What the queue and people call `device`."""
        return device if self._place is None else self._place.name

    def report(self, phase: Phase, done: int = 0, total: int = 0, unit: str = "steps", **facts: Any) -> None:
        """Say where the job is. A new phase is written at once, the rest as often as INTERVAL allows."""
        # Intervals are measured by a clock that nobody sets: the wall clock is only written down.
        now = time.monotonic()
        if facts.get("device"):
            facts["device"] = self.device_name(facts["device"])
        new_phase = phase != self._progress.phase
        self._progress = replace(
            self._progress, phase=phase, done=done, total=total, unit=unit, time=time.time(), **facts
        )
        if new_phase or now - self._written >= self.INTERVAL or (total and done >= total):
            write_progress(self.folder, self._progress)
            self._written = now

    def say(self, text: str) -> None:
        """One line for people: the worker's log, and the run's where there is one. A full disk loses lines, not the
        work: what has to be kept says by itself that there is no room."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}"
        with contextlib.suppress(OSError):  # a full disk: what is done matters more than what is said of it
            print(line, file=self._stream, flush=True)
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener(line)

    @contextlib.contextmanager
    def also_saying(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Inside, `listener` hears every line too."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def patiently(self, do: Callable[[], _T], most_s: float = PATIENCE_S) -> _T:
        """Do something, and while the system is short of files, processes or locks for it, do it again, later each
        time, for at most `most_s` seconds. What is done again must do no harm. Raises whatever `do` raises.
        """
        began, pause = time.monotonic(), 0.1
        while True:
            try:
                return do()
            except Exception as error:
                if not may_pass(error) or time.monotonic() - began >= most_s:
                    raise
                if pause == 0.1:
                    self.say(f"waiting: {scarce(error)}")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def stop(self, why: str) -> None:
        """Ask the job to stop at its next safe point. Called from signal handlers."""
        self.stopping = why

    def raise_if_stopping(self, hint: str = "run it again: it begins anew") -> None:
        """For jobs that can simply be done again. Raises Stopped."""
        if self.stopping:
            raise Stopped(f"stopped by {self.stopping}", hint)
