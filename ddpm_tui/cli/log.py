"""What `runs log` and `runs metrics --json` do with a run that has ended, or that trains."""

import sys
import time
from pathlib import Path
from threading import Event, Thread

from ddpm_tui.cli.common import home, note, print_json, print_json_line, say
from ddpm_tui.words import plural
from engine.base.errors import DdpmError
from engine.base.files import is_locked
from engine.base.folders import RunFolder

LOOK_S = 1.0
"""Between looks at a run that is followed."""


def print_rows(run: RunFolder, follow: bool) -> None:
    """Print a run's rows as JSON lines, each once; with `follow` until its training ends."""
    from engine.runs.metrics import RowsReader

    reader = RowsReader(run.metrics)
    last: dict[str, float] = {}
    while True:
        trains = is_locked(run.lock)
        for row in reader.new():
            # A run that goes back to a checkpoint writes the lines after it once more.
            if row["step"] > last.get(row["kind"], -1):
                last[row["kind"]] = row["step"]
                print_json_line(row)
        sys.stdout.flush()
        if not (follow and trains):
            return
        time.sleep(LOOK_S)


def log_to(run: str, texts: tuple[str, ...], once: bool, as_json: bool) -> None:
    """Log a run to each target and say how many steps each got. Raises UsageError, UserError, DamagedError; of several
    targets the first error, when the others are done."""
    from engine.loggers.following import log_run
    from engine.loggers.targets import LogTarget, parse_target
    from engine.runs.record import find_run

    folder = find_run(home(), run)
    targets = list(dict.fromkeys(parse_target(text, Path.cwd()) for text in texts))
    for target in targets:
        target.check()
    stopping, done, errors = Event(), {}, []

    def log(target: LogTarget) -> None:
        try:
            done[str(target)] = log_run(folder, target, not once, note, stopping.is_set)
        except DdpmError as error:
            errors.append(error)

    if not once and is_locked(folder.lock):
        note(f"following run {run!r} until its training ends; Ctrl-C stops")
    threads = [Thread(target=log, args=(target,)) for target in targets]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stopping.set()
        for thread in threads:
            thread.join()
    if as_json:
        print_json({"run": run, "steps": done})
    else:
        for name, steps in done.items():
            say(f"{plural(steps, 'new line')} of steps in {name}")
    if errors:
        raise errors[0]
