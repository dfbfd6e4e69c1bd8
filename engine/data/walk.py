"""Walking a folder for its files. Folders and files that cannot be read, are not regular files, or were left by a
system are counted by kind and skipped. Only a root that cannot be listed is an error.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from engine.data.left_out import LeftOut

SHADOWS: Final = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
"""Files that macOS and Windows create beside pictures, in lower case; those with a leading dot are hidden anyway."""

SYSTEM_FOLDERS: Final = frozenset(
    ("__macosx", "@eadir", "@tmp", "#recycle", "@recycle", "#snapshot", "@recently-snapshot")
) | {"$recycle.bin", "recycler", "system volume information", "lost+found"}
"""Folders that macOS, network storage and Windows create among pictures: thumbnails, deleted files, older versions.
"""

_NO_FILE: Final = {
    stat.S_IFIFO: "pipes",
    stat.S_IFSOCK: "sockets",
    stat.S_IFCHR: "devices",
    stat.S_IFBLK: "devices",
}


def no_file(mode: int) -> str | None:
    """Return the kind of an entry that is neither a file nor a folder, by its mode; in the plural."""
    return _NO_FILE.get(stat.S_IFMT(mode))


def shadow(name: str, is_folder: bool) -> str | None:
    """Return the kind of a file or folder that should be skipped, by its own name; None for all others."""
    small = name.lower()
    if is_folder and small in SYSTEM_FOLDERS:
        return f"{name} folders"
    if name.startswith("."):
        return "hidden folders" if is_folder else "hidden files"
    return "hidden files" if not is_folder and small in SHADOWS else None


Facts = tuple[int, int, int]
"""Facts about a file: its bytes, and when its content and its metadata changed last, in ns since 1970."""


def folder_files(
    root: Path, left_out: LeftOut, enter: Callable[[str], None] = lambda inside: None
) -> Iterator[tuple[str, Facts]]:
    """Yield (relative name, facts) of every file below `root`, following links. `enter` is called with each folder.

    A folder is entered once, by its own name if it is below `root` and also linked to. Raises OSError if `root`
    itself cannot be listed.
    """
    entered: set[tuple[int, int]] = set()
    kernel = _kernel_devices()
    above = {(status.st_dev, status.st_ino) for status in map(os.stat, root.resolve().parents)}
    waiting: list[str] = [""]
    linked: list[str] = []
    while waiting or linked:
        if waiting:
            inside = waiting.pop()
        else:
            linked.sort(reverse=True)
            inside = linked.pop()
        try:
            status = (root / inside).stat()
            if (status.st_dev, status.st_ino) in entered or (status.st_dev, status.st_ino) in above:
                left_out.add("links to folders above or beside", inside[:-1])
                continue
            entered.add((status.st_dev, status.st_ino))
            if inside and status.st_dev in kernel:
                left_out.add("file systems of the kernel", inside[:-1])
                continue
            enter(inside)
            with os.scandir(root / inside) as listed:
                for entry in listed:
                    name = inside + entry.name
                    kind, facts = _look(entry)
                    if kind == "folder":
                        (linked if entry.is_symlink() else waiting).append(name + "/")
                    elif kind == "file":
                        yield name, facts
                    elif kind:
                        left_out.add(kind, name)
        except OSError:
            if not inside:
                raise
            left_out.add("folders that cannot be read", inside[:-1])


def _kernel_devices() -> set[int]:
    """Device numbers of what looks like folders and is the kernel's talk of itself."""
    found = set()
    for path in ("/proc", "/sys"):
        with contextlib.suppress(OSError):
            found.add(os.stat(path).st_dev)  # noqa: PTH116 - a number, not a path
    return found - {os.stat("/").st_dev}  # noqa: PTH116


_NOTHING: Final = (0, 0, 0)


def _look(entry: "os.DirEntry[str]") -> tuple[str, Facts]:
    """Return ("folder", –), ("file", facts), or the kind of a left-out entry; "" if it vanished in the meantime."""
    try:
        kind = shadow(entry.name, entry.is_dir(follow_symlinks=False))
        if kind:
            return kind, _NOTHING
        status = entry.stat()
    except FileNotFoundError:
        return ("dead links" if _is_link(entry) else ""), _NOTHING
    except OSError as error:
        dead = error.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(entry)
        return ("dead links" if dead else "files that cannot be read"), _NOTHING
    if stat.S_ISDIR(status.st_mode):
        return shadow(entry.name, True) or "folder", _NOTHING
    if stat.S_ISREG(status.st_mode):
        return "file", (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return no_file(status.st_mode) or "other things", _NOTHING


def _is_link(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_symlink()
    except OSError:
        return False
