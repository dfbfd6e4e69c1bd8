"""The layout of $DDPM_HOME. Only this module and `engine.base.folders` join paths below it."""

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
    """Return whether `name` is valid as the name of a folder."""
    return NAME.fullmatch(name) is not None


def check_name(kind: str, name: str) -> str:
    """Return `name` if it is valid as the name of a folder; raise UsageError otherwise."""
    if not is_name(name):
        raise UsageError(f"{name!r} cannot name a {kind}", NAME_RULE)
    return name


def is_file_name(name: str) -> bool:
    """Return whether a profile or a study is given as a file: with a slash, or ending in .toml."""
    return "/" in name or name.endswith(".toml")


def given_path(path: Path | str) -> Path:
    """Return a path that the user typed, with '~' expanded.

    Raises UsageError for an empty path, because an unset variable in a script must not mean the current folder.
    """
    if not str(path):
        raise UsageError("the path is empty", "use . for the current folder")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: there is no such user", "give the path without '~'") from None


def is_export(reference: str) -> bool:
    """Return whether a checkpoint is given as an exported folder; names of runs have no slash."""
    return "/" in reference


def short_reference(reference: str) -> str:
    """Return a short name of a checkpoint: the last part of an exported folder, or RUN@WHICH unchanged."""
    return f"…/{Path(reference).name}" if is_export(reference) else reference


@dataclass(frozen=True)
class Home:
    """$DDPM_HOME: all state of one user on one machine."""

    root: Path

    @classmethod
    def find(cls) -> "Home":
        """Return $DDPM_HOME, or the platform's user data directory. Creates nothing. Raises UserError if DDPM_HOME is
        not a folder.
        """
        given = os.environ.get("DDPM_HOME")
        if given:
            root = Path(given).expanduser().absolute()
            if root.exists() and not root.is_dir():
                raise UserError(f"DDPM_HOME is {root}, which is not a folder", "set it to a folder you own")
            return cls(root)
        import platformdirs  # imported here because every command imports this module

        return cls(Path(platformdirs.user_data_dir("ddpm-tui", appauthor=False)))

    def create(self) -> "Home":
        """Create the folders, private to the user. Raises UserError if that is not possible."""
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
        """Return the note of whether the queue is on hold, in case the database is lost."""
        return self.root / "queue.json"

    @property
    def socket(self) -> Path:
        return self.root / "engine.sock"

    @property
    def socket_elsewhere(self) -> Path:
        """Return the file with the socket's path, if the usual path is too long for the system."""
        return self.root / "engine.sock.path"

    @property
    def engine_lock(self) -> Path:
        return self.root / "engine.lock"

    @property
    def engine_log(self) -> Path:
        return self.root / "engine.log"

    @property
    def app_log(self) -> Path:
        """Return the log of failures of the terminal app."""
        return self.root / "tui.log"

    @property
    def estimator_log(self) -> Path:
        return self.root / "estimator.log"

    @property
    def theme(self) -> Path:
        """Return the file with the name of the selected theme."""
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
        """Return the lock that is held while a run is named."""
        return self.root / ".runs.lock"

    @property
    def profiles_lock(self) -> Path:
        """Return the lock that is held while a profile is written."""
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
        """Return the folder of sample sets of exported checkpoints, which belong to no run in this home."""
        return self.root / "samples"

    @property
    def evaluations(self) -> Path:
        """Return the folder of scores of exported checkpoints."""
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
        """Return the folder of a data set packed with one recipe; its name contains a hash of the recipe."""
        text = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        return PackedFolder(self.data / f"{check_name('data set', dataset)}-{digest}")


@dataclass(frozen=True)
class ExportPlace:
    """The place in a home for samples and scores of an exported checkpoint of run `name`. All exports share it; the
    SHA-256 of the weights distinguishes them.
    """

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
    """Return the folder of the included profiles, in a checkout or in an installed wheel."""
    engine = Path(__file__).parents[1]
    installed = engine / "shipped_profiles"
    return installed if installed.is_dir() else engine.parent / "profiles"
