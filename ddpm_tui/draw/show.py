"""Faces on a plain terminal: the output of `--show`. Writes to a stream it is given; knows no app, no runs."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from rich.color import ColorSystem
from rich.segment import Segment

from ddpm_tui.draw.colour import Dither, Pixels
from ddpm_tui.draw.halfblock import half_block_rows
from ddpm_tui.draw.layout import contact_sheet, grid_layout
from ddpm_tui.draw.terminal import Depth, Terminal, here
from engine.base.errors import UserError
from engine.base.picture_files import open_picture


def print_faces(
    stream: TextIO,
    pictures: Sequence[Pixels],
    *,
    terminal: Terminal | None = None,
    width: int | None = None,
    height: int | None = None,
    edge: int | None = None,
    dither: Dither = "ordered",
    title: str | None = None,
) -> int:
    """Print pictures, uint8 (H, W, 3) of one size, as one page of half blocks; returns how many were shown.

    The page is the terminal's size less two lines for the prompt and the line before it, unless `width` and
    `height` (cells) say otherwise. If not all fit, the last line says how many more there are.
    """
    if not pictures:
        return 0
    terminal = here(stream) if terminal is None else terminal
    room = shutil.get_terminal_size((80, 24))
    width = room.columns if width is None else width
    height = max(3, room.lines - 2 - (title is not None)) if height is None else height
    size = (pictures[0].shape[1], pictures[0].shape[0])
    layout = grid_layout(len(pictures), size, width, height, edge=edge)
    shown = min(len(pictures), layout.per_page)
    rows = half_block_rows(contact_sheet(pictures, layout), terminal.depth, terminal.unicode, dither)
    if title is not None:
        rows.insert(0, [Segment(title)])
    if shown < len(pictures):
        rows.append([Segment(f"{shown} of {len(pictures)} shown")])
    for row in rows:
        stream.write(ansi_line(row, terminal) + "\n")
    stream.flush()
    return shown


def ansi_line(row: Sequence[Segment], terminal: Terminal) -> str:
    """Return one row of Segments as text with the escapes this terminal understands, none left open at its end."""
    names = {
        Depth.ANSI16: ColorSystem.STANDARD,
        Depth.ANSI256: ColorSystem.EIGHT_BIT,
        Depth.TRUECOLOR: ColorSystem.TRUECOLOR,
    }
    system = names.get(terminal.depth)
    return "".join(
        s.text if s.style is None else s.style.render(s.text, color_system=system) for s in _trimmed(row)
    )


def load_picture(path: Path) -> Pixels:
    """Load a picture file as uint8 (H, W, 3), with transparency over black. Raises UserError naming a bad file."""
    from PIL import Image, ImageOps

    try:
        with open_picture(path) as image:
            turned = ImageOps.exif_transpose(image) or image
            if "A" in turned.getbands() or "transparency" in turned.info:
                ground = Image.new("RGBA", turned.size, (0, 0, 0, 255))
                turned = Image.alpha_composite(ground, turned.convert("RGBA"))
            if turned.mode.startswith("I;16"):  # Pillow would clip to 255 instead of scaling
                grey = (np.asarray(turned) >> 8).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            return np.asarray(turned.convert("RGB"), dtype=np.uint8)
    except FileNotFoundError:
        raise UserError(f"{path} is not there") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read as a picture ({error})") from error


def _trimmed(row: Sequence[Segment]) -> list[Segment]:
    """Return the row without blank cells at its end, so that a copied page has no trailing spaces."""
    kept = list(row)
    while kept and kept[-1].style is None and not kept[-1].text.strip():
        kept.pop()
    return kept
