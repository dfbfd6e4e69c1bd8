"""Preview sheets as faces: one file holds the same seeds at one step. Imported after the first paint."""

import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddpm_tui.draw.layout import SMALLEST_FACE
from ddpm_tui.draw.show import load_picture
from ddpm_tui.tui.state.snapshot import Snapshot
from engine.base.errors import DdpmError
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.base.picture_files import open_picture

Pixels = NDArray[np.uint8]


def load_faces(path: Path, size: int | None = None) -> list[Pixels]:
    """Return the faces of a sheet, uint8 (size, size, 3) each. Raises UserError naming a bad file.

    Sheets say in their metadata how many faces there are and how large; `size` is for those that do not.
    """
    sheet = load_picture(path)
    told = _told(path)
    count = _number(told.get("count"))
    edge = _number(told.get("size")) or size or min(sheet.shape[:2])
    rows, columns = max(1, sheet.shape[0] // edge), max(1, sheet.shape[1] // edge)
    faces = [
        sheet[y * edge : (y + 1) * edge, x * edge : (x + 1) * edge]
        for y in range(rows)
        for x in range(columns)
    ]
    return faces[: count or len(faces)]


def epoch_of(path: Path) -> int | None:
    """Return the epoch that a sheet says it was drawn after; None if it says nothing.

    The run's metrics say it only later: an epoch's line is written when its preview is there.
    """
    return _number(_told(path).get("epoch"))


def moment(step: int, epoch: float | None) -> tuple[str, str]:
    """Return the time of a preview, at length and in short."""
    if epoch is None:
        return f"step {step:,}", f"{step:,}"
    return f"epoch {epoch:g}, step {step:,}", f"epoch {epoch:g}"


def newest_preview(run: RunFolder, step: int) -> int | None:
    """Return the step of the newest preview that is not after `step`; None if there is none."""
    try:
        stems = [path.stem for path in run.previews.glob("*.png")]
    except OSError:
        return None
    return max((int(s) for s in stems if s.isdecimal() and int(s) <= step), default=None)


def shown_preview(
    home: Home, runs: Snapshot, run: str, step: int | None = None
) -> tuple[RunFolder, int] | None:
    """Return the run and the step of the preview that shows how a run draws at `step` (now, if None).

    It is the run's newest preview; for a branch that has none yet, the newest of its parent up to the branch. None
    if there is none."""
    at, asked = sys.maxsize if step is None else step, set[str]()
    while run not in asked:
        asked.add(run)
        folder = RunFolder(home.runs / run)
        found = newest_preview(folder, at)
        if found is not None:
            return folder, found
        view = runs.run(run)
        if view is None or view.parent is None or view.parent_step is None:
            break
        run, at = view.parent, min(at, view.parent_step)
    return None


def training_faces(home: Home, run: str, count: int = 16) -> list[Pixels]:
    """Return some of the pictures that this run learns from; its data set may hold others by now.

    [] while they are not packed, or if they cannot be read.
    """
    from engine.data.packed import open_packed
    from engine.runs.pictures import pictures_of
    from engine.runs.record import load_run

    try:
        packed = open_packed(pictures_of(home, load_run(home, run)))
    except (DdpmError, OSError, ValueError):
        return []
    return [np.ascontiguousarray(packed.pictures[i].transpose(1, 2, 0)) for i in packed.train[:count]]


def _told(path: Path) -> dict[str, object]:
    """Return the text entries of a PNG; {} if there are none."""
    try:
        with open_picture(path) as image:
            return {str(key): value for key, value in image.info.items()}
    except OSError:
        return {}


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() else None


def worth_showing(count: int, own: int, width: int, height: int) -> int:
    """Return how many of `count` faces of `own` pixels make best use of width×height cells: many, but not tiny ones."""
    best, most = 1, 0.0
    for n in range(1, count + 1):
        edge = largest_edge(n, own, width, height)
        worth = n * min(1.0, edge / 40) ** 1.5
        if edge >= (12 if n == 1 else SMALLEST_FACE) and worth > most * 1.02:
            best, most = n, worth
    return best


def largest_edge(n: int, own: int, width: int, height: int) -> int:
    """Return the pixels a side at which n square faces fit, with a cell between; whole multiples above their own
    size."""
    best = 0
    for columns in range(1, n + 1):
        rows = math.ceil(n / columns)
        edge = min((width + 1) // columns - 1, 2 * ((height + 1) // rows - 1))
        best = max(best, edge // own * own if edge >= own else edge)
    return best
