"""The reader of manifest.json of a checkpoint. Never imports torch or pydantic."""

from dataclasses import dataclass, field
from typing import Any

from engine.base import seals
from engine.base.errors import DamagedError
from engine.base.folders import CheckpointFolder
from engine.base.records import read_json, read_object
from engine.base.seals import check_seal
from engine.base.typed import Count, Migration, check_format, migrated, typed
from engine.runs.timeline import Origin

FORMAT = 1

MIGRATIONS: dict[int, Migration] = {}
"""Functions that migrate manifest.json from each older format to the next."""


@dataclass(frozen=True)
class Manifest:
    """What one checkpoint holds. `images` counts pictures seen, `position` those of the unfinished epoch.

    epochs: those done, with the fraction; None in old ones, whose steps were all alike · chunk: the number of the chunk
    that ends here, 2.5 if a job's target came in the middle of the third; None in old ones.
    """

    step: Count
    epoch: Count
    images: Count
    position: Count
    steps_per_epoch: Count
    architecture: str
    chunk_end: bool = False
    chunk: float | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    eps_error: float | None = None
    lr: float | None = None
    metrics_offset: Count = 0
    sums: dict[str, float] | None = None
    scaler: dict[str, Any] | None = None
    torch_version: str = ""
    created: str = ""
    epochs: float | None = None
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def epochs_seen(self) -> float:
        if self.epochs is not None:
            return self.epochs
        return self.step / self.steps_per_epoch if self.steps_per_epoch else float(self.epoch)

    @property
    def whole_epoch(self) -> bool:
        return self.position == 0


def origin_of(manifest: Manifest) -> Origin:
    """Return where a branch from this checkpoint begins."""
    return Origin(manifest.step, manifest.epochs_seen, manifest.images)


def read_manifest(folder: CheckpointFolder) -> Manifest:
    """Read manifest.json. Raises DamagedError that names it, UserError for a newer format."""
    what = f"the manifest of checkpoint {folder.path.name}"
    data = check_format(read_json(folder.manifest, what), FORMAT, what, folder.manifest)
    manifest = typed(Manifest, migrated(data, MIGRATIONS, FORMAT, what), what, folder.manifest)
    if wrong := _wrong_file(manifest):
        raise DamagedError(f"{what} has something else for {wrong}: {folder.manifest}")
    check_seal(data, what, folder.manifest)
    if manifest.step != folder.step:
        raise DamagedError(f"{what} is that of step {manifest.step}: {folder.manifest}")
    return manifest


def is_sealed(folder: CheckpointFolder) -> bool:
    """Return whether the manifest has a digest of itself; those of older versions have none. Raises DamagedError."""
    return seals.is_sealed(read_object(folder.manifest, "the manifest"))


def _wrong_file(manifest: Manifest) -> str | None:
    """Return the first entry of `files` that does not name a file beside the manifest with its size and digest."""
    for name, entry in manifest.files.items():
        # A name is a file beside the manifest: files are copied and linked by it.
        if name in ("", ".", "..") or "/" in name or not isinstance(entry, dict):
            return f"files[{name!r}]"
        if type(entry.get("size")) is not int or not isinstance(entry.get("sha256"), str):
            return f"files[{name!r}]"
    return None
