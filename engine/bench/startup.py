"""A user's waiting times: for the command line's help, for the screen's first picture, for a worker's first step.

The programs are started as a user starts them; nothing of the terminal's is imported here.
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.bench.options import Options
from engine.bench.timing import in_turns, ratio
from engine.config.profile import Profile
from engine.jobs.context import Work

PAINT_TIMEOUT_S = 20.0
ROWS, COLUMNS = 24, 80


def measure_startup(
    work: Work, scratch: Path, profile: Profile, device: str, options: Options
) -> dict[str, Any]:
    """Return the seconds of each, in turns; the worker's first step with the parts it waited for."""
    environment = {**os.environ, "DDPM_HOME": str(scratch / "startup"), "TERM": "xterm-256color"}
    python = sys.executable
    cases: dict[str, Callable[[], object]] = {
        "python": lambda: _run([python, "-c", "pass"], environment),
        "import click": lambda: _run([python, "-c", "import click"], environment),
        "ddpm-tui --help": lambda: _run([python, "-m", "ddpm_tui.cli.main", "--help"], environment),
    }

    def between(name: str) -> None:
        work.raise_if_stopping()
        work.report("starting", text=f"bench: {name}")

    times = in_turns(cases, 5 if options.quick else 15, between=between, cpu_clock=_children)
    found: dict[str, Any] = {
        "rows": [{"what": name, **series.to_json()} for name, series in times.items()],
        "help_over_click": ratio(times["ddpm-tui --help"], times["import click"]),
        "help_over_click_cpu": ratio(times["ddpm-tui --help"], times["import click"], cpu=True),
    }
    between("the screen's first picture")
    paints = sorted(_first_paint(environment) for _ in range(1 if options.quick else 5))
    found["first_paint_s"] = paints[len(paints) // 2]
    between("a worker's first step")
    found["first_step"] = _first_step(profile, device, environment)
    return found


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _first_paint(environment: dict[str, str]) -> float:
    """Return the seconds from starting the program in a terminal of its own to a screen of text in it; infinite if
    none came.

    Painted means: the alternate screen was entered and as many characters as a fifth of the screen came after it.
    """
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    started = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "ddpm_tui.cli.main"], env=environment, start_new_session=True,
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    took = float("inf")
    try:
        while time.perf_counter() - started < PAINT_TIMEOUT_S:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    seen += os.read(ours, 1 << 16)
                except OSError:
                    break
            _, entered, after = seen.partition(b"\x1b[?1049h")
            if entered and len(after) > ROWS * COLUMNS // 5:
                took = time.perf_counter() - started
                break
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        # A drawing program may wait for its terminal to take more output: read it until the program has ended.
        while child.poll() is None and time.perf_counter() - started < 2 * PAINT_TIMEOUT_S:
            if select.select([ours], [], [], 0.05)[0]:
                try:
                    os.read(ours, 1 << 16)
                except OSError:
                    break
        if child.poll() is None:
            child.kill()
        child.wait()
        os.close(ours)
        _stop_engine(environment)
    return took


def _stop_engine(environment: dict[str, str]) -> None:
    """Stop the service that the screen starts for its (here: our scratch) home; it must not stay behind."""
    subprocess.run(
        [sys.executable, "-m", "ddpm_tui.cli.main", "engine", "stop"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def _first_step(profile: Profile, device: str, environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "engine.bench.first_step", device, str(time.monotonic())],
        input=json.dumps(profile.to_dict()), env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
