"""`on_end` of settings.toml: a shell command of the user's that is told of each job that has come to its end.

Whatever the command does, the engine goes on: one thread of its own starts it, waits a minute and no longer, and
is not waited for when the engine ends. A notice may be missed where the engine is killed; none is sent twice.
"""

import contextlib
import logging
import os
import queue
import select
import signal
import subprocess
import threading
import time

from engine.base.home import Home
from engine.jobs.kinds import title
from engine.service.states import Job, State, job_number

log = logging.getLogger(__name__)

LIMIT_S = 60.0
"""Seconds after which a command is killed, with all that it started."""

MOST_WAITING = 100
"""Notices that wait behind one that takes long; what comes on top of them is left out."""

_MOST_SAID = 4096
_MOST_LINES = 20
"""Bytes and lines from the end of a command's output that are kept."""

_MOST_MESSAGE = 2000
"""Characters of a message; a system refuses to start a program with far longer ones."""


def is_told(job: Job) -> bool:
    """Whether a job that has just changed has ended, or stands until somebody does something about it."""
    if job.state is State.PAUSED:
        return (job.result or {}).get("outcome") == "disk_full"
    return job.state in (State.DONE, State.FAILED, State.HELD)


def facts(home: Home, job: Job) -> dict[str, str]:
    """What a command finds in its environment. Everything is text; DDPM_RUN is empty for a job without a run."""
    found = {
        "DDPM_HOME": str(home.root),
        "DDPM_JOB": job_number(job.id),
        "DDPM_KIND": job.kind,
        "DDPM_RUN": job.run or "",
        "DDPM_TITLE": title(job.kind, job.run, job.args),
        "DDPM_OUTCOME": str(job.state),
        "DDPM_MESSAGE": job.reason[:_MOST_MESSAGE],
    }
    return {name: value.replace("\0", " ") for name, value in found.items()}


class Notices:
    """Runs the commands one after another, in the order in which the jobs ended. `limit_s`: see LIMIT_S."""

    def __init__(self, home: Home, limit_s: float = LIMIT_S) -> None:
        self._home = home
        self._limit_s = limit_s
        self._waiting: queue.Queue[tuple[Job, str]] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None

    def tell(self, job: Job, command: str) -> None:
        """Have `command` run for `job`, soon. Returns at once and raises nothing."""
        try:
            self._waiting.put_nowait((job, command))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="on_end", daemon=True)
                self._thread.start()
        except queue.Full:
            log.warning("job %s: on_end is left out, %d notices wait already", job.id, MOST_WAITING)
        except RuntimeError as error:  # no thread can be started
            self._thread = None
            log.warning("job %s: on_end cannot be started (%s)", job.id, error)

    def _work(self) -> None:
        while True:
            job, command = self._waiting.get()
            try:
                self._run(job, command)
            except Exception as error:
                log.warning("job %s: on_end cannot be started (%s)", job.id, error)

    def _run(self, job: Job, command: str) -> None:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **facts(self._home, job)},
            start_new_session=True,
        )
        end = time.monotonic() + self._limit_s
        said = _listen(process, end)
        try:
            code = process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        for line in said.decode(errors="replace").splitlines()[-_MOST_LINES:]:
            log.info("job %s: on_end: %s", job.id, line)
        if code is None:
            log.warning("job %s: on_end took more than %g s and was killed", job.id, self._limit_s)
        elif code:
            log.warning("job %s: on_end ended with exit code %d", job.id, code)


def _has_more(descriptor: int, timeout: float) -> bool:
    """Also of descriptors from 1024 on, which `select` does not take."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(timeout * 1000))


def _listen(process: "subprocess.Popen[bytes]", end: float) -> bytes:
    """The last of what a process says until it ends, or until the monotonic time `end`. What it leaves behind may
    go on holding its output, so the end of that is not waited for."""
    assert process.stdout is not None
    said = b""
    with process.stdout as pipe:
        while (left := end - time.monotonic()) > 0:
            if _has_more(pipe.fileno(), min(left, 0.1)):
                chunk = os.read(pipe.fileno(), 1 << 16)
                if not chunk:
                    break
                said = (said + chunk)[-_MOST_SAID:]
            elif process.poll() is not None:
                break
    return said
