"""What the system is short of for a moment: file descriptors, processes, memory, locks.

Such a failure says nothing about the file, the job or the request that met it, so it is never taken for an answer: it
becomes a `ScarceError`, which the engine waits out and a command says in one line. Standard library only.
"""

import contextlib
import errno
import os
import resource
from collections.abc import Iterator

from engine.base.errors import DdpmError, NoLocksError

SCARCE = {
    errno.EMFILE: "close other programs, or allow more open files (ulimit -n)",
    errno.ENFILE: "the whole system has too many open files: close other programs",
    errno.EAGAIN: "close other programs, or allow more processes (ulimit -u)",
    errno.ENOMEM: "close other programs: memory is short",
    errno.ENOBUFS: "close other programs: memory for the network is short",
    errno.ENOLCK: "a network file system needs its lock service; a home on a local disk (DDPM_HOME) has locks",
}
"""What the system answers, and what can be done about it."""

ENOUGH_FILES = 4096
"""Open files that a process of ours allows itself, if it may: some shells and services give it 256."""


class ScarceError(DdpmError):
    """The system is short of something. Nothing was changed; the same may succeed in a moment."""


def is_scarce(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, is a shortage."""
    return _cause(error) is not None


def scarce(error: BaseException, what: str | None = None) -> ScarceError:
    """The shortage behind an error, in one line. `what`: what could not be done, if the error has no file to name."""
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
    """The number of a shortage: of an error itself or of what it was raised from."""
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
        error = error.__cause__
    return None


@contextlib.contextmanager
def shortage(what: str | None = None) -> Iterator[None]:
    """Inside, a shortage becomes a ScarceError; other errors stay what they are."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        if is_scarce(error):
            raise scarce(error, what) from error
        raise


@contextlib.contextmanager
def unless_scarce() -> Iterator[None]:
    """Pass over OSErrors, which are an answer ("it is gone"); a shortage is none, and is raised as ScarceError."""
    try:
        yield
    except OSError as error:
        if is_scarce(error):
            raise scarce(error) from error


def allow_enough_files() -> None:
    """Raise this process's own limit of open files, as far as the system lets it without being asked."""
    with contextlib.suppress(OSError, ValueError):
        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH_FILES if most == resource.RLIM_INFINITY else min(ENOUGH_FILES, most)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
