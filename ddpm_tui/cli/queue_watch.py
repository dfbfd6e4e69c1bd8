"""`ddpm-tui queue wait|logs` and `list --watch`: following jobs, also through restarts of the engine."""

import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import Line, note, rich_line, say
from ddpm_tui.cli.connection import connect, ensure_engine
from ddpm_tui.cli.numbers import LINES, SECONDS
from ddpm_tui.cli.queue_disk import look
from ddpm_tui.cli.queue_text import listing, remark
from engine.base.errors import UserError
from engine.base.home import Home
from engine.base.records import open_data, read_tail
from engine.client.sync import Client, NotRunningError
from engine.jobs.files import EXIT_DISK_FULL
from engine.service.job_states import STATES, State
from engine.service.states import job_number


@click.command()
@click.argument("ids", nargs=-1, shell_complete=complete.jobs)
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="Give up after this time (exit code 1).")
@click.option("--quiet", "-q", is_flag=True)
def wait(ids: tuple[str, ...], timeout: float | None, quiet: bool) -> None:
    """Wait until jobs have ended; without IDs, all running and waiting jobs. The exit code is the job's. With several
    jobs it is the first that is not 0, or 1 if the only error is an unknown ID.

    Waiting also ends if a job needs your attention: with 1 if it is held, with 73 if the disk was full.
    """
    end = None if timeout is None else time.monotonic() + timeout
    told: dict[str, str] = {}
    while True:
        try:
            with ensure_engine(Home.find()) as client:
                ids = ids or tuple(
                    job["id"] for job in client.request("list")["jobs"] if _comes(job["state"])
                )
                jobs, unknown = _shown(client, ids, told)
                client.request("subscribe", topics=["jobs"])
                codes = _wait(client, {job["id"]: job for job in jobs}, end, told, quiet)
        except NotRunningError:
            continue  # it died or was restarted; the jobs are in its files
        raise SystemExit(next((code for code in codes if code), int(unknown)))


def _shown(client: Client, ids: tuple[str, ...], told: dict[str, str]) -> tuple[list[dict[str, Any]], bool]:
    """Return the jobs, and whether some id is unknown. With several ids an unknown one is reported once; a single one
    is an error.
    """
    jobs, unknown = [], False
    for name in ids:
        try:
            jobs.append(client.request("show", id=name))
        except UserError as error:
            if len(ids) == 1:
                raise
            if name not in told:
                note(f"error: {error}")
            told[name], unknown = "unknown", True
    return jobs, unknown


def _wait(
    client: Client, jobs: dict[str, dict[str, Any]], end: float | None, told: dict[str, str], quiet: bool
) -> list[int]:
    """Return the exit codes of `jobs` (by id, in order) once all have ended."""
    while True:
        # Requested again after subscribing, so that no event is missed between the two.
        for job_id in jobs:
            jobs[job_id] = client.request("show", id=job_id)
            state = jobs[job_id]["state"]
            if told.get(job_id) != state and not quiet:
                note(
                    f"{job_number(job_id)}  {state}  {jobs[job_id]['title']}  {remark(jobs[job_id])}".rstrip()
                )
            told[job_id] = state
        if all(_at_rest(job) for job in jobs.values()):
            return [_exit_code(job) for job in jobs.values()]
        while True:
            left = 3600.0 if end is None else end - time.monotonic()
            if left <= 0:
                if not quiet:
                    note("gave up waiting")
                raise SystemExit(1)
            if any(e["event"] != "job" or e["job"]["id"] in jobs for e in client.events(left)):
                break


LOG_BYTES = 1 << 20
"""Bytes of a log that are read at a time."""
ASK_S = 1.0
"""Seconds between two requests whether the followed job has ended."""
WATCH_S = 2.0
"""Seconds between two updates of a watched list."""


def watch_list(everything: bool) -> None:
    """Update the list in place until Ctrl-C. If the output is not such a terminal, print it once with a note."""
    home = Home.find()
    answer = look(home, "list", all=everything)
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        note("--watch needs a terminal that can move its cursor; the list is printed once")
        for line in listing(answer, 1000):
            say(*line)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        trouble = ""
        while True:
            head: Line = [time.strftime("%H:%M:%S") + (trouble or "  every 2 s; Ctrl-C ends it")]
            lines = [head, *listing(answer, shutil.get_terminal_size((120, 24)).columns)]
            live.update(Text("\n").join(map(rich_line, lines)), refresh=True)
            time.sleep(WATCH_S)
            try:  # do not start an engine: a user who stops it in the meantime wants it stopped
                with connect(home) as client:
                    answer, trouble = client.request("list", all=everything), ""
            except NotRunningError:
                trouble = "  ! no engine answers; this is its last answer"


def _comes(state: str) -> bool:
    """Return whether a job in this state ends without an action of the user."""
    return state in STATES and STATES[State(state)].comes


def _at_rest(job: dict[str, Any]) -> bool:
    state = job["state"]
    return (state in STATES and not _comes(state) and state != State.PAUSED) or _lacks_room(job)


def _lacks_room(job: dict[str, Any]) -> bool:
    """Return whether the job is paused because the disk is full; it continues only after space is freed."""
    return job["state"] == "paused" and (job.get("result") or {}).get("outcome") == "disk_full"


def _exit_code(job: dict[str, Any]) -> int:
    if job["state"] == "done":
        return 0
    if _lacks_room(job):
        return EXIT_DISK_FULL
    result = job.get("result") or {}
    return int(result.get("exit_code") or 1) if job["state"] == "failed" else 1


@click.command()
@click.argument("job", metavar="ID", shell_complete=complete.jobs)
@click.option("-f", "--follow", is_flag=True, help="Print new lines until the job has ended.")
@click.option("-n", "lines", type=LINES, default=50, show_default=True, help="Lines from the end.")
def logs(job: str, follow: bool, lines: int) -> None:
    """Show the output of a job's worker."""
    home = Home.find()
    answer = look(home, "show", id=job)
    path = Path(answer["log"])
    follow_file(path, lines, (lambda: _is_over(home, answer["id"])) if follow else None)


def _is_over(home: Home, job_id: str) -> bool:
    answer = look(home, "show", id=job_id)
    return answer["state"] in STATES and not _comes(answer["state"])


def follow_file(path: Path, lines: int, over: Any) -> None:
    """Print the last `lines` of a file; with `over`, continue until it returns True and no new lines are there."""
    position = 0
    held = b""
    with contextlib.suppress(FileNotFoundError):
        content, position = read_tail(path, max(LOG_BYTES, 200 * max(0, lines)))
        _say_log(content.splitlines()[-lines:] if lines > 0 else [])
    looked = time.monotonic()
    while over is not None:
        fresh = b""
        with contextlib.suppress(FileNotFoundError), open_data(path) as file:
            if file.seek(0, 2) < position:
                position, held = 0, b""  # the log was replaced
            file.seek(position)
            fresh = file.read(LOG_BYTES)
            position += len(fresh)
        if fresh:
            # An incomplete line may end in the middle of a character.
            *whole, held = _LINE_END.split(held + fresh)
            if len(held) > LOG_BYTES:  # no line ending, or too long to be read as a line
                whole, held = [*whole, held], b""
            _say_log(whole)
            sys.stdout.flush()
        elif time.monotonic() - looked > ASK_S:
            if over():
                _say_log([held] if held else [])
                return
            looked = time.monotonic()
        time.sleep(0.2)


_LINE_END = re.compile(rb"\r?\n|\r(?!\n|$)")


def _say_log(lines: Iterable[bytes]) -> None:
    for line in lines:
        say(line.decode(errors="replace").expandtabs())
