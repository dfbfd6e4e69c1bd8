"""Whether a sample set can be kept and handed out, found out before the first step of drawing it.

Knows nothing of networks: counts bytes, and tries the places where files are wanted.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from engine.errors import UserError
from engine.files import require_free

COPIES = 3
"""Of the pictures in memory at the end: as they were drawn, joined, and as one grid."""

FILES = ("grid", "npy", "trajectory_file")


def check_room(folder: Path, count: int, size: int) -> None:
    """Raise UserError or DiskFullError where `count` pictures of `size` pixels do not fit memory, or the disk of
    `folder`."""
    each = 3 * size * size
    free = int(psutil.virtual_memory().available)
    if count * each * COPIES > free:
        raise UserError(
            f"{count:,} pictures of {size}×{size} need {count * each * COPIES / 1e9:,.1f} GB of memory "
            f"and {free / 1e9:,.1f} GB are free",
            f"at most {free // (each * COPIES):,} at once; another --seed gives others",
        )
    require_free(folder, count * each * 2)  # pictures.npy, and grid.png, which noise keeps from shrinking


def check_places(args: Mapping[str, Any], count: int, size: int) -> None:
    """Raise UserError or DiskFullError naming the first file or folder of `args` that cannot be written."""
    each = 3 * size * size
    for key in (*FILES, "out"):
        if not args.get(key):
            continue
        path = Path(args[key])
        folder = path if key == "out" else path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".ddpm-tui-"):
                pass
            if key != "out" and path.exists():
                with open(path, "ab"):
                    pass
        except OSError as error:
            raise UserError(
                f"cannot write {path} ({error.strerror})", "give another path; nothing was drawn"
            ) from None
        require_free(folder, count * each)
