"""How far the pictures of an export are from those of its original. Never imports torch."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.base.errors import DdpmError

MOST = {"float32": 0.5, "float16": 4.0}
"""Of the mean error, by what the weights are stored as; beyond it an export draws other pictures."""


@dataclass(frozen=True)
class Check:
    """Errors of pixels in steps of 0 … 255. largest, mean: over all pixels of `pictures` seeds · same: share of the
    numbers that are equal · by: the program that drew from the export · sampler, steps, spacing: those it used."""

    pictures: int
    largest: int
    mean: float
    same: float
    by: str
    sampler: str = ""
    steps: int = 0
    spacing: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def words(self) -> str:
        """Return the check in one sentence."""
        if not self.pictures:
            return f"{self.by}: every picture is the same"
        how = f"{self.sampler}×{self.steps} {self.spacing}, drawn by {self.by}"
        return (
            f"over {self.pictures} seeds the largest error of a pixel is {self.largest} of 255 and the mean "
            f"{self.mean:.2g} ({how})"
        )


SAME_BYTES = Check(0, 0, 0.0, 1.0, "the weights are the bytes of the checkpoint (SHA-256)")


def compare(original: np.ndarray, exported: np.ndarray, by: str, dtype: str, **how: Any) -> Check:
    """Compare uint8 (n, H, W, 3) pictures of the same seeds. Raises DdpmError if they are too far apart for `dtype`."""
    apart = np.abs(original.astype(np.int16) - exported.astype(np.int16))
    found = Check(len(original), int(apart.max()), float(apart.mean()), float((apart == 0).mean()), by, **how)
    if found.mean > MOST[dtype]:
        raise DdpmError(
            f"what was written draws other pictures than the checkpoint: {found.words()}",
            "nothing is left of it; leave --half out" if dtype == "float16" else "nothing is left of it",
        )
    return found
