"""The names inside each kind of folder; nothing is read or written. `engine.base.home` has the folders' places."""

from dataclasses import dataclass
from pathlib import Path


def is_number(name: str) -> bool:
    """Return whether a folder's name is the number of a job or of a step."""
    return name.isascii() and name.isdigit() and len(name) <= 15


@dataclass(frozen=True)
class CheckpointFolder:
    """checkpoints/<step>: weights and optimizer state as safetensors, the rest in the manifest."""

    path: Path

    @property
    def step(self) -> int:
        return int(self.path.name)

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def ema(self) -> Path:
        return self.path / "ema.safetensors"

    @property
    def optimizer(self) -> Path:
        return self.path / "optimizer.safetensors"


@dataclass(frozen=True)
class ExportFolder:
    """An exported checkpoint: weights, profile and description, in any folder on any machine."""

    path: Path

    @property
    def record(self) -> Path:
        return self.path / "export.json"

    @property
    def profile(self) -> Path:
        return self.path / "profile.toml"

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"


@dataclass(frozen=True)
class SampleFolder:
    """samples/<id>: one sample set of a run, or of an export."""

    path: Path

    @property
    def record(self) -> Path:
        return self.path / "sample.json"

    @property
    def grid(self) -> Path:
        return self.path / "grid.png"

    @property
    def pictures(self) -> Path:
        """Return the path of all pictures, uint8 (N, H, W, C), NPY."""
        return self.path / "pictures.npy"

    @property
    def trajectory(self) -> Path:
        """Return the path of the denoising of the first few pictures, uint8 (frames, n, H, W, C), NPY; frame 0 is
        noise.
        """
        return self.path / "trajectory.npy"


@dataclass(frozen=True)
class RunFolder:
    """runs/<run>: everything about one run; it can be copied to another machine."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def tags(self) -> Path:
        return self.path / "tags.json"

    @property
    def tags_lock(self) -> Path:
        """Return the lock that is held while tags are changed; the run's own lock belongs to its worker."""
        return self.path / "tags.lock"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def checkpoint(self, step: int) -> CheckpointFolder:
        return CheckpointFolder(self.checkpoints / f"{step:08d}")

    @property
    def previews(self) -> Path:
        return self.path / "previews"

    def preview(self, step: int) -> Path:
        return self.previews / f"{step:08d}.png"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    def sample(self, sample_id: str) -> SampleFolder:
        return SampleFolder(self.samples / sample_id)

    @property
    def evaluations(self) -> Path:
        return self.path / "evaluations"


@dataclass(frozen=True)
class JobFolder:
    """jobs/<id>: a worker's specification, lock, progress and result."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def progress(self) -> Path:
        return self.path / "progress.json"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def log(self) -> Path:
        return self.path / "worker.log"

    @property
    def queue_note(self) -> Path:
        """Return the queue's note of the job's state, from which a lost database is rebuilt."""
        return self.path / "queue.json"


@dataclass(frozen=True)
class SourceFolder:
    """data/<dataset>: the location and the split of a data set's original pictures."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> Path:
        return self.path / "source.json"

    @property
    def download(self) -> Path:
        """Return the folder of pictures that this program downloaded (CelebA's zip and partition)."""
        return self.path / "download"

    @property
    def labels(self) -> Path:
        """What is known of each picture, by its name."""
        return self.path / "labels.safetensors"


@dataclass(frozen=True)
class PackedFolder:
    """data/<dataset>-<recipe hash>: pictures decoded, cropped and scaled once."""

    path: Path

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def pictures(self) -> Path:
        """Return the path of the pictures, uint8 (N, 3, H, W), C order, without header."""
        return self.path / "pictures.u8"

    @property
    def split(self) -> Path:
        """Return the path of the split, uint8 (N,): 0 train, 1 held out, 2 test."""
        return self.path / "split.u8"

    @property
    def report(self) -> Path:
        """Return the path of the list of pictures that were left out, one per line, with the reason."""
        return self.path / "broken.txt"

    @property
    def statistics(self) -> Path:
        """Return the folder of these pictures' features, stored for scores."""
        return self.path / "statistics"

    @property
    def label_record(self) -> Path:
        """Which labels count."""
        return self.path / "labels.json"

    def labels(self, digest: str) -> Path:
        """Labels in one state that they were in."""
        return self.path / f"labels-{digest}.safetensors"

    @property
    def lock(self) -> Path:
        return self.path / "lock"
