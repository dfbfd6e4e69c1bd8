"""`ddpm-tui queue …`: show, move and stop jobs. Every command is one request to the engine."""

import shutil
import sys
from typing import Any

import click

from ddpm_tui.cli import complete, queue_add, queue_status, queue_watch
from ddpm_tui.cli.common import json_option, note, print_json, say
from ddpm_tui.cli.connection import ensure_engine
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.cli.queue_disk import look
from ddpm_tui.cli.queue_text import details, listing, remark
from engine.base.errors import UsageError
from engine.base.home import Home
from engine.service.states import job_number

job_ids = click.argument("ids", nargs=-1, required=True, shell_complete=complete.jobs)


@click.group(cls=NounGroup)
def queue() -> None:
    """Background jobs: training, sampling, evaluation. They survive logout, crashes and reboots."""


for command in (
    queue_add.train,
    queue_add.sample,
    queue_add.evaluate,
    queue_status.status,
    queue_watch.wait,
    queue_watch.logs,
):
    queue.add_command(command)


@queue.command("list")
@click.option("--all", "everything", is_flag=True, help="Also list all finished jobs.")
@click.option("--watch", is_flag=True, help="Update the list every two seconds, until Ctrl-C.")
@json_option
def list_(everything: bool, watch: bool, as_json: bool) -> None:
    """List the last finished jobs, the running ones, and the waiting ones in the order in which they start."""
    if watch:
        if as_json:
            raise UsageError("--watch and --json exclude each other", "give one of them")
        queue_watch.watch_list(everything)
        return
    answer = look(Home.find(), "list", all=everything)
    if as_json:
        print_json(answer)
        return
    width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 1000
    for line in listing(answer, width):
        say(*line)


@queue.command()
@click.argument("job", metavar="ID", shell_complete=complete.jobs)
@json_option
def show(job: str, as_json: bool) -> None:
    """Show one job: its state and the reason for it, its history, the end of its log."""
    answer = look(Home.find(), "show", id=job)
    if as_json:
        print_json(answer)
    else:
        for line in details(answer):
            say(line)


@queue.command()
@job_ids
@json_option
def pause(ids: tuple[str, ...], as_json: bool) -> None:
    """Pause jobs; a running one checkpoints and frees its device."""
    _change("pause", ids, as_json)


@queue.command()
@click.argument("ids", nargs=-1, shell_complete=complete.jobs)
@json_option
def resume(ids: tuple[str, ...], as_json: bool) -> None:
    """Resume paused and held jobs; without IDs, resume a queue on hold."""
    _change("resume", ids, as_json) if ids else _hold_queue(False, as_json)


@queue.command()
@click.argument("ids", nargs=-1, shell_complete=complete.jobs)
@json_option
def hold(ids: tuple[str, ...], as_json: bool) -> None:
    """Hold waiting jobs; without IDs, start no further jobs."""
    _change("hold", ids, as_json) if ids else _hold_queue(True, as_json)


@queue.command()
@job_ids
@click.option("--now", is_flag=True, help="Kill running jobs without a checkpoint.")
@json_option
def cancel(ids: tuple[str, ...], now: bool, as_json: bool) -> None:
    """Cancel jobs; a running training checkpoints first."""
    _change("cancel", ids, as_json, now=now)


@queue.command()
@job_ids
@json_option
def retry(ids: tuple[str, ...], as_json: bool) -> None:
    """Queue failed, cancelled and held jobs again, with their numbers."""
    _change("retry", ids, as_json)


@queue.command()
@job_ids
@click.option("--first", is_flag=True, help="Before all waiting jobs.")
@click.option("--last", is_flag=True, help="After all waiting jobs.")
@click.option("--before", metavar="ID", shell_complete=complete.jobs, help="Directly before this job.")
@json_option
def move(ids: tuple[str, ...], first: bool, last: bool, before: str | None, as_json: bool) -> None:
    """Change the order of waiting jobs."""
    if [first, last, before is not None].count(True) != 1:
        raise UsageError("the new place is missing", "give one of --first, --last, --before ID")
    _change("move", ids, as_json, where=before or ("first" if first else "last"))


def _change(do: str, ids: tuple[str, ...], as_json: bool, **args: Any) -> None:
    with ensure_engine(Home.find()) as client:
        answers = client.request(do, ids=list(ids), **args)
    failed = [answer for answer in answers if answer["error"]]
    if as_json:
        print_json(answers)
    else:
        for answer in answers:
            job = answer["job"]
            if not answer["error"]:
                say(f"{job_number(job['id'])}  {job['state']}  {job['title']}  {remark(job)}".rstrip())
        for answer in failed:
            note(f"error: {answer['error']}")
    if failed:
        raise SystemExit(1)


def _hold_queue(on: bool, as_json: bool) -> None:
    with ensure_engine(Home.find()) as client:
        status = client.request("hold_queue", on=on)
    if as_json:
        print_json(status)
    else:
        say(
            "The queue is on hold: running jobs continue, no new ones start."
            if on
            else "The queue continues."
        )
