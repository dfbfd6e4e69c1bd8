"""The queue's facts about runs, read from their files without torch and without pydantic.

Creating a run and checking a checkpoint's bytes need more imports; those are local, so that an idle service stays
small.
"""

import contextlib
from dataclasses import dataclass

from engine.base.errors import DamagedError, UserError, damaged_run, unknown
from engine.base.files import is_locked, lock_holder
from engine.base.folders import RunFolder, is_number
from engine.base.home import NAME, Home
from engine.base.scarcity import unless_scarce
from engine.device.place import Kind, began_on
from engine.runs.manifest import read_manifest
from engine.runs.stored import read_stored


@dataclass(frozen=True)
class RunFacts:
    """Facts about a run. chunk_epochs: epochs of one chunk · device: the profile's device ("auto", "cpu", "cuda",
    "cuda:1") · began: the kind of device on which its training began, None before that.
    """

    chunk_epochs: int
    device: str
    began: Kind | None


def run_facts(folder: RunFolder) -> RunFacts:
    """Read a run's facts. Raises DamagedError if run.json cannot be read, UserError for a newer format."""
    try:
        found = read_stored(folder)
    except DamagedError as error:
        raise damaged_run(folder.name, error.what, error.hint) from None
    chunk, device = found.setting("training", "chunk_epochs"), found.setting("training", "device")
    return RunFacts(
        max(1, chunk) if isinstance(chunk, int) else 25,
        device if isinstance(device, str) else "auto",
        began_on(found.frozen),
    )


def exists(home: Home, name: str) -> bool:
    """Return whether there is a run of this name; False for invalid names."""
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
    """Return a run's folder. Raises UserError with the nearest name."""
    if not exists(home, name):
        raise unknown("run", name, names(home), "see `runs list`")
    return home.run(name)


@dataclass(frozen=True)
class Reached:
    """The newest checkpoint according to its manifest: step, complete epochs, and epochs with the fraction."""

    step: int
    epoch: int
    epochs_seen: float


def newest(folder: RunFolder) -> Reached | None:
    """Return the newest checkpoint with a readable manifest; its bytes are not checked. Raises ScarceError."""
    for step in _steps(folder):
        with contextlib.suppress(DamagedError, UserError):
            manifest = read_manifest(folder.checkpoint(step))
            return Reached(manifest.step, manifest.epoch, manifest.epochs_seen)
    return None


def _steps(folder: RunFolder) -> list[int]:
    with unless_scarce():
        return sorted((int(p.name) for p in folder.checkpoints.iterdir() if is_number(p.name)), reverse=True)
    return []


def target_reached(home: Home, run: str, to_epoch: int) -> bool:
    """Return whether an intact checkpoint is at or past the end of `to_epoch`."""
    if not exists(home, run):
        return False
    folder = home.run(run)
    near = newest(folder)
    if near is None or near.epoch < to_epoch:
        return False
    from engine.runs.checkpoints import (
        newest_whole,
    )  # imports pydantic; needed only after a worker died without a result

    info = newest_whole(folder)
    return info is not None and info.whole().epoch >= to_epoch


def in_use(home: Home, run: str) -> str | None:
    """Return who trains the run without the queue's knowledge, or None."""
    if not exists(home, run):
        return None
    lock = home.run(run).lock
    return (lock_holder(lock) or "another process") if is_locked(lock) else None
