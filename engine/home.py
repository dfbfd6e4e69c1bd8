"""Where everything is on disk: the only place that joins paths below $DDPM_HOME.

A folder class names what is inside one kind of folder and does nothing else: no reading, no writing.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
NAME_RULE = "use letters, digits, '.', '_' and '-' (at most 80, starting with a letter or digit)"


def check_name(kind: str, name: str) -> str:
    """Return `name` if it can be a folder here; raise UserError otherwise."""
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot name a {kind}", NAME_RULE)
    return name


def is_file_name(name: str) -> bool:
    """Whether a profile or a study is given by its file: anything with a slash or ending in .toml."""
    return "/" in name or name.endswith(".toml")


def is_export(reference: str) -> bool:
    """Whether a checkpoint is given by the folder it was exported to: a run's name has no slash."""
    return "/" in reference


def short_reference(reference: str) -> str:
    """A checkpoint as there is room for it: of an exported folder the last part, RUN@WHICH as it is."""
    return f"…/{Path(reference).name}" if is_export(reference) else reference


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
    """A checkpoint that was exported: weights, profile and what they are; anywhere, on any machine."""

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
        """All pictures, uint8 (N, H, W, C), NPY."""
        return self.path / "pictures.npy"

    @property
    def trajectory(self) -> Path:
        """Denoising of the first few pictures, uint8 (frames, n, H, W, C), NPY; frame 0 is noise."""
        return self.path / "trajectory.npy"


@dataclass(frozen=True)
class RunFolder:
    """runs/<run>: everything about one run; may be copied to another machine as it is."""

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
        """Held while the tags are changed, by whoever does; the run's own lock is its worker's."""
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
    """jobs/<id>: what a worker was asked to do, its lock, its progress and how it ended."""

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
        """The queue's own note of the job's state, from which a lost database is rebuilt."""
        return self.path / "queue.json"


@dataclass(frozen=True)
class SourceFolder:
    """data/<dataset>: where a data set's original pictures are and how it is split."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> Path:
        return self.path / "source.json"

    @property
    def download(self) -> Path:
        """Pictures that this program fetched itself (CelebA's zip and partition)."""
        return self.path / "download"


@dataclass(frozen=True)
class PackedFolder:
    """data/<dataset>-<recipe hash>: pictures decoded, cropped and scaled once."""

    path: Path

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def pictures(self) -> Path:
        """uint8 (N, 3, H, W), C order, no header."""
        return self.path / "pictures.u8"

    @property
    def split(self) -> Path:
        """uint8 (N,): 0 train, 1 held out, 2 test."""
        return self.path / "split.u8"

    @property
    def report(self) -> Path:
        """The pictures that were left out, one a line, with the reason."""
        return self.path / "broken.txt"

    @property
    def statistics(self) -> Path:
        """Features of these pictures, kept for scores."""
        return self.path / "statistics"

    @property
    def lock(self) -> Path:
        return self.path / "lock"


@dataclass(frozen=True)
class Home:
    """$DDPM_HOME: all state of one user on one machine."""

    root: Path

    @classmethod
    def find(cls) -> "Home":
        """$DDPM_HOME, else the platform's user data directory. Nothing is created. Raises UserError where
        DDPM_HOME is no folder."""
        given = os.environ.get("DDPM_HOME")
        if given:
            root = Path(given).expanduser().absolute()
            if root.exists() and not root.is_dir():
                raise UserError(f"DDPM_HOME is {root}, which is not a folder", "set it to a folder you own")
            return cls(root)
        import platformdirs  # only where it is needed: it is imported by every command

        return cls(Path(platformdirs.user_data_dir("ddpm-tui", appauthor=False)))

    def create(self) -> "Home":
        """Make the folders, private to the user. Raises UserError where that is not possible."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.profiles, self.data, self.runs, self.jobs, self.trash, self.studies):
                folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise UserError(
                f"cannot write to {self.root} ({error.strerror})",
                "set DDPM_HOME to a folder you own, on a disk with room",
            ) from None
        return self

    @property
    def queue_db(self) -> Path:
        return self.root / "queue.db"

    @property
    def queue_note(self) -> Path:
        """Whether the queue is on hold, for the day the database is lost."""
        return self.root / "queue.json"

    @property
    def socket(self) -> Path:
        return self.root / "engine.sock"

    @property
    def socket_elsewhere(self) -> Path:
        """Holds the path of the socket where the usual one is too long for the system."""
        return self.root / "engine.sock.path"

    @property
    def engine_lock(self) -> Path:
        return self.root / "engine.lock"

    @property
    def engine_log(self) -> Path:
        return self.root / "engine.log"

    @property
    def app_log(self) -> Path:
        """What failed in the terminal app."""
        return self.root / "tui.log"

    @property
    def estimator_log(self) -> Path:
        return self.root / "estimator.log"

    @property
    def theme(self) -> Path:
        """The name of the theme that was chosen last."""
        return self.root / "theme"

    @property
    def settings(self) -> Path:
        return self.root / "settings.toml"

    @property
    def keymap(self) -> Path:
        return self.root / "keymap.toml"

    @property
    def compile_cache(self) -> Path:
        return self.root / "compile-cache"

    @property
    def profiles(self) -> Path:
        return self.root / "profiles"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def trash(self) -> Path:
        return self.root / "trash"

    @property
    def studies(self) -> Path:
        return self.root / "studies"

    @property
    def samples(self) -> Path:
        """Sample sets of exported checkpoints, which belong to no run here."""
        return self.root / "samples"

    @property
    def evaluations(self) -> Path:
        """Scores of exported checkpoints."""
        return self.root / "evaluations"

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.runs / check_name("run", name))

    def job(self, job_id: str) -> JobFolder:
        return JobFolder(self.jobs / check_name("job", job_id))

    def user_profile(self, name: str) -> Path:
        return self.profiles / f"{check_name('profile', name)}.toml"

    def source(self, dataset: str) -> SourceFolder:
        return SourceFolder(self.data / check_name("data set", dataset))

    def packed(self, dataset: str, recipe: dict[str, object]) -> PackedFolder:
        """The packed form of a data set under one recipe: the folder is named by the recipe's content."""
        text = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        return PackedFolder(self.data / f"{check_name('data set', dataset)}-{digest}")


@dataclass(frozen=True)
class ExportPlace:
    """Where a home keeps what it makes of an exported checkpoint of run `name`. All exports share it; the SHA-256 of
    the weights tells whose a thing is."""

    home: Home
    name: str
    sha256: str

    @property
    def samples(self) -> Path:
        return self.home.samples

    @property
    def evaluations(self) -> Path:
        return self.home.evaluations


def shipped_profiles() -> Path:
    """The folder of the profiles that come with the program, in a checkout or in an installed wheel."""
    installed = Path(__file__).parent / "shipped_profiles"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "profiles"
