"""`ddpm-tui sample`: draw pictures from a checkpoint, store them in the run, and write them to files."""

import sys
from pathlib import Path
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
    say,
)
from ddpm_tui.cli.guidance import asked_args, guidance_options
from ddpm_tui.cli.numbers import PICTURES, SEED, STEPS, Real, Whole
from ddpm_tui.words import plural
from engine.base.errors import UsageError, UserError
from engine.base.home import given_path
from engine.base.text import shell_line
from engine.config.names import Weights
from engine.diffusion.names import Variance
from engine.diffusion.samplers import SAMPLERS, SamplerOption, samplers_that_take
from engine.diffusion.spacing import Spacing
from engine.jobs.files import Result

CLEAR_EDGE = 32
"""Pixels across a face at which its features are clear."""
SCROLLED_ROWS = 3

KEPT_TRAJECTORIES = 8
"""Pictures whose denoising is stored by default, for the gallery."""


def _file(*endings: str) -> Any:
    """Return a callback for a file whose extension gives the format. The path becomes absolute, because the worker
    runs in another folder.
    """

    def check(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        if value is None:
            return None
        path = given_path(value).absolute()
        if endings and path.suffix.lower() not in endings:
            raise UsageError(f"{parameter.opts[0]} {value}: the name ends in {' or '.join(endings)}")
        if path.is_dir():
            raise UserError(f"{path} is a folder", f"{parameter.opts[0]} needs the name of a file")
        return str(path)

    return check


def drawing_options(command: Any) -> Any:
    """Add the options of sampling, which `sample` and `queue sample` share."""
    for option in (
        click.option(
            "--out",
            metavar="DIR",
            type=click.Path(file_okay=False),
            help="Write each picture as a PNG to this new or empty folder.",
        ),
        click.option(
            "--npy",
            metavar="FILE.npy",
            callback=_file(".npy"),
            help="Write all pictures as uint8 (N, H, W, 3).",
        ),
        click.option(
            "--trajectory-of",
            type=Whole(0, 1_000_000),
            default=KEPT_TRAJECTORIES,
            show_default=True,
            help="Number of pictures whose denoising is stored.",
        ),
        click.option(
            "--trajectory",
            metavar="FILE.png|.gif",
            callback=_file(".png", ".gif"),
            help="Write the denoising as a strip (.png) or an animation (.gif).",
        ),
        click.option(
            "--scale",
            type=Whole(1, 16),
            default=1,
            show_default=True,
            help="Enlarge --grid by this factor.",
        ),
        click.option("--grid", metavar="FILE.png", callback=_file(".png"), help="Write all pictures as one."),
        click.option(
            "--batch", type=PICTURES, help="Pictures per batch; affects only memory, not the pictures."
        ),
        click.option(
            "--weights",
            type=click.Choice(get_args(Weights)),
            help="Averaged weights, or those of the last step.",
        ),
        click.option("--clip/--no-clip", default=None, help="Clip the predicted picture to [-1, 1]."),
        click.option(
            "--variance", type=click.Choice(get_args(Variance)), help="ddpm: variance of each step."
        ),
        click.option("--eta", type=Real(0, 1), help="ddim: 0 is deterministic, 1 is ancestral."),
        click.option(
            "--spacing",
            type=click.Choice(get_args(Spacing)),
            help="Spacing of the timesteps.",
        ),
        click.option("--seed", type=SEED, default=0, show_default=True, help="Same seed, same pictures."),
        click.option("--steps", type=STEPS, help="Network calls per picture."),
        click.option("--sampler", type=click.Choice(list(SAMPLERS)), help="[default: the profile's]"),
        click.option("-n", "count", type=PICTURES, default=64, show_default=True, help="Number of pictures."),
    ):
        command = option(command)
    return guidance_options(command)


def drawing_args(
    count: int, trajectory: str | None, trajectory_of: int, usual_sampler: str | None = None, **options: Any
) -> dict[str, Any]:
    """Return the arguments of a sampling job from `drawing_options`. Raises UsageError for options that exclude each
    other. usual_sampler: the profile's sampler, if it is known.
    """
    from engine.config.sampling_settings import check_outputs

    options = asked_args(options)
    sampler = options["sampler"] or usual_sampler
    for name in get_args(SamplerOption):
        takers = samplers_that_take(name)
        if options[name] is not None and sampler not in (None, *takers):
            others = " or ".join(takers)
            raise UsageError(
                f"--{name} has no effect with the sampler {sampler}",
                f"use --sampler {others}, or omit it",
            )
    if trajectory and not trajectory_of:
        raise UsageError("--trajectory needs pictures", "omit --trajectory-of 0")
    if options["out"] is not None:
        options["out"] = str(given_path(options["out"]).absolute())
    args = {"n": count, "trajectory": min(count, trajectory_of), "trajectory_file": trajectory, **options}
    check_outputs(args)
    return args


@click.command()
@click.argument("reference", metavar="RUN[@WHICH]|DIR", shell_complete=complete.trained)
@drawing_options
@click.option("--show", is_flag=True, help="Print the pictures in the terminal as half blocks.")
@device_option
@json_option
def sample(reference: str, count: int, show: bool, device: str, as_json: bool, **options: Any) -> None:
    """Draw pictures from a checkpoint.

    WHICH is a step, eN (the end of epoch N), a tag, best (lowest error on held-out pictures) or latest (the default).
    The set is stored in the run's samples folder, together with all settings. DIR is a folder written by `checkpoints
    export`, given with a slash (./DIR); its sets are stored in the home's samples folder.

    \b
    ddpm-tui sample celeba32-1 --show
    ddpm-tui sample celeba32-1@best -n 16 --sampler ddim --steps 50 --grid faces.png --scale 4
    ddpm-tui sample celeba32-1@e25 -n 8 --sampler ddpm --steps 200 --trajectory denoising.gif
    ddpm-tui sample celeba32-1 --guide e1 --guidance 1.25 --steps 10
    ddpm-tui sample celeba32-attributes-1 --label smiling=1 --label eyeglasses=-1 --guidance 2
    ddpm-tui sample ./exported --grid faces.png
    """
    from ddpm_tui.cli.foreground import run_job
    from engine.runs.guides import named_guide
    from engine.runs.trained import find_trained

    trained = find_trained(home(), reference)
    if trained.passed_over:
        note(trained.passed_over)
    check_steps(options["steps"], trained.profile.diffusion.steps)
    args = drawing_args(
        count, **options, usual_sampler=trained.profile.sampling.sampler, checkpoint=trained.reference
    )
    args |= named_guide(home(), trained, args)
    result = run_job(
        home(),
        "sample",
        trained.run,
        args,
        device=device,
        quiet=as_json,
        go_on=shell_line("ddpm-tui", *sys.argv[1:]),
    )
    if as_json:
        print_json({"run": trained.place.name, "step": trained.step, "sample": result.sample, **result.extra})
        return
    if show:
        show_pictures(result)
    print_facts(
        [
            ("set", str(result.extra["folder"])),
            ("grid", str(result.extra["grid"])),
            *(("written", name) for name in result.extra["files"]),
        ]
    )
    drawn = count * max(1, len(args["labels"] or ()))
    say(f"{plural(drawn, 'picture')} in {result.extra['seconds']:.1f} s from {trained.name}")


def show_pictures(result: Result) -> None:
    """Print the pictures of a sample set as half blocks: all on one page if they stay large enough to show features."""
    import shutil
    import sys

    import numpy as np

    from ddpm_tui.draw.layout import grid_layout
    from ddpm_tui.draw.show import print_faces
    from engine.base.folders import SampleFolder

    pictures = np.load(SampleFolder(Path(result.extra["folder"])).pictures, mmap_mode="r")
    height, width = pictures.shape[1:3]
    room = shutil.get_terminal_size((80, 24))
    page = grid_layout(len(pictures), (width, height), room.columns, room.lines - 2)
    clear = min(width, CLEAR_EDGE)
    if page.per_page >= len(pictures) and page.width >= clear:
        print_faces(sys.stdout, list(pictures))
    else:  # a terminal scrolls, so print a few large pictures instead of all of them in a size too small to see
        lines = max(room.lines - 2, SCROLLED_ROWS * (clear // 2 + 1))
        print_faces(sys.stdout, list(pictures), edge=min(clear, room.columns), height=lines)
