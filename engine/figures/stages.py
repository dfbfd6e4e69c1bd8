"""The stages of training: seeds as rows, epochs as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.base.errors import DamagedError, UserError
from engine.base.folders import RunFolder
from engine.base.picture_files import open_picture
from engine.figures.sheet import MARGIN, Picture, labelled_sheet


@dataclass(frozen=True)
class Preview:
    """One preview of a run: pictures uint8 (n, H, W, 3) of the same seeds at each epoch."""

    step: int
    epoch: str
    pictures: NDArray[np.uint8]


def preview_paths(run: RunFolder) -> list[Path]:
    """Return a run's previews, oldest first."""
    return sorted(run.previews.glob("*.png")) if run.previews.is_dir() else []


def read_preview(path: Path) -> Preview:
    """Cut a preview's sheet into its pictures. Raises DamagedError that names it."""
    try:
        with open_picture(path) as image:
            text = dict(getattr(image, "text", {}))
            sheet = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise DamagedError(f"preview {path} cannot be read ({error})") from None
    try:
        step, side, count = int(path.stem), int(text["size"]), int(text["count"])
        rows, columns = (length // side for length in sheet.shape[:2])
        cut = sheet.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
        epoch = str(int(text["epoch"]))
    except (KeyError, ValueError, ZeroDivisionError):
        raise DamagedError(f"preview {path} is not a sheet of pictures that training wrote") from None
    return Preview(step, epoch, cut[:count])


def stages(
    run: RunFolder,
    *,
    pictures: int = 4,
    columns: int = 8,
    scale: int = 2,
    epochs: Sequence[int] | None = None,
) -> Image.Image:
    """Draw a labelled sheet of at most `columns` evenly chosen previews, or of the given epochs, with the first
    `pictures` seeds.

    Raises UserError if the run has no previews, or none of a requested epoch.
    """
    paths = preview_paths(run)
    if not paths:
        raise UserError(
            f"run {run.name!r} has no previews", "set training.preview_every = 1 for one per epoch"
        )
    if epochs is None:
        at = np.unique(np.linspace(0, len(paths) - 1, min(columns, len(paths))).round().astype(int))
        read = [read_preview(paths[i]) for i in at]
    else:
        there = {preview.epoch: preview for preview in map(read_preview, paths)}
        absent = next((epoch for epoch in epochs if str(epoch) not in there), None)
        if absent is not None:
            near = min(there, key=lambda e: abs(float(e) - absent))
            raise UserError(
                f"run {run.name!r} has no preview of epoch {absent}", f"the nearest is of epoch {near}"
            )
        read = [there[str(epoch)] for epoch in epochs]
    cells: list[list[Picture | None]] = [
        [p.pictures[row] if row < len(p.pictures) else None for p in read]
        for row in range(min(pictures, max(len(p.pictures) for p in read)))
    ]
    return labelled_sheet(cells, (), [f"epoch {p.epoch}" for p in read], scale=scale, margin=MARGIN)
