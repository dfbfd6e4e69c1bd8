"""sample.json: the settings of a set of samples. Read without torch, pydantic and NumPy."""

from dataclasses import dataclass
from typing import Annotated, Any

from engine.base.folders import SampleFolder
from engine.base.records import read_object
from engine.base.typed import AtLeast, Count, typed


@dataclass(frozen=True)
class _Facts:
    """The fields that other code uses; a set of an older version may lack any of them."""

    run: str | None = None
    checkpoint: Count | None = None
    export: str | None = None
    epoch: float | None = None
    n: Count | None = None
    size: Count | None = None
    sampler: str | None = None
    steps: Count | None = None
    spacing: str | None = None
    eta: float | None = None
    variance: str | None = None
    clip: bool | None = None
    weights: str | None = None
    seed: int | None = None
    each: Count | None = None
    labels: tuple[str, ...] | None = None
    edit: dict[str, Any] | None = None
    guidance: float | None = None
    guide: str | None = None
    guide_weights: str | None = None
    guidance_interval: tuple[float, ...] | None = None
    guide_sha256: str | None = None
    seconds: Annotated[float, AtLeast(0)] | None = None
    weights_sha256: str | None = None
    created: str | None = None
    job: str | None = None


def read_sample(folder: SampleFolder) -> dict[str, Any]:
    """Return the whole record, with known fields checked. Raises DamagedError."""
    what = f"the record of the sample set {folder.path.name}"
    content = read_object(folder.record, what)
    typed(_Facts, content, what, folder.record)
    return content
