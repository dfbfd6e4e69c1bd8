"""The names inside each kind of folder; nothing is read or written. `engine.base.home` has the folders' places."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


def is_number(name: str) -> bool:
    """Return whether a folder's name is the number of a job or of a step."""
    return name.isascii() and name.isdigit() and len(name) <= 15


class _Folder(Protocol):
    @property
    def path(self) -> Path: ...


class Inside:
    """A file or folder with a fixed name inside a folder: its path, as an attribute."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: _Folder, kind: type[_Folder]) -> Path:
        return folder.path / self.name


@dataclass(frozen=True)
class CheckpointFolder:
    """checkpoints/<step>: weights and optimizer state as safetensors, the rest in the manifest."""

    path: Path

    @property
    def step(self) -> int:
        return int(self.path.name)

    manifest = Inside("manifest.json")
    model = Inside("model.safetensors")
    ema = Inside("ema.safetensors")
    optimizer = Inside("optimizer.safetensors")


@dataclass(frozen=True)
class ExportFolder:
    """An exported checkpoint: weights, profile and description, in any folder on any machine."""

    path: Path

    record = Inside("export.json")
    profile = Inside("profile.toml")
    weights = Inside("model.safetensors")


@dataclass(frozen=True)
class SampleFolder:
    """samples/<id>: one sample set of a run, or of an export."""

    path: Path

    record = Inside("sample.json")
    grid = Inside("grid.png")
    pictures = Inside("pictures.npy")
    """All pictures, uint8 (N, H, W, C), NPY."""
    trajectory = Inside("trajectory.npy")
    """The denoising of the first few pictures, uint8 (frames, n, H, W, C), NPY; frame 0 is noise."""

    @property
    def predicted(self) -> Path:
        """What the network took for the finished picture at each frame of the trajectory, of its shape, NPY. Not there
        in sets of older versions."""
        return self.path / "predicted.npy"


@dataclass(frozen=True)
class RunFolder:
    """runs/<run>: everything about one run; it can be copied to another machine."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    record = Inside("run.json")
    metrics = Inside("metrics.jsonl")
    log = Inside("log.txt")
    lock = Inside("lock")
    tags = Inside("tags.json")
    tags_lock = Inside("tags.lock")
    """The lock that is held while tags are changed; the run's own lock belongs to its worker."""
    checkpoints = Inside("checkpoints")

    def checkpoint(self, step: int) -> CheckpointFolder:
        return CheckpointFolder(self.checkpoints / f"{step:08d}")

    previews = Inside("previews")

    def preview(self, step: int) -> Path:
        return self.previews / f"{step:08d}.png"

    samples = Inside("samples")

    def sample(self, sample_id: str) -> SampleFolder:
        return SampleFolder(self.samples / sample_id)

    evaluations = Inside("evaluations")


@dataclass(frozen=True)
class JobFolder:
    """jobs/<id>: a worker's specification, lock, progress and result."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    spec = Inside("spec.json")
    progress = Inside("progress.json")
    result = Inside("result.json")
    lock = Inside("lock")
    log = Inside("worker.log")
    queue_note = Inside("queue.json")
    """The queue's note of the job's state, from which a lost database is rebuilt."""


@dataclass(frozen=True)
class SourceFolder:
    """data/<dataset>: the location and the split of a data set's original pictures."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    record = Inside("source.json")
    download = Inside("download")
    """The folder of pictures that this program downloaded (CelebA's zip and partition)."""
    labels = Inside("labels.safetensors")
    """What is known of each picture, by its name."""


@dataclass(frozen=True)
class PackedFolder:
    """data/<dataset>-<recipe hash>: pictures decoded, cropped and scaled once."""

    path: Path

    manifest = Inside("manifest.json")
    pictures = Inside("pictures.u8")
    """The pictures, uint8 (N, 3, H, W), C order, without header."""
    split = Inside("split.u8")
    """The split, uint8 (N,): 0 train, 1 held out, 2 test."""
    report = Inside("broken.txt")
    """The list of pictures that were left out, one per line, with the reason."""
    statistics = Inside("statistics")
    """The folder of these pictures' features, stored for scores."""
    label_record = Inside("labels.json")
    """Which labels count."""

    def labels(self, digest: str) -> Path:
        """Labels in one state that they were in."""
        return self.path / f"labels-{digest}.safetensors"

    lock = Inside("lock")
