"""The trash: deleting moves a thing to $DDPM_HOME/trash with a note of its origin; only `purge` frees the space."""

import contextlib
import errno
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.base.errors import DamagedError, DiskFullError, GoneError, UserError, unknown
from engine.base.files import FileLock, disk_errors, fsync_folder, write_json
from engine.base.folders import CheckpointFolder, RunFolder
from engine.base.home import Home
from engine.base.records import MissingError, read_json
from engine.base.text import shell_word
from engine.base.typed import typed

Kind = Literal["run", "checkpoint", "samples", "data", "profile"]
NOTE = "trash.json"


@dataclass(frozen=True)
class Trashed:
    """One deleted thing. `label` is its name: 'run-1' or 'run-1@1220'."""

    id: str
    kind: Kind
    label: str
    origin: Path
    deleted: float
    path: Path
    group: str = ""
    """The same for things that were deleted together and are restored together."""


@dataclass(frozen=True)
class _TrashNote:
    """trash.json. `origin` is relative to the home."""

    kind: Kind
    label: str
    origin: str
    deleted: float
    group: str = ""


def discard(home: Home, kind: Kind, label: str, path: Path, group: str = "") -> Trashed:
    """Move a run, checkpoint, sample set, data set or profile to the trash, by one rename within the file system."""
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
            error.what, f"`rm -r {shell_word(path)}` deletes it permanently and frees its space"
        ) from None
    try:
        path.rename(place / path.name)
    except FileNotFoundError:
        shutil.rmtree(place)
        raise GoneError(f"{label} is already gone") from None
    fsync_folder(home.trash)
    fsync_folder(path.parent)
    return _read(home, place)


def _place(home: Home) -> Path:
    """Return a new folder in the trash whose name sorts after all existing ones, even if the clock was set back."""
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
    """Move a whole run to the trash. Raises BusyError while a worker uses it."""
    what = f"run {run.name!r}"
    with FileLock.for_a_moment(run.lock, what, "it is being deleted", "pause or cancel it first"):
        return discard(home, "run", run.name, run.path)


def discard_checkpoint(home: Home, run: RunFolder, folder: CheckpointFolder) -> Trashed:
    return discard(home, "checkpoint", f"{run.name}@{folder.step}", folder.path)


def list_trash(home: Home, complain: Callable[[str], None] = lambda text: None) -> list[Trashed]:
    """Return all deleted things, newest first; `complain` is called for each folder without a readable note."""
    found = []
    for place in sorted(home.trash.iterdir(), reverse=True) if home.trash.is_dir() else []:
        try:
            found.append(_read(home, place))
        except MissingError:
            continue  # it is being deleted or restored at this moment
        except DamagedError as error:
            complain(str(error))
    return found


def find_trashed(home: Home, label: str, kind: Kind) -> Trashed:
    """Return the most recently deleted thing with this name."""
    found = [t for t in list_trash(home) if t.kind == kind]
    for item in found:
        if label in (item.label, item.id):
            return item
    raise unknown(f"deleted {kind}", label, [t.label for t in found], "see `trash list`")


def restore(trashed: Trashed) -> Path:
    """Move a thing back to its place, and the things deleted with it if their places are free. Returns its path.

    Raises UserError if its name is taken or its run is gone.
    """
    if trashed.origin.exists():
        raise UserError(
            f"{trashed.label} cannot be restored: {trashed.origin} exists", "rename or delete that one first"
        )
    if not trashed.path.exists():
        raise GoneError(f"{trashed.label} is not in the trash any more")
    if not trashed.origin.parent.is_dir():
        raise UserError(
            f"{trashed.label} cannot be restored: {trashed.origin.parent} is gone", "restore its run first"
        )
    _put_back(trashed)
    fsync_folder(trashed.origin.parent)
    shutil.rmtree(trashed.path.parent, ignore_errors=True)
    if trashed.group:
        for other in list_trash(Home(trashed.path.parents[2])):
            if other.group == trashed.group and not other.origin.exists():
                restore(other)
                break  # another process has restored the rest
    return trashed.origin


def _put_back(trashed: Trashed) -> None:
    """Rename the thing back; another process may have restored or deleted it first."""
    try:
        if trashed.path.is_dir():
            trashed.path.rename(trashed.origin)
        else:  # a rename would replace a file that was created in the meantime
            trashed.origin.hardlink_to(trashed.path)
            trashed.path.unlink(missing_ok=True)
    except FileNotFoundError:
        raise GoneError(f"{trashed.label} is not in the trash any more") from None
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise UserError(
            f"{trashed.label} cannot be restored: {trashed.origin} exists", "rename or delete that one first"
        ) from None


def purge(trashed: Trashed) -> int:
    """Delete a thing permanently, and return the number of bytes freed."""
    size = size_of(trashed.path)
    try:
        shutil.rmtree(trashed.path.parent)
    except FileNotFoundError:
        raise GoneError(f"{trashed.label} is not in the trash any more") from None
    return size


def size_of(path: Path) -> int:
    """Return the bytes of a folder and everything below it, or of one file."""
    total = 0
    for inside in (path, *path.rglob("*")):
        with contextlib.suppress(OSError):  # it may be deleted at this moment
            status = inside.lstat()
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def _read(home: Home, place: Path) -> Trashed:
    what = "a note in the trash"
    note = typed(_TrashNote, read_json(place / NOTE, what), what, place / NOTE)
    parts = Path(note.origin).parts
    if not parts or Path(note.origin).is_absolute() or ".." in parts:
        raise DamagedError(f"{what} names a place outside {home.root}: {place / NOTE}")
    try:
        content = next(path for path in place.iterdir() if path.name != NOTE)
    except (OSError, StopIteration):
        raise DamagedError(f"there is nothing in {place}") from None
    return Trashed(
        place.name, note.kind, note.label, home.root / note.origin, note.deleted, content, note.group
    )
