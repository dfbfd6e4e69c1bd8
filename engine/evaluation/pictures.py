"""The checks of every measure's pictures, in one place. Must not know of files or runs."""

import numpy as np
from numpy.typing import NDArray

from engine.base.errors import UserError

Pictures = NDArray[np.uint8]
"""uint8 (N, 3, H, W), as packed data has them."""


def check_pictures(pictures: Pictures, what: str = "the set", at_least: int = 2) -> None:
    """Check pictures. Raises UserError for anything but uint8 (N, 3, H, W), or for too few."""
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[1] != 3:
        raise UserError(
            f"{what} is {pictures.dtype} {tuple(pictures.shape)}", "pictures to score are uint8 (N, 3, H, W)"
        )
    if len(pictures) < at_least:
        raise UserError(
            f"{what} has {len(pictures)} picture{'s' if len(pictures) != 1 else ''}",
            f"a score needs at least {at_least}",
        )


def check_same_size(a: Pictures, b: Pictures) -> None:
    """Check that two sets have pictures of one size. Raises UserError if not."""
    if a.shape[1:] != b.shape[1:]:
        sizes = " and ".join(f"{p.shape[3]}×{p.shape[2]}" for p in (a, b))
        raise UserError(
            f"the two sets differ in size: {sizes}", "score pictures against a reference of their size"
        )
