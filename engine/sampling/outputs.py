"""Checks, before the first step, that a sample set can be stored and its output files written.

Knows nothing about networks: counts bytes, and tests the paths of output files.
"""

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from engine.base.errors import DamagedError, UserError
from engine.base.files import require_free, unwritable
from engine.base.folders import SampleFolder
from engine.base.text import plural
from engine.config.sampling_settings import OUTPUTS
from engine.runs.sample_record import read_sample
from engine.sampling.sheets import GAP, STRIP_FRAMES, gif_scale, strip_scale

COPIES = 3
"""Copies of the pictures in memory at the end: as drawn, joined, and as one grid. For an enlarged sheet: as an array,
in Pillow, and compressed.
"""

BLOCK = 4096
"""The minimum bytes of a file on the disk."""


@dataclass(frozen=True)
class Amounts:
    """The size of a sample set: `count` pictures of `size` pixels per side, and `kept` of them with `frames` frames
    each.
    """

    count: int
    size: int
    kept: int = 0
    frames: int = 0

    @property
    def each(self) -> int:
        """Return the bytes of a picture."""
        return 3 * self.size * self.size

    @property
    def moments(self) -> int:
        """Return the bytes of all stored frames, and of as many predicted pictures."""
        return 2 * self.kept * self.frames * self.each

    def sheet(self, pictures: int, scale: int, columns: int | None = None) -> int:
        """Return the bytes of a grid of enlarged pictures."""
        columns = columns or max(1, math.ceil(math.sqrt(pictures)))
        rows = math.ceil(pictures / columns)
        return 3 * columns * rows * ((self.size + GAP) * scale) ** 2

    def outputs(self, args: Mapping[str, Any]) -> dict[str, int]:
        """Return the bytes of each requested output before compression; pictures with noise hardly compress."""
        found = {
            "out": self.count * max(BLOCK, self.each),
            "npy": self.count * self.each,
            "grid": self.sheet(self.count, int(args.get("scale") or 1)),
            # An animation has one byte per pixel instead of three.
            "trajectory_file": self.frames * self.sheet(self.kept, gif_scale(self.size)) // 3
            if _moves(args)
            else self.sheet(
                self.kept * min(STRIP_FRAMES, self.frames),
                strip_scale(self.size),
                min(STRIP_FRAMES, self.frames),
            ),
        }
        return {key: found[key] for key in OUTPUTS if args.get(key)}

    def memory(self, args: Mapping[str, Any]) -> int:
        """Return the bytes that are needed at once, in addition to the network."""
        sheets = [
            COPIES * size for key, size in self.outputs(args).items() if key in ("grid", "trajectory_file")
        ]
        if _moves(args):  # every frame in three bytes per pixel, twice
            sheets[-1] *= 2
        return COPIES * self.count * self.each + max(sheets, default=0) + 2 * self.moments


def _moves(args: Mapping[str, Any]) -> bool:
    return str(args.get("trajectory_file")).lower().endswith(".gif")


def check_memory(amounts: Amounts, args: Mapping[str, Any]) -> None:
    """Raise UserError if the set and the requested outputs do not fit into memory."""
    needed, free = amounts.memory(args), int(psutil.virtual_memory().available)
    count, size = amounts.count, amounts.size
    if needed > free:
        fewer = f"at most {max(1, free * count // needed):,} at once; use another --seed for more"
        if needed > 2 * COPIES * count * amounts.each:
            fewer += ", and a smaller --scale or --trajectory-of needs less"
        raise UserError(
            f"{plural(count, 'picture')} of {size}×{size} need{'s' * (count == 1)} {needed / 1e9:,.1f} GB of memory "
            f"and {free / 1e9:,.1f} GB are free",
            fewer,
        )


def check_disks(folder: Path, amounts: Amounts, args: Mapping[str, Any]) -> None:
    """Raise DiskFullError if the set does not fit on the disk of `folder`, or the outputs on theirs; everything on
    one disk is added up.
    """
    count = amounts.count
    # pictures.npy, grid.png (which noise makes incompressible), trajectory.npy and predicted.npy.
    wanted = [(folder, amounts.count * amounts.each + amounts.sheet(count, 1) + amounts.moments)]
    for key, size_of in amounts.outputs(args).items():
        path = Path(args[key])
        wanted.append((path if key == "out" else path.parent, size_of))
    disks: dict[int, list[tuple[Path, int]]] = {}
    for place, size_of in wanted:
        disks.setdefault(_disk(place), []).append((place, size_of))
    for together in disks.values():
        require_free(together[0][0], sum(size_of for _, size_of in together))


def _disk(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return folder.stat().st_dev


def check_places(args: Mapping[str, Any], job: str = "") -> None:
    """Raise UserError or DiskFullError that names the first path in `args` that cannot be written to, or a picture
    folder that contains other files, because two sets must not be mixed. Files that `job` itself left there when it
    was killed are written again.
    """
    for key in OUTPUTS:
        if not args.get(key):
            continue
        path = Path(args[key])
        folder = path if key == "out" else path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if key == "out":
                check_empty(path, job)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".ddpm-tui-"):
                pass
            if key != "out" and path.exists():
                with open(path, "ab"):
                    pass
        except OSError as error:
            raise unwritable(path, error, "give another path; nothing was drawn") from None


def check_empty(out: Path, job: str) -> None:
    """Raise UserError if a picture folder contains anything that this job did not put there."""
    if not any(os.scandir(out)):
        return
    try:
        own = read_sample(SampleFolder(out)).get("job") == job
    except DamagedError:
        own = False
    if not own or not job:
        raise UserError(f"{out} is not empty", "name a new folder, or empty this one")
