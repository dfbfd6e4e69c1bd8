"""Deleting is moving to $DDPM_HOME/trash with a note of where it came from; `purge` is what frees the space."""

import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import DamagedError, DiskFullError, UserError, unknown
from engine.files import FileLock, disk_errors, fsync_folder, write_json
from engine.folders import CheckpointFolder, RunFolder
from engine.home import Home
from engine.records import read_json

Kind = Literal["run", "checkpoint", "samples", "data", "profile"]
NOTE = "trash.json"


@dataclass(frozen=True)
class Trashed:
    """One deleted thing. `label` is what it was called: 'run-1' or 'run-1@1220'."""

    id: str
    kind: Kind
    label: str
    origin: Path
    deleted: float
    path: Path
    group: str = ""
    """The same for what was deleted together and comes back together."""


def discard(home: Home, kind: Kind, label: str, path: Path, group: str = "") -> Trashed:
    """Move a run, checkpoint, sample set, data set or profile to the trash. Same file system, so one rename."""
    home.create()
    origin = str(path.relative_to(home.root))
    note = {"kind": kind, "label": label, "origin": origin, "deleted": time.time(), "group": group}
    try:
        with disk_errors(home.trash):
            place = _place(home)
        try:
            write_json(place / NOTE, note)
        except DiskFullError:
            place.rmdir()
            raise
    except DiskFullError as error:
        raise DiskFullError(
            error.what, f"`rm -r {shlex.quote(str(path))}` deletes it at once and for good, and makes room"
        ) from None
    try:
        path.rename(place / path.name)
    except FileNotFoundError:
        shutil.rmtree(place)
        raise UserError(f"{label} is already gone") from None
    fsync_folder(home.trash)
    fsync_folder(path.parent)
    return _read(home, place)


def _place(home: Home) -> Path:
    """A new folder in the trash whose name sorts after all that are there, also where the clock was set back."""
    stamp = time.time_ns()
    while True:
        last = max((int(path.name) for path in home.trash.iterdir() if path.name.isdecimal()), default=0)
        place = home.trash / f"{max(stamp, last + 1):020d}"
        try:
            place.mkdir()
        except FileExistsError:  # another process was quicker
            continue
        return place


def discard_run(home: Home, run: RunFolder) -> Trashed:
    """Move a whole run to the trash. Raises BusyError while a worker has it."""
    with FileLock.acquire(run.lock, f"run {run.name!r}", "pause or cancel it first"):
        return discard(home, "run", run.name, run.path)


def discard_checkpoint(home: Home, run: RunFolder, folder: CheckpointFolder) -> Trashed:
    return discard(home, "checkpoint", f"{run.name}@{folder.step}", folder.path)


def list_trash(home: Home) -> list[Trashed]:
    """Newest first; things without a readable note are left out."""
    found = []
    if home.trash.is_dir():
        for place in sorted(home.trash.iterdir(), reverse=True):
            try:
                found.append(_read(home, place))
            except (DamagedError, KeyError, TypeError, StopIteration):
                continue
    return found


def find_trashed(home: Home, label: str, kind: Kind) -> Trashed:
    """The newest deleted thing of that name."""
    found = [t for t in list_trash(home) if t.kind == kind]
    for item in found:
        if label in (item.label, item.id):
            return item
    raise unknown(f"deleted {kind}", label, [t.label for t in found], "see `trash list`")


def restore(trashed: Trashed) -> Path:
    """Move it back to where it was, and what was deleted with it where that is free. Returns where it is.

    Raises UserError where something else has its name, or its run is gone.
    """
    if trashed.origin.exists():
        raise UserError(
            f"{trashed.label} cannot be restored: {trashed.origin} exists", "rename or delete that first"
        )
    if not trashed.origin.parent.is_dir():
        raise UserError(
            f"{trashed.label} cannot be restored: {trashed.origin.parent} is gone", "restore its run first"
        )
    trashed.path.rename(trashed.origin)
    fsync_folder(trashed.origin.parent)
    shutil.rmtree(trashed.path.parent)
    if trashed.group:
        for other in list_trash(Home(trashed.path.parents[2])):
            if other.group == trashed.group and not other.origin.exists():
                restore(other)
                break  # it has brought back the rest
    return trashed.origin


def purge(trashed: Trashed) -> int:
    """Delete for good; the bytes that were freed."""
    size = size_of(trashed.path)
    shutil.rmtree(trashed.path.parent)
    return size


def size_of(path: Path) -> int:
    """Bytes of a folder and all below it, or of one file."""
    return sum(p.stat().st_size for p in (path, *path.rglob("*")) if p.is_file())


def _read(home: Home, place: Path) -> Trashed:
    note = read_json(place / NOTE, "a note in the trash")
    content = next(p for p in place.iterdir() if p.name != NOTE)
    return Trashed(
        place.name,
        note["kind"],
        note["label"],
        home.root / note["origin"],
        note["deleted"],
        content,
        note.get("group", ""),
    )
