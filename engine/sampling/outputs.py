"""Whether a sample set can be kept and handed out, found out before the first step of drawing it.

Knows nothing of networks: counts bytes, and tries the places where files are wanted.
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
"""Of the pictures in memory at the end: as they were drawn, joined, and as one grid. Of an enlarged sheet too: as an
array, as Pillow has it, and compressed."""

BLOCK = 4096
"""Bytes that a file takes on the disk at least."""


@dataclass(frozen=True)
class Amounts:
    """Of a sample set: `count` pictures of `size` pixels a side, and `kept` of them with `frames` moments each."""

    count: int
    size: int
    kept: int = 0
    frames: int = 0

    @property
    def each(self) -> int:
        """Bytes of a picture."""
        return 3 * self.size * self.size

    @property
    def moments(self) -> int:
        """Bytes of all frames that are kept."""
        return self.kept * self.frames * self.each

    def sheet(self, pictures: int, scale: int, columns: int | None = None) -> int:
        """Bytes of a grid of so many pictures, enlarged."""
        columns = columns or max(1, math.ceil(math.sqrt(pictures)))
        rows = math.ceil(pictures / columns)
        return 3 * columns * rows * ((self.size + GAP) * scale) ** 2

    def outputs(self, args: Mapping[str, Any]) -> dict[str, int]:
        """Bytes of each output that `args` ask for, before compression, of which noise leaves little."""
        found = {
            "out": self.count * max(BLOCK, self.each),
            "npy": self.count * self.each,
            "grid": self.sheet(self.count, int(args.get("scale") or 1)),
            # A moving picture has one byte for three of a pixel.
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
        """Bytes that are needed at once, beside the network."""
        sheets = [
            COPIES * size for key, size in self.outputs(args).items() if key in ("grid", "trajectory_file")
        ]
        if _moves(args):  # every moment in three bytes a pixel, twice
            sheets[-1] *= 2
        return COPIES * self.count * self.each + max(sheets, default=0) + 2 * self.moments


def _moves(args: Mapping[str, Any]) -> bool:
    return str(args.get("trajectory_file")).lower().endswith(".gif")


def check_memory(amounts: Amounts, args: Mapping[str, Any]) -> None:
    """Raise UserError where the set and what `args` want of it do not fit memory."""
    needed, free = amounts.memory(args), int(psutil.virtual_memory().available)
    count, size = amounts.count, amounts.size
    if needed > free:
        fewer = f"at most {max(1, free * count // needed):,} at once; another --seed gives others"
        if needed > 2 * COPIES * count * amounts.each:
            fewer += ", and a smaller --scale or --trajectory-of needs less"
        raise UserError(
            f"{plural(count, 'picture')} of {size}×{size} need{'s' * (count == 1)} {needed / 1e9:,.1f} GB of memory "
            f"and {free / 1e9:,.1f} GB are free",
            fewer,
        )


def check_disks(folder: Path, amounts: Amounts, args: Mapping[str, Any]) -> None:
    """Raise DiskFullError where the set does not fit the disk of `folder`, or the outputs theirs; what lies on one disk
    counts together."""
    count = amounts.count
    # pictures.npy, grid.png, which noise keeps from shrinking, and trajectory.npy.
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
    """Raise UserError or DiskFullError naming the first file or folder of `args` that cannot be written, or a folder
    for pictures that has something else in it: two sets in one are none. What `job` itself left there when it was
    killed is written anew."""
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
    """Raise UserError where a folder for pictures has anything in it that this job did not put there."""
    if not any(os.scandir(out)):
        return
    try:
        own = read_sample(SampleFolder(out)).get("job") == job
    except DamagedError:
        own = False
    if not own or not job:
        raise UserError(f"{out} is not empty", "name a new folder, or empty it: two sets in one are none")
