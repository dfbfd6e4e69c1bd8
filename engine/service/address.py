"""Where the socket is: in $DDPM_HOME, or in a short private folder where that path is too long for the system.

Standard library only: the command line loads this at every call.
"""

import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from engine.base.errors import UserError
from engine.base.home import Home

PATH_LIMIT = 107 if sys.platform == "linux" else 103
"""Bytes that a Unix socket's path may have (sun_path without its closing zero)."""


def too_long(path: Path) -> bool:
    return len(os.fsencode(path)) > PATH_LIMIT


def usual_socket(home: Home) -> Path:
    """The socket in the home itself, by the home's real name: a link to the home means the same socket."""
    return Path(os.path.realpath(home.root)) / home.socket.name


def place_socket(home: Home) -> Path:
    """The path the service binds, recorded in $DDPM_HOME where it is not the usual one. Raises UserError."""
    usual = usual_socket(home)
    if not too_long(usual):
        home.socket_elsewhere.unlink(missing_ok=True)
        return usual
    folder = _short_folder()
    path = folder / _short_name(home)
    if too_long(path):
        raise UserError(
            f"the socket's path is too long for this system: {path}", "set DDPM_HOME or TMPDIR shorter"
        )
    temporary = home.socket_elsewhere.with_name(f".{home.socket_elsewhere.name}.tmp")
    temporary.write_text(str(path))
    temporary.replace(home.socket_elsewhere)
    return path


def find_socket(home: Home) -> Path:
    """Where a client looks for the service: where the service said that it is, else at the usual place.

    What was said in a home that this one was copied from does not count: its engine is another one.
    """
    try:
        said = Path(home.socket_elsewhere.read_text().strip())
        if said.name in (_short_name(home), *_former_names(home)):
            if why := _not_private(said.parent):
                raise UserError(f"the engine's socket is not safe in {said.parent}: {why}", _MEND)
            return said
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        pass
    return usual_socket(home)


def _short_name(home: Home) -> str:
    """Of the folder that the home is, whatever it is called: links, mounts and new names leave it as it is."""
    facts = home.root.stat()
    return f"{hashlib.sha256(f'{facts.st_dev}:{facts.st_ino}'.encode()).hexdigest()[:16]}.sock"


def _former_names(home: Home) -> set[str]:
    """As an engine of an earlier version, which may still run, called it: by the home's path."""
    paths = (home.root, usual_socket(home).parent)
    return {f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.sock" for path in paths}


def _short_folder() -> Path:
    """A folder in the temporary directory that only this user can enter. Not $XDG_RUNTIME_DIR: that goes away
    with the last login, and the engine must not."""
    candidates = dict.fromkeys([tempfile.gettempdir(), "/tmp"])
    refused = []
    for base in candidates:
        folder = Path(base) / f"ddpm-tui-{os.getuid()}"
        if too_long(folder / ("0" * 16 + ".sock")):
            continue
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            pass  # it is no folder: that is said below
        except OSError as error:
            refused.append(f"{folder}: {(error.strerror or str(error)).lower()}")
            continue
        if not (why := _not_private(folder)):
            return folder
        refused.append(f"{folder} {why}")
    why = f" ({'; '.join(refused)})" if refused else ""
    raise UserError(f"there is no short private place for the engine's socket{why}", _MEND)


_MEND = "set DDPM_HOME to a shorter path (under 90 characters), or remove what is there"


def _not_private(folder: Path) -> str | None:
    """Why a folder in a place where everybody can make one cannot be trusted; None for one of this user's alone."""
    try:
        facts = folder.lstat()
    except OSError:
        return None  # then nobody can be reached in it either
    if stat.S_ISLNK(facts.st_mode):
        return "is a link"
    if not stat.S_ISDIR(facts.st_mode):
        return "is no folder"
    if facts.st_uid != os.getuid():
        return "belongs to another user"
    return "is open to others" if facts.st_mode & 0o077 else None
