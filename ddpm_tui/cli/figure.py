"""`ddpm-tui figure`: pictures for papers and pages from your runs, with the command in the PNG's own text."""

import shlex
import sys
from pathlib import Path

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import home, say
from ddpm_tui.cli.lazy import NounGroup


@click.group(cls=NounGroup)
def figure() -> None:
    """Pictures from runs as PNG. The command that made one is in its metadata."""


@figure.command()
@click.argument("run", shell_complete=complete.runs)
@click.option("--pictures", type=click.IntRange(1, 64), default=4, show_default=True, help="Seeds, down.")
@click.option("--columns", type=click.IntRange(1, 40), default=8, show_default=True, help="Epochs, across.")
@click.option("--scale", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option("--out", required=True, metavar="FILE.png", type=click.Path(dir_okay=False))
def stages(run: str, pictures: int, columns: int, scale: int, out: str) -> None:
    """The stages of training: the same seeds down, epochs across."""
    from PIL.PngImagePlugin import PngInfo

    from engine.figures.stages import stages as draw
    from engine.runs.record import find_run

    sheet = draw(find_run(home(), run), pictures=pictures, columns=columns, scale=scale)
    info = PngInfo()
    info.add_itxt("command", shlex.join(["ddpm-tui", *sys.argv[1:]]))
    path = Path(out).expanduser()
    sheet.save(path, "PNG", pnginfo=info)
    say(f"{path}: {sheet.width}×{sheet.height}")
