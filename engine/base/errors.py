"""The one family of errors that people see: a sentence saying what, where and what to do.

Everything a user can cause derives from `DdpmError`; the command line prints it in one line on stderr
and never shows a traceback for it. Anything else that escapes is a bug and may show one.
"""

import difflib
from collections.abc import Iterable


class DdpmError(Exception):
    """An expected failure. `what` says what went wrong and where; `hint` says what to do about it."""

    exit_code = 1

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} — {self.hint}" if self.hint else self.what


class UserError(DdpmError):
    """Something the user gave cannot be used: a name, a value, a file. Exit code 1."""


class UsageError(UserError):
    """The command line itself is wrong, whatever there is in the home. Exit code 2."""

    exit_code = 2


class DamagedError(DdpmError):
    """A file of ours is missing, truncated or altered. The message names the file; `reason` says why without it."""

    def __init__(self, what: str, hint: str | None = None, *, reason: str | None = None) -> None:
        super().__init__(what, hint)
        self.reason = reason or what


class BusyError(DdpmError):
    """Another process holds what is needed: a run, a job, the engine."""


class GoneError(UserError):
    """What was to be changed was deleted or renamed by somebody else meanwhile."""


class NoLocksError(DdpmError):
    """The file system has no locks, or none at this moment; the cause is the system's error."""


class DiskFullError(DdpmError):
    """There is not enough room to write what has to be written. Exit code 73."""

    exit_code = 73


def damaged_run(name: str, what: str, hint: str | None = None) -> DamagedError:
    """The error for a run whose record cannot be used; `what` says why, `hint` what to do where that is known."""
    give_up = f"bring it back from a copy, or `ddpm-tui runs delete {name}` moves the run to the trash"
    return DamagedError(what, hint or give_up)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, or None when nothing is close."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def misused(error: UserError) -> UserError:
    """The same error, which is the command line's: exit code 2."""
    error.exit_code = UsageError.exit_code
    return error


def unknown(kind: str, name: str, known: Iterable[str], hint: str | None = None) -> UserError:
    """The error for a name that is not there, with the nearest one that is."""
    names = sorted(known)
    close = nearest(name, names)
    if close:
        way_out = f"did you mean {close!r}?"
    elif names and len(names) <= 12:
        way_out = "there are: " + ", ".join(names)
    elif names:
        way_out = "" if hint else f"none of the {len(names)} {kind}s is called anything like it"
    else:
        way_out = "" if hint else f"there are no {kind}s yet"
    if hint:
        way_out += ("" if not way_out else " " if close else "; ") + hint
    return UserError(f"no {kind} named {name!r}", way_out)
