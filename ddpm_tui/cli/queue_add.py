"""`ddpm-tui queue train|sample|evaluate`: add jobs. The engine resolves and checks the arguments."""

from pathlib import Path
from typing import Any

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import check_steps, json_option, print_json, say, set_option
from ddpm_tui.cli.connection import insistent_request
from ddpm_tui.cli.evaluate import measure_options
from ddpm_tui.cli.guidance import asked_args
from ddpm_tui.cli.numbers import CHUNKS, EPOCH
from ddpm_tui.cli.sample import drawing_args, drawing_options
from engine.base.errors import DdpmError
from engine.base.home import Home, given_path, is_export
from engine.client.sync import token
from engine.runs.stored import read_stored
from engine.service.states import job_number


def common_options(command: Any) -> Any:
    """Add the options that every job has."""
    for option in (
        json_option,
        click.option("--dry-run", is_flag=True, help="Only show what would be added."),
        click.option(
            "--device",
            metavar="auto|cpu|cuda:N",
            shell_complete=complete.devices,
            help="The device of the job. [default: auto]",
        ),
        click.option("--priority", type=click.Choice(["normal", "high", "now"]), help="Priority of the job."),
        click.option(
            "--after",
            multiple=True,
            metavar="ID",
            shell_complete=complete.jobs,
            help="Start only after job ID is done.",
        ),
    ):
        command = option(command)
    return command


def _named(_: click.Context, __: click.Parameter, reference: str) -> str:
    """Make the path of a checkpoint absolute, because the engine runs in another folder."""
    return str(given_path(reference).absolute()) if is_export(reference) else reference


@click.command()
@click.argument("target", metavar="PROFILE|RUN", shell_complete=complete.trainable)
@click.option("--run", metavar="NAME", help="Name of the run. [default: PROFILE-N]")
@click.option("--chunks", type=CHUNKS, metavar="K", help="Train K more chunks. [default: 1]")
@click.option("--to-epoch", type=EPOCH, metavar="N", help="Train to the end of epoch N.")
@set_option
@click.option("--new", is_flag=True, help="Create a new run even if the profile has one.")
@common_options
def train(
    target: str, overrides: tuple[str, ...], as_json: bool, after: tuple[str, ...], **args: Any
) -> None:
    """Queue training: a new run of a PROFILE, or more of a RUN.

    The target is absolute: "2 chunks" is counted once, from the training that is already queued, and shown.
    """
    from engine.service.planning import absolute_profile

    _add(
        "train",
        as_json,
        target=absolute_profile(target, str(Path.cwd())),
        set=list(overrides),
        after=list(after),
        **args,
    )


@click.command()
@click.argument(
    "checkpoint",
    metavar="RUN[@STEP|@TAG|@latest|@best]|DIR",
    shell_complete=complete.trained,
    callback=_named,
)
@drawing_options
@common_options
def sample(
    as_json: bool,
    dry_run: bool,
    after: tuple[str, ...],
    device: str | None,
    priority: str | None,
    **args: Any,
) -> None:
    """Queue a sample set. It runs before waiting training and between the chunks of a running one (with --priority
    now, at its next step). DIR is an exported folder, as for `ddpm-tui sample`.
    """
    _check_steps(args["checkpoint"], args["steps"])
    _add(
        "add",
        as_json,
        kind="sample",
        args=_given(drawing_args(**args)),
        dry_run=dry_run,
        after=list(after),
        device=device,
        priority=priority,
    )


@click.command()
@click.argument(
    "checkpoint",
    metavar="RUN[@STEP|@TAG|@latest|@best]|DIR",
    shell_complete=complete.trained,
    callback=_named,
)
@measure_options
@common_options
def evaluate(
    as_json: bool,
    dry_run: bool,
    after: tuple[str, ...],
    device: str | None,
    priority: str | None,
    **args: Any,
) -> None:
    """Queue an evaluation of a checkpoint. `ddpm-tui evaluate --help` lists the measures."""
    _check_steps(args["checkpoint"], args["steps"])
    _add(
        "add",
        as_json,
        kind="evaluate",
        args=_given(asked_args(args)),
        dry_run=dry_run,
        after=list(after),
        device=device,
        priority=priority,
    )


def _check_steps(checkpoint: str, steps: int | None) -> None:
    """Check the steps, if the run's record or the exported folder, which must exist now, can be read."""
    if is_export(checkpoint):
        from engine.runs.trained import find_trained

        check_steps(steps, find_trained(Home.find(), checkpoint).profile.diffusion.steps)
        return
    try:
        most = read_stored(Home.find().run(checkpoint.partition("@")[0])).setting("diffusion", "steps")
    except DdpmError:
        return
    if isinstance(most, int):
        check_steps(steps, most)


def _given(args: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in args.items() if value is not None}


def _add(do: str, as_json: bool, **args: Any) -> None:
    # The token makes sure that a request that is sent again, because the engine died during it, finds the job of the
    # first one.
    answer = insistent_request(Home.find(), do, token=token(), **args)
    if as_json:
        print_json(answer)
        return
    for line in answer["says"]:
        say(line)
    job = answer["job"]
    if answer["added"]:
        say(f"Queued as job {job_number(job['id'])}. `queue cancel {job_number(job['id'])}` cancels it.")
    elif job is None:
        say("Nothing was added (--dry-run).")
