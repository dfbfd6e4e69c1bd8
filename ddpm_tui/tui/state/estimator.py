"""The costs of a profile, while the user types: one process that has torch loaded answers all questions of this
session.

It is started at the first question, ends with the app (its input ends, however the app ends),
and after some minutes without a question. This module knows pipes and JSON; torch is on the other side.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

from engine.base.errors import UserError
from engine.base.home import Home
from engine.base.records import loads_json
from engine.service.launchers.local import worker_environment
from engine.service.settings import read_settings
from engine.service.spawn import python_path

IDLE_S = 120.0
"""Without a question for so long it gives its memory (a torch) back."""
REMEMBERED = 64
ATTEMPTS = 3
"""Ends in a row, without an answer between them, after which it is left alone for a while."""
REST_S = 30.0
LONGEST = 32 << 10
"""Characters of a profile. A pipe holds 64 KiB: a longer question could not be put into it at once."""


class Estimating(Protocol):
    """The part of the estimator that the screens use."""

    async def figures(self, profile: dict[str, Any]) -> dict[str, Any] | None:
        """Return the unmeasured figures of `engine.training.estimate`; None if a newer question was asked meanwhile.

        Raises UserError if they cannot be told.
        """

    async def close(self) -> None:
        """End the process."""


class Estimator:
    """Asks `command` (python -m engine.worker.estimator HOME), one question at a time; the newest wins.

    Used from one event loop. A thread waits for the answers and for the end of the process.
    """

    def __init__(self, home: Home, command: Sequence[str] | None = None) -> None:
        self.home = home
        self.command = list(
            command or (sys.executable, "-P", "-m", "engine.worker.estimator", str(home.root))
        )
        self.log = home.estimator_log
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._asked: tuple[int, asyncio.Future[dict[str, Any] | None]] | None = None
        self._number = 0
        self._ends = 0
        self._ended_at = 0.0
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """Return the living process's id."""
        return self._process.pid if self._process is not None else None

    async def figures(self, profile: dict[str, Any]) -> dict[str, Any] | None:
        """Return the figures; see Estimating."""
        key = json.dumps(profile, sort_keys=True)
        if len(key) > LONGEST:
            raise UserError(
                "the profile is too long to be counted", "a text in it may have been pasted by mistake"
            )
        self._overtake()
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        self._number += 1
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        process = self._process or self._start()
        self._asked = (self._number, answer)
        self._stay()
        line = json.dumps({"id": self._number, "profile": profile}).encode() + b"\n"
        assert process.stdin is not None
        try:
            if os.write(process.stdin.fileno(), line) < len(line):
                raise BlockingIOError
        except BlockingIOError:  # it has not read for dozens of questions: stopped, or hanging
            process.kill()
        except OSError:
            pass  # it has ended; the reader reports how
        figures = await answer
        if figures is not None:
            self._known[key] = figures
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return figures

    def _overtake(self) -> None:
        if self._asked is not None and not self._asked[1].done():
            self._asked[1].set_result(None)
        self._asked = None

    def _start(self) -> "subprocess.Popen[bytes]":
        if self._ends >= ATTEMPTS and time.monotonic() > self._ended_at + REST_S:
            self._ends = 0
        if self._ends >= ATTEMPTS:
            raise UserError(f"the estimator ended {self._ends} times without an answer", f"see {self.log}")
        environment = {**os.environ, "DDPM_HOME": str(self.home.root), "PYTHONPATH": python_path()}
        slots = read_settings(self.home.settings)[0].devices
        if slots and all(slot == "cpu" for slot in slots):  # a queued job will not see a GPU either
            environment = worker_environment(environment, "cpu")
        try:
            with open(self.log, "wb") as log:
                process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=self.home.root,
                    env=environment,
                    start_new_session=True,  # the terminal's Ctrl-C is not meant for it
                )
        except OSError as error:
            raise UserError(
                f"the estimator cannot be started ({error.strerror})", f"see {self.log}"
            ) from None
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        self._process = process
        loop = asyncio.get_running_loop()
        self._reader = threading.Thread(target=self._read, args=(process, loop), daemon=True)
        self._reader.start()
        return process

    def _read(self, process: "subprocess.Popen[bytes]", loop: asyncio.AbstractEventLoop) -> None:
        """Read the answers, in the thread."""
        assert process.stdout is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is no listener any more
            with process.stdout:
                for line in process.stdout:
                    loop.call_soon_threadsafe(self._take, line)
            loop.call_soon_threadsafe(self._ended, process, process.wait())

    def _ended(self, process: "subprocess.Popen[bytes]", code: int) -> None:
        assert process.stdin is not None
        process.stdin.close()
        if self._process is not process:
            return
        self._process = None
        if self._asked is not None and not self._asked[1].done():
            self._ends += 1
            self._ended_at = time.monotonic()
            self._asked[1].set_exception(
                UserError(f"the estimator ended ({_how(code)})", "the next change starts it again")
            )

    def _take(self, line: bytes) -> None:
        try:
            answer = loads_json(line)
            number = answer["id"]
        except (ValueError, KeyError, TypeError):
            return
        self._ends = 0
        if self._asked is None or self._asked[0] != number or self._asked[1].done():
            return
        if "figures" in answer:
            self._asked[1].set_result(answer["figures"])
        else:
            self._asked[1].set_exception(UserError(str(answer.get("error")), answer.get("hint")))

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._hang_up)

    def _hang_up(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()

    async def close(self) -> None:
        """End the process; open questions are answered with None."""
        self._overtake()
        if self._idle is not None:
            self._idle.cancel()
        process = self._process
        self._hang_up()
        if process is not None:
            process.kill()  # its input has ended, but it notices only after loading its libraries (a second)
        if self._reader is not None:
            await asyncio.to_thread(self._reader.join, 2.0)


def _how(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
