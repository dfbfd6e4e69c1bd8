"""`ddpm-tui queue status`: the queue in one line. It starts no engine, so a status bar may call it all day."""

import time
from typing import Any

import click

from ddpm_tui.cli.common import json_option, print_json, say
from ddpm_tui.cli.queue_text import told
from ddpm_tui.silence import silence
from ddpm_tui.words import left, number
from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.client.sync import Client


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show the running job, its progress and the number of waiting jobs in one line, for a status bar or a prompt.

    Prints "idle" if no job is running. Starts no engine; if none is running, it reads the queue from the disk.

    \b
    tmux: set -g status-interval 5; set -g status-right-length 90
          set -g status-right '#(ddpm-tui queue status)'
    """
    jobs, on_hold, engine = queue_now(Home.find())
    if not as_json:
        say(status_line(jobs, on_hold, engine))
        return
    states = [job["state"] for job in jobs]
    counts = {state: states.count(state) for state in sorted(set(states))}
    at_work = [job for job in jobs if job["state"] in ("running", "starting")]
    print_json({"engine": engine, "on_hold": on_hold, "counts": counts, "running": at_work})


def queue_now(home: Home) -> tuple[list[dict[str, Any]], bool, bool]:
    """All jobs, whether the queue is on hold, and whether an engine answered; else the jobs are read from the disk."""
    try:
        with Client(home) as client:
            answer = client.request("list")
        return answer["jobs"], answer["on_hold"], True
    except DdpmError:  # no engine is running, it hangs, or it is of another version
        return _on_disk(home), False, False


def _on_disk(home: Home) -> list[dict[str, Any]]:
    from ddpm_tui.cli.queue_disk import wire_on_disk
    from engine.service.rebuild import jobs_on_disk

    return [wire_on_disk(home, job) for job in jobs_on_disk(home)]


def status_line(jobs: list[dict[str, Any]], on_hold: bool, engine: bool) -> str:
    """Return for example "celeba32-1 epoch 12.4/50, loss 0.0312, 2 h 05 min left, 3 waiting". engine: whether one
    answers.
    """
    states = [job["state"] for job in jobs]
    waiting = states.count("queued") + states.count("interrupted")
    parts = [_at_work(job) for job in jobs if job["state"] in ("running", "starting")] or ["idle"]
    if waiting:
        parts.append(f"{waiting} waiting" + ("" if engine else " for the engine"))
    if held := states.count("held"):
        parts.append(f"{held} held")
    if on_hold:
        parts.append("queue on hold")
    return ", ".join(parts)


def _at_work(job: dict[str, Any]) -> str:
    name = job["run"] if job["kind"] == "train" else job["title"]
    progress = told(job.get("progress"))
    if progress is None:
        return f"{name} starting"
    parts = [f"{name} {progress.phase}"]
    if progress.epoch is not None and progress.to_epoch:
        parts = [f"{name} epoch {progress.epoch:.1f}/{progress.to_epoch:g}"]
    elif progress.total:
        parts = [f"{name} {progress.done}/{progress.total}"]
    if silent := silence(progress, time.time()):
        return ", ".join([*parts, silent])
    if progress.loss is not None:
        parts.append(f"loss {number(progress.loss)}")
    elif progress.images_per_s:
        parts.append(f"{number(progress.images_per_s)}/s")
    if progress.eta_s:
        parts.append(f"{left(progress.eta_s)} left")
    return ", ".join(parts)
