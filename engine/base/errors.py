"""The errors that users see: a sentence that says what is wrong, where, and what to do.

Every error that a user can cause derives from `DdpmError`; the command line prints it in one line on stderr without a
traceback. Any other exception is a bug and may show one.
"""

import difflib
from collections.abc import Iterable


class DdpmError(Exception):
    """An expected failure. `what` says what went wrong and where; `hint` says how to fix it."""

    exit_code = 1

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} — {self.hint}" if self.hint else self.what


class UserError(DdpmError):
    """A value, name or file from the user that cannot be used. Exit code 1."""


class UsageError(UserError):
    """An invalid command line, whatever the home contains. Exit code 2."""

    exit_code = 2


class DamagedError(DdpmError):
    """A file of this program that is missing, truncated or altered. The message names the file; `reason` does not."""

    def __init__(self, what: str, hint: str | None = None, *, reason: str | None = None) -> None:
        super().__init__(what, hint)
        self.reason = reason or what


class BusyError(DdpmError):
    """A run, job or engine that another process is using."""


class GoneError(UserError):
    """A thing that another process deleted or renamed in the meantime."""


class NoLocksError(DdpmError):
    """A file system without locks, or with none available; the cause is the system's error."""


class DiskFullError(DdpmError):
    """Not enough space on the disk. Exit code 73."""

    exit_code = 73


def damaged_run(name: str, what: str, hint: str | None = None) -> DamagedError:
    """Return the error for a run whose record cannot be used; `what` is the reason, `hint` what to do if that is
    known.
    """
    give_up = f"restore it from a copy, or move the run to the trash with `ddpm-tui runs delete {name}`"
    return DamagedError(what, hint or give_up)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to `name`, or None if none is close."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def misused(error: UserError) -> UserError:
    """Return the same error with exit code 2, because the command line caused it."""
    error.exit_code = UsageError.exit_code
    return error


def unknown(kind: str, name: str, known: Iterable[str], hint: str | None = None) -> UserError:
    """Return the error for an unknown name, with the nearest known one."""
    names = sorted(known)
    close = nearest(name, names)
    if close:
        way_out = f"did you mean {close!r}?"
    elif names and len(names) <= 12:
        way_out = "there are: " + ", ".join(names)
    elif names:
        way_out = "" if hint else f"none of the {len(names)} {kind}s has a similar name"
    else:
        way_out = "" if hint else f"there are no {kind}s yet"
    if hint:
        way_out += ("" if not way_out else " " if close else "; ") + hint
    return UserError(f"no {kind} named {name!r}", way_out)
