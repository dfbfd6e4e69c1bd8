"""Starting loggers beside a training, each as a process of its own that the training never waits for."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable

from engine.base.errors import DdpmError
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.loggers.targets import parse_target


def start_loggers(
    home: Home, run: RunFolder, targets: Iterable[str], say: Callable[[str], None]
) -> list[subprocess.Popen[bytes]]:
    """Start `python -m engine.loggers` for each target; relative folders are in the home. A target that cannot be
    logged to is reported, and does not stop training."""
    started = []
    for text in dict.fromkeys(targets):
        try:
            target = parse_target(text, home.root)
            target.check()
            (run.path / "logs").mkdir(mode=0o700, exist_ok=True)
            with open(run.path / "logs" / "log.txt", "ab") as words:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "engine.loggers", str(run.path), str(target)],
                    stdin=subprocess.DEVNULL,
                    stdout=words,
                    stderr=words,
                    cwd=home.root,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    start_new_session=True,
                )
        except (DdpmError, OSError) as error:
            say(f"the run is not logged to {text}: {error}")
            continue
        started.append(process)
        say(f"logged to {target} by process {process.pid}")
    return started
