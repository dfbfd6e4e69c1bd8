"""Running a job in the foreground: create its folder, start a worker as a child process, show its progress and
result.

torch stays in the worker. Ctrl-C reaches only this process; it is passed on once, and the worker then checkpoints and
exits.
"""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import click

from ddpm_tui.cli.common import drop_output, note, print_json_line
from ddpm_tui.cli.views import ProgressView, Quiet, choose
from engine.base.files import MAKE_ROOM
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.base.records import open_data, read_tail
from engine.base.scarcity import ScarceError
from engine.jobs.files import (
    AHEAD,
    EXIT_DISK_FULL,
    EXIT_QUIT,
    EXIT_STOPPED,
    Result,
    read_progress,
    read_result,
)
from engine.service.foreground import (
    POLL_S,
    JobFailedError,
    death,
    last_result,
    new_foreground_job,
    start_worker,
)
from engine.service.launchers.local import LocalWorker

PATIENCE_S = 3.0
"""Seconds that a worker may take to exit after a second Ctrl-C before it is killed; killing it loses nothing more."""
TAIL_LINES = 12
LOG_BYTES = 1 << 20
"""Bytes of a worker's log that are read at a time."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *AHEAD)


class _Signals:
    """Passes signals on to the worker: the first of each kind asks it to stop, a second Ctrl-C to exit at once."""

    def __init__(self) -> None:
        self.worker: LocalWorker | None = None
        self.first: int | None = None
        self.interrupts = 0
        self.hung_up = False
        self.unread = ""
        """The reason why output can no longer be written; "" while it can."""
        self.passed_on = False
        self.unsaid: list[str] = []
        """A message for the watching loop to print, because a signal handler must not write."""

    def __call__(self, number: int, _: FrameType | None) -> None:
        self.first = self.first or number
        if number == signal.SIGHUP:
            self.hung_up = True
        if number == signal.SIGINT:
            self.interrupts += 1
        if self.worker is not None:
            self._pass_on(number)

    def lose_output(self, error: OSError) -> None:
        """Stop the worker as if the terminal had gone: it must not continue alone. stderr may still be usable."""
        self.unread = f"the output cannot be written ({error.strerror or error})"
        self(signal.SIGHUP, None)

    def watch_over(self, worker: LocalWorker) -> None:
        """Send signals to `worker` from now on, including one that arrived while it was being started."""
        self.worker = worker
        if self.first is not None and not self.passed_on:
            self._pass_on(self.first)

    def _pass_on(self, number: int) -> None:
        assert self.worker is not None
        again, self.passed_on = self.passed_on, True
        if number != signal.SIGINT:
            if not again:
                self.worker.stop()
            return
        if self.interrupts > 2:
            self.worker.kill()
            return
        self.worker.interrupt()
        if self.interrupts == 1:
            self.unsaid.append("stopping at the next safe point; press Ctrl-C again to stop at once")

    @contextmanager
    def caught(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            for number in SIGNALS:
                # If the parent process ignored a signal (nohup, a background job), keep ignoring it.
                if before[number] is not signal.SIG_IGN:
                    signal.signal(number, self)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_job(
    home: Home,
    kind: str,
    run: str | None,
    args: dict[str, Any],
    *,
    device: str = "auto",
    quiet: bool = False,
    json_lines: bool = False,
    go_on: str | None = None,
    on_look: Callable[[ProgressView], None] = lambda view: None,
) -> Result:
    """Run one job in a worker, showing its progress, and return its result.

    quiet: show nothing · json_lines: progress and result as JSON lines on stdout · go_on: the command that continues
    an unfinished job · on_look: called about ten times a second with the view.

    Raises JobFailedError with the worker's message and exit code. If the command was told to stop, raises click's
    Exit with EXIT_STOPPED, or with EXIT_QUIT if unsaved work is lost.
    """
    view = choose(quiet=quiet, json_lines=json_lines)
    folder = new_foreground_job(home, kind, run, args, device)
    signals = _Signals()
    with signals.caught():
        worker = start_worker(home, folder, device)
        signals.watch_over(worker)
        try:
            try:
                _watch(folder, worker, view, signals, on_look)
            except OSError as error:
                drop_output()
                signals.lose_output(error)
                _watch(folder, worker, view, signals, on_look)
        finally:
            if not signals.hung_up:
                view.close()
            with suppress(OSError, ScarceError):
                worker.sweep()
    result = last_result(folder)
    if json_lines and result is not None and not signals.hung_up:
        print_json_line({"event": "result", **asdict(result)})
    return _judge(folder, result, worker.exit_code, signals, go_on)


def _watch(
    folder: JobFolder,
    worker: LocalWorker,
    view: ProgressView,
    signals: _Signals,
    on_look: Callable[[ProgressView], None],
) -> None:
    """Show progress and messages until the worker has ended. Nothing is written to a terminal that has gone."""
    words = _Words(folder.log)
    patience = PATIENCE_S
    heard: list[str] = []
    ended = False
    while not ended:
        ended = worker.wait_here(POLL_S)
        if signals.interrupts > 1 and not ended:
            patience -= POLL_S
            if patience <= 0:
                worker.kill()
        shown: ProgressView = Quiet() if signals.hung_up else view
        said, signals.unsaid = signals.unsaid, []
        # Each line is held back until the next look, so that the last one can be left out: the command reports it in
        # its own words.
        result = last_result(folder) if ended else _result(folder) if heard else None
        heard, due = words.new(), heard
        for line in [*due, *(heard if ended else []), *said]:
            if result is None or line != result.message:
                shown.line(line)
        progress = read_progress(folder)
        if progress is not None and not ended:
            shown.update(progress)
        if not signals.hung_up:
            on_look(view)


def _result(folder: JobFolder) -> Result | None:
    """Return the result, or None if there is none or it cannot be read now."""
    with suppress(ScarceError):
        return read_result(folder)
    return None


class _Words:
    """The worker's own messages. What libraries print stays in the log."""

    STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.*)")

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = 0

    def new(self) -> list[str]:
        try:
            with open_data(self._log) as file:
                file.seek(self._offset)
                content = file.read(LOG_BYTES)
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = []
        for line in whole.decode(errors="replace").splitlines():
            stamped = self.STAMP.fullmatch(line)
            # Errors are printed once, at the end.
            if stamped and not stamped[1].startswith(("error:", "Traceback")):
                found.append(stamped[1])
        return found


