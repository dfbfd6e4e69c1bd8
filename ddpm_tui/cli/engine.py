"""`ddpm-tui engine …`: start, stop and inspect the background service. Other commands start it when they need it."""

import time
from typing import Any

import click

from ddpm_tui.cli.common import json_option, note, print_json, say
from ddpm_tui.cli.connection import connect, ensure_engine
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.cli.numbers import LINES
from ddpm_tui.cli.openmetrics import metrics
from ddpm_tui.cli.queue_watch import follow_file
from ddpm_tui.words import duration
from engine.base.files import is_locked, lock_holder
from engine.base.home import Home
from engine.client.sync import NotRunningError


@click.group(cls=NounGroup)
def engine() -> None:
    """The background service behind the queue. It keeps running after you log out."""


engine.add_command(metrics)


@engine.command()
@json_option
def start(as_json: bool) -> None:
    """Start the engine, unless it is running."""
    with ensure_engine(Home.find()) as client:
        _print(client.request("status"), as_json)


@engine.command()
@click.option(
    "--jobs",
    is_flag=True,
    help="Also checkpoint and stop running jobs; they continue when the engine starts again.",
)
def stop(jobs: bool) -> None:
    """Stop the engine. Running jobs continue, and the next engine adopts them."""
    from engine.client.ending import stop_engine

    note("Stopping…")
    left = stop_engine(Home.find(), jobs)
    if left is None:
        say("The engine is not running.")
        return
    more = f" {left} running job{'s' * (left != 1)} continue{'s' * (left == 1)} without it." if left else ""
    say(f"The engine has stopped.{more}")


@engine.command()
@json_option
def restart(as_json: bool) -> None:
    """Stop the engine and start that of this version, for example after an update. Running jobs continue."""
    from engine.client.ending import restart_engine

    with restart_engine(Home.find()) as client:
        _print(client.request("status"), as_json)


@engine.command()
@json_option
def status(as_json: bool) -> None:
    """Show the engine's state, devices and problems. Exit code 1 if it is not running."""
    home = Home.find()
    try:
        with connect(home) as client:
            _print(client.request("status"), as_json)
    except NotRunningError:
        holder = lock_holder(home.engine_lock) if is_locked(home.engine_lock) else None
        if as_json:
            print_json({"running": False, "home": str(home.root), "holder": holder})
        else:
            say(
                f"{holder} holds the engine's lock but does not answer."
                if holder
                else "The engine is not running."
            )
        raise SystemExit(1) from None


def _print(status: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({"running": True, **status})
        return
    keeper = "your systemd user manager" if status.get("keeper") == "systemd" else "a session of its own"
    counts = ", ".join(f"{count} {state}" for state, count in sorted(status["jobs"].items())) or "none"
    # If the clock was set back, the time would be negative.
    up = duration(max(0.0, time.time() - status["started"]))
    say(f"engine   {status['version']} runs, pid {status['pid']}, for {up}, in {keeper}")
    say(f"home     {status['home']}")
    say(f"devices  {', '.join(status['slots'])}; {status['workers']} working")
    say(f"jobs     {counts}" + ("; the queue is on hold" if status["on_hold"] else ""))
    for problem in status["problems"]:
        say(f"problem  {problem}")


@engine.command()
@click.option("-f", "--follow", is_flag=True)
@click.option("-n", "lines", type=LINES, default=50, show_default=True, help="Lines from the end.")
def logs(follow: bool, lines: int) -> None:
    """Show the engine's log."""
    follow_file(Home.find().engine_log, lines, (lambda: False) if follow else None)
