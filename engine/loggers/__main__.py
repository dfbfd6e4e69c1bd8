"""`python -m engine.loggers RUN_FOLDER TARGET`: follow a run that trains, until it has ended."""

import signal
import sys
import time
from pathlib import Path

from engine.base.errors import DdpmError
from engine.base.folders import RunFolder
from engine.loggers.following import log_run
from engine.loggers.targets import parse_target


def main() -> int:
    """Log as the command line says; report an error in one line."""
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stopped.append(got))

    def say(text: str) -> None:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)

    folder, target = Path(sys.argv[1]), sys.argv[2]
    try:
        steps = log_run(
            RunFolder(folder), parse_target(target, folder), say=say, stopping=lambda: bool(stopped)
        )
    except DdpmError as error:
        say(f"error: {error}")
        return error.exit_code
    say(f"{steps:,} lines of steps were logged to {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
