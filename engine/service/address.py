"""The socket's path: in $DDPM_HOME, or in a short private folder if that path is too long for the system.

Standard library only: every command loads this.
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
"""The most bytes of a Unix socket's path (sun_path without its final zero)."""


def too_long(path: Path) -> bool:
    return len(os.fsencode(path)) > PATH_LIMIT


def usual_socket(home: Home) -> Path:
    """Return the socket's path in the home, with links resolved, so that a link to the home gives the same socket."""
    return Path(os.path.realpath(home.root)) / home.socket.name


def place_socket(home: Home) -> Path:
    """Return the path for the service to bind, recorded in $DDPM_HOME if it is not the usual one. Raises UserError."""
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
    """Return the path at which a client finds the service: the recorded one, or else the usual one.

    A record that was copied here with another home is ignored, because it belongs to that home's engine.
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
    """Return a name derived from the home's folder itself, so that links, mounts and new names do not change it."""
    facts = home.root.stat()
    return f"{hashlib.sha256(f'{facts.st_dev}:{facts.st_ino}'.encode()).hexdigest()[:16]}.sock"


def _former_names(home: Home) -> set[str]:
    """Return the names that an engine of an earlier version, which may still run, derived from the home's path."""
    paths = (home.root, usual_socket(home).parent)
    return {f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.sock" for path in paths}


def _short_folder() -> Path:
    """Return a folder in the temporary directory that only this user can enter. Not $XDG_RUNTIME_DIR, which is
    deleted at the last logout, but the engine keeps running.
    """
    candidates = dict.fromkeys([tempfile.gettempdir(), "/tmp"])
    refused = []
    for base in candidates:
        folder = Path(base) / f"ddpm-tui-{os.getuid()}"
        if too_long(folder / ("0" * 16 + ".sock")):
            continue
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            pass  # it is not a folder; that is reported below
        except OSError as error:
            refused.append(f"{folder}: {(error.strerror or str(error)).lower()}")
            continue
        if not (why := _not_private(folder)):
            return folder
        refused.append(f"{folder} {why}")
    why = f" ({'; '.join(refused)})" if refused else ""
    raise UserError(f"there is no short private folder for the engine's socket{why}", _MEND)


_MEND = "set DDPM_HOME to a shorter path (under 90 characters), or remove what is there"


def _not_private(folder: Path) -> str | None:
    """Return why a folder in a public place cannot be trusted; None if it belongs to this user alone."""
    try:
        facts = folder.lstat()
    except OSError:
        return None  # then nothing in it can be reached either
    if stat.S_ISLNK(facts.st_mode):
        return "is a link"
    if not stat.S_ISDIR(facts.st_mode):
        return "is not a folder"
    if facts.st_uid != os.getuid():
        return "belongs to another user"
    return "is open to others" if facts.st_mode & 0o077 else None
