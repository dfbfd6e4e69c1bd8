"""Temporary shortages of the system: file descriptors, processes, memory, locks.

Such a failure says nothing about the file, job or request involved, so it is never taken as an answer: it becomes a
`ScarceError`, for which the engine waits, and which a command reports in one line. Standard library only.
"""

import contextlib
import errno
import os
import re
import resource
from collections.abc import Iterator

from engine.base.errors import DdpmError, NoLocksError

SCARCE = {
    errno.EMFILE: "close other programs, or allow more open files (ulimit -n)",
    errno.ENFILE: "the whole system has too many open files: close other programs",
    errno.EAGAIN: "close other programs, or allow more processes (ulimit -u)",
    errno.ENOMEM: "close other programs: memory is short",
    errno.ENOBUFS: "close other programs: memory for the network is short",
    errno.ENOLCK: "start the lock service of the network file system, or set DDPM_HOME to a folder on a local disk",
}
"""Error numbers of shortages, with a description and a remedy."""

_SAID = re.compile(r"\(os error (\d+)\)")
"""What libraries in Rust, such as safetensors, say instead of giving the number."""

ENOUGH_FILES = 4096
"""The number of open files that our processes allow themselves, if permitted; some shells and services set 256."""


class ScarceError(DdpmError):
    """A temporary shortage. Nothing was changed; the same call may succeed later."""


def is_scarce(error: BaseException | None) -> bool:
    """Return whether an error, or its cause, is a shortage."""
    return _cause(error) is not None


def scarce(error: BaseException, what: str | None = None) -> ScarceError:
    """Return the shortage behind an error, described in one line. `what`: the failed action, if the error names no
    file.
    """
    if isinstance(error, ScarceError):
        return error
    if isinstance(error, NoLocksError):
        return ScarceError(error.what, error.hint)
    number = _cause(error) or errno.EAGAIN
    named = getattr(error, "filename", None)
    words = os.strerror(number).lower()
    place = os.fsdecode(named) if isinstance(named, str | bytes) else what
    return ScarceError(f"{place}: {words}" if place else words, SCARCE[number])


def _cause(error: BaseException | None) -> int | None:
    """Return the error number of a shortage, from the error or its cause."""
    while error is not None:
        if isinstance(error, ScarceError):
            return _cause(error.__cause__) or errno.EAGAIN
        if isinstance(error, OSError) and error.errno in SCARCE:
            return error.errno
        if isinstance(error, MemoryError):
            return errno.ENOMEM
        if isinstance(error, RuntimeError) and "start new thread" in str(error):
            return errno.EAGAIN
        if isinstance(error, ImportError) and os.strerror(errno.EMFILE) in str(error):
            return errno.EMFILE
        if not isinstance(error, OSError | DdpmError) and (said := _SAID.search(str(error))):
            number = int(said.group(1))
            return number if number in SCARCE else None
        error = error.__cause__
    return None


def may_pass(error: BaseException) -> bool:
    """Whether an error is a shortage of files, processes or locks, which others give back; memory that a network lacks
    comes by no waiting."""
    return _cause(error) not in (None, errno.ENOMEM)


@contextlib.contextmanager
def shortage(what: str | None = None) -> Iterator[None]:
    """Turn shortages in the block into ScarceError; other errors are unchanged."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        if is_scarce(error):
            raise scarce(error, what) from error
        raise


@contextlib.contextmanager
def unless_scarce() -> Iterator[None]:
    """Ignore OSErrors in the block, because they are an answer ("it is gone"), except shortages, which are raised as
    ScarceError.
    """
    try:
        yield
    except OSError as error:
        if is_scarce(error):
            raise scarce(error) from error


def allow_enough_files() -> None:
    """Raise this process's limit of open files as far as the system allows."""
    with contextlib.suppress(OSError, ValueError):
        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH_FILES if most == resource.RLIM_INFINITY else min(ENOUGH_FILES, most)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
