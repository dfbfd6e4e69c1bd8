"""What `runs log` does: one logger after the other for a run that has ended, all at once for one that trains."""

from pathlib import Path
from threading import Event, Thread

from ddpm_tui.cli.common import home, note, print_json, say
from ddpm_tui.words import plural
from engine.base.errors import DdpmError
from engine.base.files import is_locked


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
