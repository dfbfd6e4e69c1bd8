"""Display of a foreground job's progress: bars on a terminal, plain lines at intervals elsewhere, JSON lines.

A view receives the worker's progress and messages; it knows nothing about processes or signals.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol, TextIO

from ddpm_tui.cli.common import print_json_line, printable, say
from ddpm_tui.words import duration, learning_rate, number, plural, rate
from engine.jobs.files import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

PLAIN_INTERVAL_S = 15.0
JSON_INTERVAL_S = 1.0


class ProgressView(Protocol):
    """A display of a job's progress."""

    def update(self, progress: Progress) -> None:
        """Show the newest progress; called several times a second."""

    def line(self, text: str) -> None:
        """Show one line that the worker printed."""

    def aside(self, draw: Callable[[TextIO], object]) -> None:
        """Let `draw` write to the terminal without a bar in its way."""

    def close(self) -> None:
        """End the display; the job has ended."""


class Quiet:
    """Shows nothing: for --json without lines, or if the terminal has gone."""

    def update(self, progress: Progress) -> None:
        pass

    def line(self, text: str) -> None:
        pass

    def aside(self, draw: Callable[[TextIO], object]) -> None:
        pass

    def close(self) -> None:
        pass


class JsonLines(Quiet):
    """Prints JSON objects, one per line: progress at most once a second, and the worker's messages."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[str, float] = ("", float("-inf"))

    def update(self, progress: Progress) -> None:
        phase, then = self._last
        now = self._clock()
        if progress.phase != phase or now - then >= JSON_INTERVAL_S:
            self._last = (progress.phase, now)
            print_json_line({"event": "progress", **asdict(progress)})

    def line(self, text: str) -> None:
        print_json_line({"event": "log", "text": text})


class Plain(Quiet):
    """Prints lines for a file or a pipe: the worker's messages, and its progress every 15 seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def update(self, progress: Progress) -> None:
        now = self._clock()
        if progress.total and now - self._last >= PLAIN_INTERVAL_S:
            self._last = now
            say(describe(progress))
            sys.stdout.flush()

    def line(self, text: str) -> None:
        say(text)
        sys.stdout.flush()

    def aside(self, draw: Callable[[TextIO], object]) -> None:
        draw(sys.stdout)


class ProgressBar:
    """Shows a progress bar at the bottom, and the worker's messages above it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._stream = stream
        self._console = Console(file=stream, highlight=False)
        self._bars: Bars | None = None

    def update(self, progress: Progress) -> None:
        bars = self._bars or self._start()
        bars.update(
            bars.task_ids[0],
            completed=progress.done,
            total=progress.total or None,
            description=_phase(progress),
            facts=printable("  ".join(facts(progress))),
        )

    def line(self, text: str) -> None:
        if self._stream is not sys.stdout:
            say(text)
        else:
            self._console.print(printable(text), markup=False)

    def aside(self, draw: Callable[[TextIO], object]) -> None:
        self._stop()
        draw(self._stream)

    def close(self) -> None:
        self._stop()

    def _start(self) -> "Bars":
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[facts]}", markup=False),
            console=self._console,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._bars.start()
        self._bars.add_task("starting", total=None, facts="")
        return self._bars

    def _stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def choose(*, quiet: bool = False, json_lines: bool = False) -> ProgressView:
    """Return the view that suits the output."""
    if json_lines:
        return JsonLines()
    if quiet:
        return Quiet()
    if os.environ.get("TERM") != "dumb":
        for stream in (sys.stdout, sys.stderr):
            if stream.isatty():
                return ProgressBar(stream)
    return Plain()


def _phase(progress: Progress) -> str:
    return printable(progress.text or progress.phase) if progress.phase != "training" else "training"


def facts(progress: Progress) -> list[str]:
    """Return the texts beside the bar: counts, epoch, loss, speed, time left. They are short enough for 80 columns."""
    found = []
    if progress.epoch is not None and progress.to_epoch is not None:
        found.append(f"epoch {progress.epoch:.1f}/{progress.to_epoch:g}")
    elif progress.total:
        found.append(f"{progress.done:,}/{progress.total:,} {progress.unit}")
    if progress.loss is not None:
        found.append(f"loss {number(progress.loss)}")
    if progress.images_per_s:
        found.append(rate(progress.images_per_s))
    if progress.eta_s is not None and progress.done < progress.total:
        found.append(f"{duration(progress.eta_s)} left")
    return found


def describe(progress: Progress) -> str:
    """Return the same texts as one plain line."""
    share = f"{100 * progress.done / progress.total:.0f} %" if progress.total else ""
    parts = [
        progress.phase,
        share,
        plural(progress.done, progress.unit.rstrip("s")) if progress.total else "",
    ]
    parts += facts(progress)[progress.epoch is None and bool(progress.total) :]
    if progress.lr is not None:
        parts.append(f"lr {learning_rate(progress.lr)}")
    return ", ".join(part for part in parts if part)
