"""`ddpm-tui figure`: figures for papers and pages, with the command in the PNG's metadata."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import device_option, home, note, say
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.cli.numbers import Whole, whole_numbers
from ddpm_tui.words import plural
from engine.base.home import given_path, is_export
from engine.base.text import shell_line, shell_word

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.figures.grid import StoredSamples


@click.group(cls=NounGroup)
def figure() -> None:
    """Figures from runs, as PNG files. Their metadata names the command that made them."""


_F = TypeVar("_F", bound=Callable[..., Any])


def _options(pictures: int, columns: int, scale: int, what: tuple[str, str]) -> Callable[[_F], _F]:
    """Add the options of every sheet, with the given defaults."""

    def add(command: _F) -> _F:
        for option in (
            click.option("--out", required=True, metavar="FILE.png", type=click.Path(dir_okay=False)),
            click.option("--dpi", type=Whole(30, 2400), help="Resolution written to the file."),
            click.option(
                "--scale",
                type=Whole(1, 16),
                default=scale,
                show_default=True,
                help="Pixels of the sheet per pixel of a picture.",
            ),
            click.option("--columns", type=Whole(1, 40), default=columns, show_default=True, help=what[1]),
            click.option(
                "--pictures", type=Whole(1, 1024), default=pictures, show_default=True, help=what[0]
            ),
        ):
            command = option(command)
        return command

    return add


epochs_option = click.option(
    "--epochs", metavar="1,5,…", callback=whole_numbers, help="The epochs to show. [default: evenly chosen]"
)
caption_option = click.option(
    "--caption/--no-caption", default=True, help="A line below the pictures with their settings."
)
set_option = click.option("--set", "wanted", metavar="ID", help="A sample set. [default: the newest]")


@figure.command()
@click.argument("run", shell_complete=complete.runs)
@epochs_option
@_options(4, 8, 4, ("Seeds, down.", "Epochs, across."))
def stages(run: str, epochs: list[int] | None, dpi: int | None, out: str, **how: int) -> None:
    """Draw the stages of training: seeds from top to bottom, epochs from left to right."""
    from engine.figures.stages import stages as draw
    from engine.runs.record import find_run

    _save(draw(find_run(home(), run), epochs=epochs, **how), out, dpi, run=run)


@figure.command()
@click.argument("reference", metavar="RUN[@WHICH]|DIR", shell_complete=complete.trained)
@set_option
@caption_option
@_options(64, 8, 4, ("Number of pictures.", "Pictures in a row."))
@device_option
def grid(
    reference: str, wanted: str | None, caption: bool, dpi: int | None, out: str, device: str, **how: int
) -> None:
    """Draw a batch of samples: the newest set of a run, of one of its checkpoints, or of an exported checkpoint (DIR,
    given with a slash). If there is none, it is drawn.
    """
    from engine.figures.grid import samples
    from engine.figures.saving import check_place

    check_place(given_path(out))
    chosen = _chosen(reference, wanted, how["pictures"], device)
    _save(samples(chosen, caption=caption, **how), out, dpi, samples=chosen.words)


@figure.command()
@click.argument("reference", metavar="RUN[@WHICH]|DIR", shell_complete=complete.trained)
@set_option
@caption_option
@_options(4, 9, 4, ("Number of samples (rows).", "Number of denoising steps (columns)."))
@device_option
def denoise(
    reference: str, wanted: str | None, caption: bool, dpi: int | None, out: str, device: str, **how: int
) -> None:
    """The denoising of some samples, from noise to the face; drawn where no set of samples kept it."""
    from engine.figures.grid import denoising
    from engine.figures.saving import check_place

    check_place(given_path(out))
    chosen = _chosen(reference, wanted, how["pictures"], device, frames=True)
    _save(denoising(chosen, caption=caption, **how), out, dpi, samples=chosen.words)


@figure.command()
@click.argument("runs", nargs=-1, required=True, shell_complete=complete.runs)
@epochs_option
@_options(3, 4, 4, ("Seeds of each epoch.", "Epochs, across."))
def compare(runs: tuple[str, ...], epochs: list[int] | None, dpi: int | None, out: str, **how: int) -> None:
    """Compare two or more runs: runs from top to bottom, epochs from left to right, with the same seeds."""
    from engine.base.errors import UsageError
    from engine.figures.grid import compared
    from engine.runs.record import find_run

    if len(set(runs)) < 2:
        raise UsageError("compare needs at least two different runs", "`figure stages RUN` shows one run")

    _save(
        compared([find_run(home(), run) for run in runs], epochs=epochs, **how), out, dpi, runs=" ".join(runs)
    )


@figure.command()
@click.argument("runs", nargs=-1, required=True, shell_complete=complete.runs)
@click.option(
    "--measure",
    type=click.Choice(["val_loss", "eps_error", "train_loss"]),
    default="eps_error",
    show_default=True,
    help="Only the eps error is comparable between different settings.",
)
@click.option("--linear", is_flag=True, help="A linear axis instead of a logarithmic one.")
@click.option("--dpi", type=Whole(30, 2400), default=150, show_default=True)
@click.option("--out", required=True, metavar="FILE.png", type=click.Path(dir_okay=False))
def curves(runs: tuple[str, ...], measure: str, linear: bool, dpi: int, out: str) -> None:
    """Draw loss curves of runs, by epoch."""
    import numpy as np

    from engine.base.errors import UserError
    from engine.figures.curves import FigureCurve, loss_curves
    from engine.runs.metrics import read_metrics
    from engine.runs.record import find_run

    words = {
        "val_loss": "held-out loss",
        "eps_error": "eps error on held-out pictures",
        "train_loss": "training loss",
    }
    series = []
    for run in runs:
        epochs = read_metrics(find_run(home(), run).metrics).epochs
        known = np.isfinite(epochs[measure])
        if not known.any():
            raise UserError(
                f"run {run!r} has no {words[measure]} yet", "it is measured at the end of each epoch"
            )
        series.append(FigureCurve(run, epochs["epoch"][known], epochs[measure][known]))
    _save(
        loss_curves(series, x_label="epoch", y_label=words[measure], log=not linear, dpi=dpi),
        out,
        dpi,
        runs=" ".join(runs),
    )


def _chosen(
    reference: str, wanted: str | None, pictures: int, device: str, frames: bool = False
) -> "StoredSamples":
    """Return the sample set of a checkpoint, of an exported folder, or of a whole RUN. If there is none, `pictures`
    samples are drawn as by `sample`, and stored.
    """
    from ddpm_tui.cli.foreground import run_job
    from engine.figures.grid import choose_set, read_set, sample_sets
    from engine.runs.record import find_run
    from engine.runs.trained import find_trained

    at = find_trained(home(), reference) if "@" in reference or is_export(reference) else None
    place = at.place if at else find_run(home(), reference)
    sets, called = sample_sets(place.samples), place.name
    if at is not None and at.run is None:
        sets, called = [s for s in sets if at.drew(s.record)], at.reference
    found = choose_set(sets, called, wanted, step=at.step if at else None, frames=frames)
    if found is not None:
        there = found.count(frames)
        if there < pictures:
            of = f"{called}@{found.record.get('checkpoint')}" if called == place.name else called
            kept = f" --trajectory-of {pictures}" if frames else ""
            note(
                f"sample set {found.folder.path.name.lstrip('0')} has {there} of {plural(pictures, 'picture')}: "
                f"`ddpm-tui sample {shell_word(of)} -n {pictures}{kept}` draws them"
            )
        return found
    at = at or find_trained(home(), reference)
    note(
        f"no samples of {reference}{' have a stored denoising' if frames else ''}: "
        f"drawing {pictures} from {at.reference}"
    )
    args = {"checkpoint": at.reference, "n": pictures, "seed": 0, "trajectory": pictures if frames else 0}
    result = run_job(
        home(), "sample", at.run, args, device=device, go_on=shell_line("ddpm-tui", *sys.argv[1:])
    )
    return read_set(Path(result.extra["folder"]))


def _save(sheet: "Image", out: str, dpi: int | None, **facts: str) -> None:
    from engine.figures.saving import save_figure

    path = given_path(out)
    save_figure(sheet, path, shell_line("ddpm-tui", *sys.argv[1:]), facts, dpi=dpi or 300)
    say(f"{path}: {sheet.width}×{sheet.height}")
