"""The context of a job inside a worker: its spec, reporting, and requests to stop.

Knows nothing about torch or about particular kinds of job.
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
"""Seconds that a job waits for the end of a shortage of system resources before it ends its attempt."""
LONGEST_PAUSE_S = 10.0


class Stopped(DdpmError):
    """Raised if the job was asked to stop and has nothing more to save."""


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
        """Return torch's name of the device to compute on: the one that this worker was given, or else the job's, or
        else `wish`, the profile's.
        """
        if self._place is not None:
            return self._place.inside(os.environ)
        return self.spec.device if self.spec.device != "auto" else wish

    def device_name(self, device: str) -> str:
        """Return the name of `device` for the queue and for users."""
        return device if self._place is None else self._place.name

    def report(self, phase: Phase, done: int = 0, total: int = 0, unit: str = "steps", **facts: Any) -> None:
        """Report the job's progress. A new phase is written at once, other changes as often as INTERVAL allows."""
        # Intervals use the monotonic clock, because the wall clock may be set; it is only recorded.
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
        """Write one line to the worker's log and, if there is one, to the run's. On a full disk, lines are lost but
        the work continues; data that must be kept reports the full disk itself.
        """
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}"
        with contextlib.suppress(OSError):  # a full disk: the work matters more than its log
            print(line, file=self._stream, flush=True)
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener(line)

    @contextlib.contextmanager
    def also_saying(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Call `listener` for every line too, in the block."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def patiently(self, do: Callable[[], _T], most_s: float = PATIENCE_S) -> _T:
        """Call `do` and, during a shortage of files, processes or locks, repeat it with growing pauses for at most
        `most_s` seconds. Repeating must be harmless. Raises whatever `do` raises.
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

    def raise_if_stopping(self, hint: str = "run it again; it starts from the beginning") -> None:
        """Raise Stopped if the job should stop. For jobs that can simply be repeated."""
        if self.stopping:
            raise Stopped(f"stopped by {self.stopping}", hint)
