"""`on_end` of settings.toml: a shell command of the user that is run for each job that has ended.

The engine never depends on it: a separate thread starts the command and waits at most a minute, and the engine does
not wait for it when it ends. If the engine is killed, a notice may be lost; none is sent twice.
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
"""Seconds after which a command and its child processes are killed."""

MOST_WAITING = 100
"""The most notices that wait behind a slow one; further ones are dropped."""

_MOST_SAID = 4096
_MOST_LINES = 20
"""The most bytes and lines at the end of a command's output that are kept."""

_MOST_MESSAGE = 2000
"""The most characters of a message; systems refuse to start programs with much longer ones."""


def is_told(job: Job) -> bool:
    """Return whether a job that has just changed has ended, or needs the user's attention."""
    if job.state is State.PAUSED:
        return (job.result or {}).get("outcome") == "disk_full"
    return job.state in (State.DONE, State.FAILED, State.HELD)


def facts(home: Home, job: Job) -> dict[str, str]:
    """Return the variables in a command's environment. All are text; DDPM_RUN is empty for a job without a run."""
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
        """Schedule `command` for `job`. Returns at once and never raises."""
        try:
            self._waiting.put_nowait((job, command))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="on_end", daemon=True)
                self._thread.start()
        except queue.Full:
            log.warning("job %s: on_end is skipped, because %d notices are waiting", job.id, MOST_WAITING)
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
    """Poll a descriptor; `select` does not support descriptors from 1024 on."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(timeout * 1000))


def _listen(process: "subprocess.Popen[bytes]", end: float) -> bytes:
    """Return the last output of a process until it ends, or until the monotonic time `end`. Its child processes may
    keep the output open, so its end is not waited for.
    """
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
