"""Writing files so that a crash leaves either the old or the new one, and locks that end with their holder.

Knows nothing about runs, jobs or profiles.
"""

import contextlib
import errno
import fcntl
import json
import math
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.base.errors import BusyError, DdpmError, DiskFullError, GoneError, NoLocksError, UserError
from engine.base.records import read_bytes
from engine.base.scarcity import ScarceError, shortage, unless_scarce


def fsync_folder(folder: Path) -> None:
    """Make renames and new names inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` atomically. With `durable`, survive a power cut as well as a crash.

    Raises DiskFullError when the disk is full; the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with disk_errors(path):
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
            if durable:
                fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name that replaces `path` on success and is removed on failure.

    Raises DiskFullError.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with disk_errors(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, content: str, *, durable: bool = True) -> None:
    write_bytes(path, content.encode(), durable=durable)


def write_json(path: Path, content: Any, *, durable: bool = True) -> None:
    text = json.dumps(without_nan(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # Bytes of a path that are not UTF-8 become \udcXX, which JSON preserves.
    write_bytes(path, text.encode("utf-8", "backslashreplace"), durable=durable)


def without_nan(value: Any) -> Any:
    """Return `value` with NaN and infinities as None, which JSON lacks, and with NumPy arrays and numbers as plain
    ones.
    """
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if hasattr(value, "tolist"):
        return without_nan(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


MAKE_ROOM = "free some space (checkpoints prune, trash purge) and resume"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_SAID = re.compile(
    "|".join(
        [
            r"\d+ requested and \d+ written",  # numpy, whose message has no error number
            rf"\b(?:os error|code:) (?:{'|'.join(map(str, _FULL))})\b",  # Rust libraries, such as safetensors
            "|".join(re.escape(os.strerror(number)) for number in _FULL),
            r"PytorchStreamWriter failed writing|inline_container.*unexpected pos",  # torch.save
            r"encoder error -2 when writing image file",  # Pillow, after a failed write
            r"database or disk is full",
        ]
    ),
    re.IGNORECASE,
)
"""Messages of libraries that do not pass on the system's error number."""


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or its cause, means no space, exceeded quota or file too large."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return False
        number = getattr(seen, "errno", None)
        if isinstance(seen, DiskFullError) or (isinstance(seen, OSError) and number in _FULL):
            return True
        # An error with its own number means that number.
        if number is None and not isinstance(seen, DdpmError) and _SAID.search(str(seen)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn 'no space', 'quota' and 'file too large' into DiskFullError with the path."""
    try:
        yield
    except DdpmError:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise DiskFullError(f"no room to write {path}", MAKE_ROOM) from error
        raise


def unwritable(path: Path, error: OSError, hint: str) -> DdpmError:
    """Return the error for a file or folder that the user named and that cannot be written."""
    if is_disk_full(error):
        return DiskFullError(f"no room to write {path}", "free some space, or name another disk")
    return UserError(f"cannot write {path} ({error.strerror or error})", hint)


def free_bytes(folder: Path) -> int:
    """Return the bytes that an unprivileged process may still write below `folder` (its nearest existing parent)."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


MARGIN_BYTES = 16 << 20
"""Bytes to keep free beyond the request, for manifests, logs and progress."""


def require_free(folder: Path, needed: int) -> None:
    """Raise DiskFullError unless `needed` bytes (and a small margin) are free at `folder`."""
    free, needed = free_bytes(folder), needed + MARGIN_BYTES
    if free < needed:
        raise DiskFullError(
            f"{folder} has {free / 1e6:,.0f} MB free, but {needed / 1e6:,.0f} MB are needed",
            MAKE_ROOM,
        )


LOOK_S = 0.25
"""Seconds to retry a lock, because `is_locked` briefly holds a shared one: for microseconds on an idle machine,
longer on a busy one.
"""


MOMENT = "a change of a moment:"
MOMENT_S = 20.0
"""Seconds to wait for processes that change only a few files."""
UNSAID_S = 1.0
"""Seconds that a holder has to write its name after taking the lock, because it may lose the processor in between."""


class FileLock:
    """An exclusive `flock` on a file, held until `release` or the end of every process that has the descriptor.

    The lock, not a pid, says whether its holder lives. The descriptor may be handed to a child, which then
    holds the same lock; `adopt` wraps such an inherited descriptor.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    @classmethod
    def try_acquire(cls, path: Path) -> "FileLock | None":
        """Take the lock, or return None if another open file holds it.

        The file is created if it is missing, but its folder never, because that would bring back a deleted folder.
        Raises GoneError if the folder is gone, NoLocksError.
        """
        end = time.monotonic() + LOOK_S
        while True:
            lock = cls._open(path)
            try:
                while not _flock(lock.descriptor, path, fcntl.LOCK_EX):
                    if time.monotonic() > end:
                        lock.release()
                        return None
                    time.sleep(0.003)
                # The previous holder may have moved the folder away; then this is the lock of the old folder.
                if lock.is_in_place():
                    return lock
            except BaseException:
                lock.release()
                raise
            lock.release()

    @classmethod
    def _open(cls, path: Path) -> "FileLock":
        try:
            with shortage(str(path)):
                return cls(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600))
        except (FileNotFoundError, NotADirectoryError):
            raise GoneError(f"{path.parent} is gone") from None

    @classmethod
    def acquire(cls, path: Path, what: str, hint: str | None = None) -> "FileLock":
        """Take the lock, or raise BusyError with what is busy and, if known, who holds it.

        Holders that change only a few files, see `for_a_moment`, are waited for. Raises GoneError, NoLocksError.
        """
        start = time.monotonic()
        end = start + UNSAID_S
        while True:
            try:
                lock = cls.try_acquire(path)
            except GoneError:
                raise GoneError(f"{what} is gone: it was deleted or renamed in the meantime") from None
            if lock is not None:
                return lock
            holder = lock_holder(path)
            now = time.monotonic()
            if holder is not None and holder.startswith(MOMENT):
                end = min(now + UNSAID_S, start + MOMENT_S)
            if now > end or (holder is not None and not holder.startswith(MOMENT)):
                raise BusyError(f"{what} is in use by {holder or 'another process'}", hint)

    @classmethod
    @contextlib.contextmanager
    def for_a_moment(cls, path: Path, what: str, doing: str, hint: str | None = None) -> "Iterator[FileLock]":
        """Hold the lock for a change of a few files; `doing` describes it to others."""
        with cls.acquire(path, what, hint) as lock:
            lock.describe(f"{MOMENT} {doing}")
            try:
                yield lock
            finally:
                lock.describe("")

    @classmethod
    def adopt(cls, path: Path, descriptor: int) -> "FileLock":
        return cls(path, descriptor)

    def describe(self, holder: str) -> None:
        """Write the holder into the file, for the message that others get. Nothing depends on it, so a full disk is
        ignored: others then see "another process".
        """
        with contextlib.suppress(OSError):
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, holder.encode(), 0)

    def is_in_place(self) -> bool:
        """Return whether the locked file still has the name."""
        try:
            there, ours = self.path.stat(), os.fstat(self.descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    @property
    def deleted(self) -> bool:
        """Return whether the file was certainly deleted; one on a disk that is temporarily unavailable was not."""
        with contextlib.suppress(OSError):
            return os.fstat(self.descriptor).st_nlink == 0
        return False

    def release(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> "FileLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _flock(descriptor: int, path: Path, kind: int) -> bool:
    """Return whether the lock could be taken at once. Raises NoLocksError."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        raise NoLocksError(
            f"the file system of {path} has no locks ({error.strerror})",
            "set DDPM_HOME to a folder on a local disk, or enable locks on the file server",
        ) from error
    return True


def lock_holder(path: Path) -> str | None:
    """Return the description that the holder of a lock wrote, if any."""
    try:
        return read_bytes(path, 4096).decode(errors="replace").strip() or None
    except (OSError, ValueError, ScarceError):
        return None


def is_locked(path: Path) -> bool:
    """Return whether a living process holds the lock at `path`. Raises NoLocksError, and ScarceError if this cannot
    be determined now.
    """
    descriptor = -1
    with unless_scarce():  # missing, or not readable by this user
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0:
        return False
    try:
        return not _flock(descriptor, path, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
