"""Trust in files that decide what is run or what a key does: they are used only if nobody except the user and root
can have written them.
"""

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from engine.base.home import Home
from engine.base.text import shell_word


def distrust(path: Path) -> str | None:
    """Return why `path` must not be trusted, and how to fix that; None if it may be, or if it is missing.

    For a link, both the link and its target count.
    """
    folders = dict.fromkeys((path.parent, path.resolve().parent))
    for place in (path, *folders):
        with contextlib.suppress(FileNotFoundError):
            for status in dict.fromkeys((place.lstat(), place.stat())):
                if why := _others(place, status):
                    return why if path.exists() else None
    return None


def open_folders(home: Home) -> Iterator[tuple[Path, str]]:
    """Yield the folders of a home that other users can write to or own, each with the reason and the remedy."""
    for folder in (home.root, home.profiles, home.studies, home.runs, home.jobs, home.data, home.trash):
        with contextlib.suppress(OSError):
            if why := _others(folder, folder.stat()):
                yield folder, why


def _others(path: Path, status: os.stat_result) -> str | None:
    if stat.S_ISLNK(status.st_mode):
        return None if status.st_uid in (0, os.geteuid()) else _owned(path, status.st_uid)
    if status.st_uid not in (0, os.geteuid()):
        return _owned(path, status.st_uid)
    others = "everybody" if status.st_mode & stat.S_IWOTH else ""
    if status.st_mode & stat.S_IWGRP and not others and not _alone_in(status.st_gid):
        others = f"the group {_group(status.st_gid)}"
    return f"{others} can write to {path} (chmod go-w {shell_word(path)} ends that)" if others else None


def _owned(path: Path, uid: int) -> str:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user {uid}"
    return f"{path} belongs to {name}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _alone_in(gid: int) -> bool:
    """Return whether the user is the only member of a group, as on systems that give each user a group (umask 002)."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return gid == user.pw_gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
