"""What the queue needs to know of runs: plain facts from their files, read without torch and without pydantic.

Making a run and checking a checkpoint's bytes need more; those are imported where they happen, so that an idle
service stays small.
"""

from dataclasses import dataclass
from typing import Annotated

from engine.base.errors import DamagedError, UserError, damaged_run, unknown
from engine.base.files import is_locked, lock_holder
from engine.base.folders import RunFolder, is_number
from engine.base.home import NAME, Home
from engine.base.scarcity import unless_scarce
from engine.base.seals import read_sealed
from engine.base.typed import AtLeast, Count, typed
from engine.device.place import Kind, began_on


@dataclass(frozen=True)
class RunFacts:
    """chunk_epochs: epochs of one chunk · device: what its profile asks for ("auto", "cpu", "cuda", "cuda:1") · began:
    the kind of device that its training began on, None before it has."""

    chunk_epochs: int
    device: str
    began: Kind | None


def run_facts(folder: RunFolder) -> RunFacts:
    """Raises DamagedError where run.json cannot be read."""
    what = f"the record of run {folder.name!r}"
    try:
        record = read_sealed(folder.record, what)
        profile, frozen = record["profile"], record.get("frozen") or {}
        training = profile.get("training", {})
        wanted = str(training.get("device", "auto"))
        return RunFacts(max(1, int(training.get("chunk_epochs", 25))), wanted, began_on(frozen))
    except DamagedError as error:
        raise damaged_run(folder.name, error.what, error.hint) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise damaged_run(folder.name, f"{what} is not a run record: {folder.record}") from None


def exists(home: Home, name: str) -> bool:
    """Whether there is a run of this name; a name that cannot be a run's is no run."""
    try:
        return home.run(name).record.is_file()
    except UserError:
        return False


def names(home: Home) -> list[str]:
    try:
        return sorted(
            p.name for p in home.runs.iterdir() if NAME.fullmatch(p.name) and RunFolder(p).record.is_file()
        )
    except OSError:
        return []


def find(home: Home, name: str) -> RunFolder:
    """Raises UserError with the nearest name."""
    if not exists(home, name):
        raise unknown("run", name, names(home), "see `runs list`")
    return home.run(name)


@dataclass(frozen=True)
class Reached:
    """The newest checkpoint by its manifest: step, whole epochs, and epochs with the fraction."""

    step: int
    epoch: int
    epochs_seen: float


@dataclass(frozen=True)
class _Plain:
    """What is read here of a checkpoint's manifest."""

    step: Count
    epoch: Count
    steps_per_epoch: Count = 0
    epochs: Annotated[float, AtLeast(0)] | None = None


def newest(folder: RunFolder) -> Reached | None:
    """The newest checkpoint whose manifest reads; its bytes are not checked. Raises ScarceError."""
    for path in _steps(folder):
        try:
            manifest = read_sealed(folder.checkpoint(path).manifest, "a manifest")
            plain = typed(_Plain, manifest, "a manifest")
        except DamagedError:
            continue
        if plain.step != path:  # another's
            continue
        per_epoch, seen = plain.steps_per_epoch, plain.epochs
        if seen is None:
            seen = plain.step / per_epoch if per_epoch else float(plain.epoch)
        return Reached(plain.step, plain.epoch, seen)
    return None


def _steps(folder: RunFolder) -> list[int]:
    with unless_scarce():
        return sorted((int(p.name) for p in folder.checkpoints.iterdir() if is_number(p.name)), reverse=True)
    return []


def target_reached(home: Home, run: str, to_epoch: int) -> bool:
    """Whether a checkpoint whose every byte is right is at or past the end of `to_epoch`."""
    if not exists(home, run):
        return False
    folder = home.run(run)
    near = newest(folder)
    if near is None or near.epoch < to_epoch:
        return False
    from engine.runs.checkpoints import newest_whole  # brings pydantic: only after a worker's silent death

    info = newest_whole(folder)
    return info is not None and info.whole().epoch >= to_epoch


def in_use(home: Home, run: str) -> str | None:
    """Who trains the run outside the queue's knowledge, or None."""
    if not exists(home, run):
        return None
    lock = home.run(run).lock
    return (lock_holder(lock) or "another process") if is_locked(lock) else None
