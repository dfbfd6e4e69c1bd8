"""The stages of training: the same seeds down, epochs across."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from engine.errors import DamagedError, UserError
from engine.home import RunFolder

GAP = 2
LABEL = 20


@dataclass(frozen=True)
class Preview:
    """One preview of a run: pictures uint8 (n, H, W, 3) of the same seeds at each epoch."""

    step: int
    epoch: str
    pictures: NDArray[np.uint8]


def preview_paths(run: RunFolder) -> list[Path]:
    """A run's previews, oldest first."""
    return sorted(run.previews.glob("*.png")) if run.previews.is_dir() else []


def read_preview(path: Path) -> Preview:
    """Cut a preview's sheet into its pictures. Raises DamagedError naming it."""
    try:
        with Image.open(path) as image:
            text = dict(getattr(image, "text", {}))
            sheet = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DamagedError(f"preview {path} cannot be read ({error})") from None
    side, count = int(text.get("size", sheet.shape[1] // 4)), int(text.get("count", 0))
    if sheet.shape[0] % side or sheet.shape[1] % side:
        raise DamagedError(f"preview {path} is not a sheet of {side} px pictures")
    rows, columns = sheet.shape[0] // side, sheet.shape[1] // side
    cut = sheet.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    return Preview(int(path.stem), text.get("epoch", "?"), cut[: count or len(cut)])


def stages(run: RunFolder, *, pictures: int = 4, columns: int = 8, scale: int = 2) -> Image.Image:
    """A labelled sheet of at most `columns` previews, evenly chosen, the first `pictures` seeds of each.

    Raises UserError where the run has no previews.
    """
    paths = preview_paths(run)
    if not paths:
        raise UserError(f"run {run.name!r} has no previews", "training.preview_every = 1 makes one an epoch")
    chosen = [
        paths[i]
        for i in np.unique(np.linspace(0, len(paths) - 1, min(columns, len(paths))).round().astype(int))
    ]
    read = [read_preview(path) for path in chosen]
    side = read[0].pictures.shape[1] * scale
    height = LABEL + pictures * (side + GAP) - GAP
    sheet = Image.new("RGB", (len(read) * (side + GAP) - GAP, height), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    for column, preview in enumerate(read):
        x = column * (side + GAP)
        pen.text((x + side / 2, LABEL / 2), f"epoch {preview.epoch}", fill="black", font=font, anchor="mm")
        for row, picture in enumerate(preview.pictures[:pictures]):
            tile = Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(tile, (x, LABEL + row * (side + GAP)))
    return sheet
