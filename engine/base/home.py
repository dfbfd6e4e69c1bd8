"""Where everything is on disk: with `engine.base.folders` the only place that joins paths below $DDPM_HOME."""

import errno
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from engine.base.errors import DiskFullError, UsageError, UserError
from engine.base.folders import JobFolder, PackedFolder, RunFolder, SourceFolder

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
NAME_RULE = "use letters, digits, '.', '_' and '-' (at most 80, starting with a letter or digit)"


def is_name(name: str) -> bool:
    """Whether `name` can be a folder here."""
    return NAME.fullmatch(name) is not None


def check_name(kind: str, name: str) -> str:
    """Return `name` if it can be a folder here; raise UsageError otherwise."""
    if not is_name(name):
        raise UsageError(f"{name!r} cannot name a {kind}", NAME_RULE)
    return name


def is_file_name(name: str) -> bool:
    """Whether a profile or a study is given by its file: anything with a slash or ending in .toml."""
    return "/" in name or name.endswith(".toml")


def given_path(path: Path | str) -> Path:
    """The path that somebody typed, with '~' put in full.

    Raises UsageError for an empty one: the unset variable of a script never means the current folder.
    """
    if not str(path):
        raise UsageError("the path is empty", "for the current folder say .")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: nobody here is called that", "give the path without '~'") from None


def is_export(reference: str) -> bool:
    """Whether a checkpoint is given by the folder it was exported to: a run's name has no slash."""
    return "/" in reference


def short_reference(reference: str) -> str:
    """A checkpoint as there is room for it: of an exported folder the last part, RUN@WHICH as it is."""
    return f"…/{Path(reference).name}" if is_export(reference) else reference


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
            what, hint = (
                f"cannot write to {self.root} ({error.strerror})",
                "set DDPM_HOME to a folder you own",
            )
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(what, f"{hint}, on a disk with room") from None
            raise UserError(what, f"{hint}, on a disk with room") from None
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
    def runs_lock(self) -> Path:
        """Held while a run gets its name."""
        return self.root / ".runs.lock"

    @property
    def profiles_lock(self) -> Path:
        """Held while a profile is written."""
        return self.root / ".profiles.lock"

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
    engine = Path(__file__).parents[1]
    installed = engine / "shipped_profiles"
    return installed if installed.is_dir() else engine.parent / "profiles"
