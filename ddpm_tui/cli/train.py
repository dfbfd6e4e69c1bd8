"""`ddpm-tui train`: train a run in the foreground, from a profile or continuing a run."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import device_option, home, json_option, note, print_json_line, say, set_option
from ddpm_tui.cli.numbers import CHUNKS, EPOCH

if TYPE_CHECKING:
    from engine.service.targets import Resume, TrainingTarget


@click.command()
@click.argument("what", required=False, metavar="PROFILE|RUN", shell_complete=complete.trainable)
@click.option("--run", metavar="NAME", shell_complete=complete.runs, help="Name of a new or existing run.")
@click.option("--to-epoch", type=EPOCH, metavar="N", help="Train to the end of epoch N.")
@click.option("--chunks", type=CHUNKS, metavar="K", help="Train K chunks after the newest checkpoint.")
@set_option
@click.option(
    "--resume",
    type=click.Choice(["auto", "never"]),
    default="auto",
    show_default=True,
    help="never: start a new run even if the profile has an unfinished one.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be trained.")
@device_option
@json_option
def train(
    what: str | None,
    run: str | None,
    to_epoch: int | None,
    chunks: int | None,
    overrides: tuple[str, ...],
    resume: "Resume",
    dry_run: bool,
    device: str,
    as_json: bool,
) -> None:
    """Train a run in the foreground, from a profile or continuing a run.

    PROFILE starts a run named PROFILE-1, PROFILE-2, … and freezes the profile in it. If the newest run of exactly
    this profile (including --set) is unfinished, that run is continued instead. RUN continues that run. The data is
    packed first if necessary.

    Without --to-epoch and --chunks it trains to the profile's training.epochs, with a checkpoint at the end of each
    chunk (training.chunk_epochs) and every few minutes. If the target has been reached, nothing is done.

    Ctrl-C checkpoints and exits (exit code 75); a second one exits at once (130). The same command continues exactly
    from there. If the disk is full, it exits with 73; the last checkpoint is complete.
    """
    from ddpm_tui.cli.foreground import run_job
    from engine.service.targets import find_target

    target = find_target(
        home(),
        what,
        run=run,
        to_epoch=to_epoch,
        chunks=chunks,
        overrides=list(overrides),
        resume=resume,
        device=device,
        dry_run=dry_run,
    )
    if target.reached:
        if as_json:
            print_json_line({"event": "result", "outcome": "done", "run": target.run, "epoch": target.here})
        note(
            f"run {target.run!r} is at epoch {target.here:g}, so there is nothing to train to epoch {target.to_epoch}; "
            f"`ddpm-tui train {target.run} --chunks 1` continues to epoch {target.next_epoch}"
        )
        _say_rates(target)
        return
    if dry_run:
        if as_json:
            print_json_line({"event": "plan", **asdict(target)})
            return
        what = "a new run" if target.new else "run"
        say(f"{what} {target.run!r}: epochs {round(target.here, 2):g} → {target.to_epoch}")
        _say_rates(target)
        return
    if not as_json:
        note(
            f"new run {target.run!r}"
            if target.new
            else f"run {target.run!r} continues from epoch {round(target.here, 2):g}"
        )
    result = run_job(
        home(),
        "train",
        target.run,
        target.args,
        device=device,
        json_lines=as_json,
        go_on=f"ddpm-tui train {target.run} --to-epoch {target.to_epoch}",
    )
    if not as_json:
        note(f"{result.message}; draw from it: ddpm-tui sample {target.run}@latest --show")


def _say_rates(target: "TrainingTarget") -> None:
    for line in target.says:
        note(line)
