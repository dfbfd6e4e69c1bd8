"""A process that counts what profiles cost, for as long as somebody asks: `python -m engine.worker.estimator HOME`.

It loads torch once, so that an editor can ask at every change. Lines of JSON go in and out:
    {"id": 3, "profile": {…}}  →  {"id": 3, "figures": {…}}  or  {"id": 3, "error": "…", "hint": "…"}
Only the newest request is answered; one that a newer one overtook is dropped without a word. The end of its
input ends it at once, also in the middle of a count. It measures nothing and leaves the device alone: that is
what the "estimate" job is for.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from engine.base.errors import DdpmError
from engine.base.files import without_nan
from engine.base.home import Home
from engine.base.records import loads_json
from engine.device.place import Place
from engine.device.threads import wait_briefly

NICENESS = 5
"""The niceness: training takes precedence; a higher value would make users wait half a minute beside a training on
the CPU.
"""


class Newest:
    """A mailbox for one request: a new one replaces the old one."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._letter: str | None = None

    def put(self, letter: str) -> None:
        with self._arrived:
            self._letter = letter
            self._arrived.notify()

    def take(self) -> str:
        """Wait for a request."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._letter is not None)
            letter, self._letter = self._letter, None
        assert letter is not None
        return letter


def main(argv: list[str] | None = None) -> int:
    home = Home(Path((argv or sys.argv[1:])[0]))
    os.nice(NICENESS)
    wait_briefly()
    answers = _own_output()
    box = Newest()
    threading.Thread(target=_listen, args=(sys.stdin, box), daemon=True).start()
    while True:
        answer = _answer(home, box.take())
        try:
            answers.write(json.dumps(without_nan(answer)) + "\n")
            answers.flush()
        except OSError:  # the reader has gone
            return 0


def _own_output() -> TextIO:
    """Reserve standard output for answers, and redirect the output of libraries to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _listen(lines: TextIO, box: Newest) -> None:
    for line in lines:
        box.put(line)
    os._exit(0)  # the requesting process is gone, so there is nothing to finish


def _answer(home: Home, line: str) -> dict[str, Any]:
    number = None
    try:
        request = loads_json(line.encode())
        number = request["id"]
        return {"id": number, "figures": _count(home, request["profile"])}
    except DdpmError as error:
        return {"id": number, "error": error.what, "hint": error.hint}
    except Exception as error:
        return {"id": number, "error": f"{type(error).__name__}: {error}", "hint": None}


def _count(home: Home, plain: dict[str, Any]) -> dict[str, Any]:
    import torch

    from engine.config.store import build_profile
    from engine.device import plan as precision
    from engine.training.estimate import count

    profile = build_profile(plain, "the profile")
    place, wanted = Place.given(os.environ), profile.training.device
    device = place.inside(os.environ) if place and wanted == "auto" else wanted
    plan = precision.decide(precision.gather(device), profile)
    torch.set_num_threads(1)
    return count(home, profile, plan)


if __name__ == "__main__":
    sys.exit(main())