def _judge(
    folder: JobFolder, result: Result | None, code: int | None, signals: _Signals, go_on: str | None
) -> Result:
    if result is not None and result.outcome == "done":
        return result
    if result is None and code == EXIT_DISK_FULL:  # the disk was too full to write a result
        raise JobFailedError(f"no room to write to {folder.path.parent.parent}", MAKE_ROOM, code)
    if result is None and code == EXIT_STOPPED and signals.first is None:  # stopped by another process
        raise JobFailedError(
            "stopped by another process, after a checkpoint", go_on and f"go on with: {go_on}", code
        )
    stopped = result is None or result.outcome == "stopped"
    if signals.first is not None and stopped:
        quit_at_once = result is None and signals.interrupts > 1 and code in (EXIT_QUIT, -signal.SIGKILL)
        if signals.unread or not signals.hung_up:
            what, hint = "stopped before anything was done", go_on and f"go on with: {go_on}"
            if result is not None:
                what, hint = result.message, result.hint or hint
            elif quit_at_once:
                what = "stopped at once: the work since the last checkpoint is lost"
            said = f"{signals.unread}: {what}" if signals.unread else what
            with suppress(OSError):
                note(f"{said}{f' — {hint}' if hint else ''}")
        raise click.exceptions.Exit(EXIT_QUIT if quit_at_once else EXIT_STOPPED)
    if signals.hung_up and not signals.unread:  # nobody is there to read the reason
        raise click.exceptions.Exit(1 if result is None else result.exit_code or 1)
    if result is not None:
        raise JobFailedError(result.message, result.hint, result.exit_code or 1, result)
    if code == EXIT_DISK_FULL:  # the result could not be written either
        raise JobFailedError(
            "no room on the disk", MAKE_ROOM + (f": {go_on}" if go_on else ""), EXIT_DISK_FULL
        )
    _print_tail(folder)
    raise JobFailedError(
        f"the worker of job {folder.id} {death(code)} (its output is above and in {folder.log})",
        f"continue from the last checkpoint with: {go_on}" if go_on else None,
    )


def _print_tail(folder: JobFolder) -> None:
    try:
        lines = read_tail(folder.log, 1 << 16)[0].decode(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        return
    for line in lines:
        note(f"  {line.expandtabs()}")
