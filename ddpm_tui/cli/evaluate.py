"""`ddpm-tui evaluate`: evaluate a checkpoint in the foreground, and store the scores with everything they depend on."""

import sys
from typing import Any, get_args

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import (
    check_steps,
    device_option,
    home,
    json_option,
    note,
    print_facts,
    print_json,
    print_table,
    say,
)
from ddpm_tui.cli.guidance import asked_args, guidance_options
from ddpm_tui.cli.numbers import PICTURES, SEED, STEPS, Whole
from ddpm_tui.words import plural
from engine.base.home import given_path
from engine.base.text import shell_line
from engine.config.names import Weights
from engine.diffusion.samplers import SAMPLERS
from engine.diffusion.spacing import Spacing
from engine.runs.measures import MEASURES


def measure_options(command: Any) -> Any:
    """Add the options of the measures, which `evaluate` and `queue evaluate` share."""
    for option in (
        click.option(
            "--batch", type=PICTURES, help="Pictures per batch; affects only memory, not the scores."
        ),
        click.option(
            "--reference",
            type=click.Choice(["held_out", "train"]),
            help="The pictures that samples are compared with. [default: held_out]",
        ),
        click.option(
            "--inception-weights",
            "--weights-file",
            "inception_weights",
            metavar="FILE.pth",
            callback=_absolute,
            help="File with torch-fidelity's Inception weights. [default: downloaded once]",
        ),
        click.option(
            "--extractor",
            metavar="FILE.onnx",
            callback=_absolute,
            help="Your own feature extractor for frechet, kid, precision and recall.",
        ),
        click.option(
            "--weights",
            type=click.Choice(get_args(Weights)),
            help="Averaged weights, or those of the last step.",
        ),
        click.option("--seed", type=SEED, help="Seed of the samples. [default: 0]"),
        click.option(
            "--spacing",
            type=click.Choice(get_args(Spacing)),
            help="Spacing of the timesteps.",
        ),
        click.option("--steps", type=STEPS, help="Network calls per sample."),
        click.option("--sampler", type=click.Choice(list(SAMPLERS)), help="[default: the profile's]"),
        click.option(
            "--measures",
            metavar="A,B,…",
            callback=_names,
            shell_complete=complete.measures,
            help=f"Of {', '.join(MEASURES)}; 'default' stands for all that need no weights. [default: default]",
        ),
        click.option("-n", "n", type=Whole(2, 1_000_000), help="Pictures to score. [default: 500]"),
    ):
        command = option(command)
    return guidance_options(command)


def _names(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


def _absolute(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    return None if value is None else str(given_path(value).absolute())


@click.command()
@click.argument("reference_", metavar="RUN[@WHICH]|DIR", shell_complete=complete.trained)
@measure_options
@device_option
@json_option
def evaluate(reference_: str, device: str, as_json: bool, **options: Any) -> None:
    """Evaluate a checkpoint with the measures of quality.

    Without downloaded weights: val_loss (by timestep), eps_error, bits_per_dim, sliced_wasserstein, memorisation, and
    of a run that learned labels, if it is named: labels (is what is asked for drawn?).
    With torch-fidelity's Inception: fid, kid, precision, recall. With your own ONNX file: frechet, kid, precision,
    recall under its name. Every score is stored and shown with everything that it depends on. If a measure fails, the
    reason is printed and the exit code is 1; the other scores are kept. DIR is a folder written by `checkpoints
    export`, given with a slash (./DIR); its training pictures must be a data set on this machine. Its scores are
    stored in the home's evaluations folder.

    \b
    ddpm-tui evaluate celeba32-1
    ddpm-tui evaluate celeba32-1@e25 -n 2000 --measures default,fid,kid
    ddpm-tui evaluate celeba32-attributes-1 --measures labels -n 4000 --guidance 2 --label smiling=1
    ddpm-tui evaluate celeba32-1@best --measures frechet,kid --extractor faces.onnx
    ddpm-tui evaluate ./exported
    """
    from ddpm_tui.cli.foreground import run_job
    from engine.runs.evaluations import check_measures
    from engine.runs.guides import named_guide
    from engine.runs.trained import find_trained
    from engine.service.foreground import JobFailedError

    check_measures(options["measures"], options["extractor"], options["inception_weights"])
    trained = find_trained(home(), reference_)
    if trained.passed_over:
        note(trained.passed_over)
    check_steps(options["steps"], trained.profile.diffusion.steps)
    options = asked_args(options)
    options |= named_guide(home(), trained, options)
    try:
        result = run_job(
            home(),
            "evaluate",
            trained.run,
            {"checkpoint": trained.reference, **options},
            device=device,
            quiet=as_json,
            go_on=shell_line("ddpm-tui", *sys.argv[1:]),
        )
    except JobFailedError as error:
        if as_json and error.result and (had := error.result.extra.get("evaluation")):
            print_json({**had, "missed": error.result.extra["missed"]})
        raise
    evaluation = result.extra["evaluation"]
    if as_json:
        print_json({**evaluation, "missed": {}})
        return
    if "labels" in evaluation["scores"]:
        _print_by_label(evaluation["scores"]["labels"]["detail"]["by_label"])
    print_facts([("kept", evaluation["path"]), ("closest pairs", evaluation["pairs"] or "")])
    say(f"{plural(len(evaluation['scores']), 'score')} of {trained.name} in {result.extra['seconds']:.1f} s")


def _print_by_label(rows: list[dict[str, Any]]) -> None:
    """Print for each label how often a classifier sees it when it was asked for, and how much else changes."""
    print_table(
        ["LABEL", "ASKED FOR", "REAL PICTURES", "LEAK", "OF REAL ONES"],
        [
            [str(row["name"]), *(_percent(row.get(key)) for key in ("asked", "ceiling", "leak", "real"))]
            for row in rows
        ],
        right={"ASKED FOR", "REAL PICTURES", "LEAK", "OF REAL ONES"},
    )


def _percent(figure: list[float] | None) -> str:
    """ "87 % [84, 90]", with its 95 %."""
    if figure is None:
        return "–"
    value, low, high = (round(100 * one) for one in figure)
    return f"{value} % [{low}, {high}]"
