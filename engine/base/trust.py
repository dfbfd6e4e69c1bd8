"""Whose word counts: a file that says what is to be run or which key does what is obeyed only where nobody but its
user (and root, who needs no file of ours for anything) can have written it.
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
    """Why what is in `path` must not be obeyed, with what mends it; None where it may be, and where it is missing.

    A link counts as itself and as what it leads to.
    """
    folders = dict.fromkeys((path.parent, path.resolve().parent))
    for place in (path, *folders):
        with contextlib.suppress(FileNotFoundError):
            for status in dict.fromkeys((place.lstat(), place.stat())):
                if why := _others(place, status):
                    return why if path.exists() else None
    return None


def open_folders(home: Home) -> Iterator[tuple[Path, str]]:
    """The folders of a home that other users can write to or own, each with why and what mends it."""
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
    """Whether a group is the user's own, as systems with a umask of 002 make one for each."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return gid == user.pw_gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
