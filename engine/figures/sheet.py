"""Labelled sheets of pictures: rows and columns with legible names. Uses Pillow only; knows nothing about runs."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from engine.base.errors import UserError
from engine.figures.saving import need_matplotlib

GAP = 2
MARGIN = 8
Picture = NDArray[np.uint8]
"""(H, W, 3)"""


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return DejaVu Sans, which has the Greek letters and the signs of the labels; it comes with matplotlib."""
    need_matplotlib()
    from matplotlib import get_data_path

    try:
        return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size=size)


def labelled_sheet(
    cells: Sequence[Sequence[Picture | None]],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    *,
    scale: int = 2,
    group: int = 1,
    caption: str = "",
    margin: int = 0,
) -> Image.Image:
    """Draw pictures on white, row names at the left, column names above, a caption below, with a margin of `margin`
    pixels.

    cells: rows of pictures; smaller ones are enlarged to the size of the largest; None leaves a place empty. `group`
    pictures share one column name. Raises UserError if there is no picture.
    """
    sizes = {p.shape for row in cells for p in row if p is not None}
    if not sizes:
        raise UserError("there are no pictures to show")
    side_y, side_x = (n * scale for n in max(sizes)[:2])
    width = max(len(row) for row in cells)
    text = max(11, min(22, side_x // 5))
    face = font(text)
    left = int(max((face.getlength(name) for name in rows), default=0)) + (text if any(rows) else 0)
    top = 2 * text if any(columns) else 0
    between = GAP if group == 1 else 3 * GAP
    across = [left + c * (side_x + GAP) + (c // group) * (between - GAP) for c in range(width)]
    right = across[-1] + side_x
    lines = _wrapped(caption, face, right) if caption else []
    bottom = top + len(cells) * (side_y + GAP) - GAP
    sheet = Image.new(
        "RGB", (right, bottom + (len(lines) * text * 14 // 10 + text // 2 if lines else 0)), "white"
    )
    pen = ImageDraw.Draw(sheet)
    for index, name in enumerate(columns):
        first, last = index * group, min(width, (index + 1) * group) - 1
        if first < width:
            middle = (across[first] + across[last] + side_x) / 2
            pen.text((middle, top / 2), name, fill="black", font=face, anchor="mm")
    for index, row in enumerate(cells):
        y = top + index * (side_y + GAP)
        if index < len(rows):
            pen.text((left - text / 2, y + side_y / 2), rows[index], fill="black", font=face, anchor="rm")
        for column, picture in enumerate(row):
            if picture is not None:
                tile = Image.fromarray(picture).resize((side_x, side_y), Image.Resampling.NEAREST)
                sheet.paste(tile, (across[column], y))
    for index, line in enumerate(lines):
        pen.text((0, bottom + text / 2 + index * text * 1.4), line, fill="black", font=face)
    framed = Image.new("RGB", (sheet.width + 2 * margin, sheet.height + 2 * margin), "white")
    framed.paste(sheet, (margin, margin))
    return framed


def _wrapped(caption: str, face: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines: list[str] = [""]
    for word in caption.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and face.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
