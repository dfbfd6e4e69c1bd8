"""`ddpm-tui edit`: sweep an attribute, morph, fill a hole, vary a picture."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import check_steps, device_option, home, json_option, print_facts, print_json, say
from ddpm_tui.cli.guidance import guidance_options
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.cli.numbers import SEED, STEPS, Real, Whole, whole_numbers
from ddpm_tui.cli.sample import drawing_args, show_pictures
from ddpm_tui.words import plural
from engine.base.errors import UsageError
from engine.base.home import given_path
from engine.base.text import shell_line
from engine.diffusion.samplers import SAMPLERS

_F = TypeVar("_F", bound=Callable[..., Any])

MOST = 1024


@click.group(cls=NounGroup)
def edit() -> None:
    """Edit pictures with a trained network: sweep, morph, inpaint, vary.

    Pictures of any size and form are cut and scaled as the run's data. What is made is kept as a sample set.
    """


def _file(ending: str) -> Callable[..., str | None]:
    def check(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        if value is None:
            return None
        path = given_path(value).absolute()
        if path.suffix.lower() != ending:
            raise UsageError(f"{parameter.opts[0]} {value}: the name ends in {ending}")
        return str(path)

    return check


def _options(count: int | None, what: str = "") -> Callable[[_F], _F]:
    """What every edit may be given; `count`: how many pictures when nothing is said, None if that is not asked."""

    def add(command: _F) -> _F:
        options: list[Callable[[Any], Any]] = [
            json_option,
            device_option,
            click.option("--show", is_flag=True, help="Print the pictures in the terminal as half blocks."),
            click.option(
                "--out",
                metavar="DIR",
                type=click.Path(file_okay=False),
                help="Each picture as a PNG in this folder.",
            ),
            click.option("--gif", metavar="FILE.gif", callback=_file(".gif"), help="Moving."),
            click.option(
                "--scale", type=Whole(1, 16), default=1, show_default=True, help="Enlarge --grid so often."
            ),
            click.option("--grid", metavar="FILE.png", callback=_file(".png"), help="All pictures as one."),
            click.option(
                "--weights", type=click.Choice(["ema", "raw"]), help="Averaged weights, or the last step's."
            ),
            guidance_options,
            click.option("--seed", type=SEED, default=0, show_default=True, help="Same seed, same pictures."),
            click.option("--steps", type=STEPS, help="Network calls a picture."),
            click.option(
                "--sampler", type=click.Choice(list(SAMPLERS)), help="How; else as the profile says."
            ),
        ]
        if count is not None:
            options.append(
                click.option("-n", "count", type=Whole(1, MOST), default=count, show_default=True, help=what)
            )
        for option in options:
            command = option(command)
        return command

    return add


reference = click.argument("reference", metavar="RUN[@WHICH]|DIR", shell_complete=complete.trained)
positions_option = click.option(
    "--positions", type=Whole(2, 64), default=9, show_default=True, help="Pictures from one end to the other."
)


@edit.command()
@reference
@click.argument("name", metavar="LABEL")
@positions_option
@_options(4, "Seeds, a row each.")
def sweep(reference: str, name: str, positions: int, **options: Any) -> None:
    """Move one attribute from -1 to 1 at the same seeds. Other --label stay as they are.

    \b
    ddpm-tui edit sweep demo-attributes-1 smiling -n 8 --grid smile.png --gif smile.gif
    """
    _edit(reference, {"what": "sweep", "name": name, "positions": positions}, **options)


@edit.command()
@reference
@click.argument("pictures", metavar="[PICTURE PICTURE]", nargs=-1)
@click.option(
    "--seeds", metavar="A,B", callback=whole_numbers, help="Between the first pictures of two seeds."
)
@positions_option
@_options(None)
def morph(
    reference: str, pictures: tuple[str, ...], seeds: list[int] | None, positions: int, **options: Any
) -> None:
    """Go from one picture to another: between two seeds, or two pictures of yours.

    For pictures the noise that draws each of them is sought first; more --steps find it better.

    \b
    ddpm-tui edit morph demo-1 --seeds 3,8 --gif morph.gif
    ddpm-tui edit morph celeba32-1 one.jpg two.jpg --steps 50 --grid morph.png
    """
    if (len(pictures) != 2) if seeds is None else (len(seeds) != 2 or bool(pictures) or min(seeds) < 0):
        raise UsageError("morph between what?", "give --seeds A,B or two pictures")
    wanted = {"what": "morph", "pictures": _paths(pictures), "seeds": seeds or [], "positions": positions}
    _edit(reference, wanted, count=1, **options)


@edit.command()
@reference
@click.argument("picture")
@click.option("--mask", metavar="FILE", help="Square; white or transparent is drawn anew, black stays.")
@click.option(
    "--box",
    metavar="X,Y,W,H",
    callback=whole_numbers,
    help="The same as a box, in pixels of the network's size.",
)
@click.option(
    "--repeats",
    type=Whole(1, 50),
    default=5,
    show_default=True,
    help="How often each step is done, to fit it in.",
)
@_options(8, "How many different ones.")
def inpaint(
    reference: str, picture: str, mask: str | None, box: list[int] | None, repeats: int, **options: Any
) -> None:
    """Draw a part of a picture anew. Outside of it no byte changes.

    \b
    ddpm-tui edit inpaint celeba32-1 face.jpg --box 4,8,24,10 --grid eyes.png --scale 4
    """
    if (mask is None) == (box is None):
        raise UsageError("what is to be drawn anew?", "give --mask FILE or --box X,Y,W,H")
    if box is not None and len(box) != 4:
        raise UsageError(f"--box has {plural(len(box), 'number')} and needs 4", "X,Y,WIDTH,HEIGHT")
    wanted = {
        "what": "inpaint",
        "pictures": _paths([picture]),
        "mask": _paths([mask])[0] if mask else None,
        "box": box or [],
        "repeats": repeats,
    }
    _edit(reference, wanted, **options)


@edit.command()
@reference
@click.argument("picture")
@click.option(
    "--strength",
    type=Real(0.01, 1),
    default=0.5,
    show_default=True,
    help="How far to go back to noise: little changes little, 1 keeps next to nothing.",
)
@_options(8, "How many different ones.")
def vary(reference: str, picture: str, strength: float, **options: Any) -> None:
    """Make others like a picture: it is noised part of the way and drawn from there.

    \b
    ddpm-tui edit vary celeba32-attributes-1 face.jpg --strength 0.6 --label smiling=1 --show
    """
    _edit(reference, {"what": "vary", "pictures": _paths([picture]), "strength": strength}, **options)


def _paths(given: tuple[str, ...] | list[str]) -> list[str]:
    """Absolute: the worker is in another folder."""
    return [str(given_path(path).absolute()) for path in given]


def _edit(
    reference: str,
    wanted: dict[str, Any],
    *,
    count: int,
    show: bool,
    gif: str | None,
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    from ddpm_tui.cli.foreground import run_job
    from engine.runs.trained import find_trained

    trained = find_trained(home(), reference)
    check_steps(options["steps"], trained.profile.diffusion.steps)
    plain = {"eta": None, "variance": None, "spacing": None, "clip": None, "npy": None, "batch": None}
    args = drawing_args(
        count, None, 0, trained.profile.sampling.sampler, checkpoint=trained.reference, **plain, **options
    )
    args["edit"] = {**wanted, "gif": gif}
    result = run_job(
        home(),
        "edit",
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
            *(("written", str(Path(name))) for name in result.extra["files"]),
        ]
    )
    say(f"{wanted['what']} from {trained.name} in {result.extra['seconds']:.1f} s")
