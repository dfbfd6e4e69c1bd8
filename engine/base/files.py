"""Writing files so that a crash leaves the old or the new one, and locks that die with their holder.

Knows nothing of runs, jobs or profiles; it is what those rooms stand on.
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
    """A name to write to; it replaces `path` where all inside went well, and is gone where it did not.

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
    # The bytes of a path that are no UTF-8 become \udcXX, which JSON reads back as they were.
    write_bytes(path, text.encode("utf-8", "backslashreplace"), durable=durable)


def without_nan(value: Any) -> Any:
    """NaN and infinities as null, for JSON has neither; NumPy's arrays and numbers as plain ones."""
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
            r"\d+ requested and \d+ written",  # numpy, which gives no number
            rf"\b(?:os error|code:) (?:{'|'.join(map(str, _FULL))})\b",  # Rust's, as in safetensors
            "|".join(re.escape(os.strerror(number)) for number in _FULL),
            r"PytorchStreamWriter failed writing|inline_container.*unexpected pos",  # torch.save
            r"encoder error -2 when writing image file",  # Pillow, of a failed write
            r"database or disk is full",
        ]
    ),
    re.IGNORECASE,
)
"""What libraries say that swallow the system's number."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, says no space, quota or file too large, whoever wrote."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return False
        number = getattr(seen, "errno", None)
        if isinstance(seen, DiskFullError) or (isinstance(seen, OSError) and number in _FULL):
            return True
        # An error with a number of its own means that.
        if number is None and not isinstance(seen, DdpmError) and _SAID.search(str(seen)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn 'no space', 'quota' and 'file too large' into DiskFullError naming the place."""
    try:
        yield
    except DdpmError:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise DiskFullError(f"no room to write {path}", MAKE_ROOM) from error
        raise


def unwritable(path: Path, error: OSError, hint: str) -> DdpmError:
    """The error for a file or folder that a person named and that cannot be written, with the code that it has."""
    if is_disk_full(error):
        return DiskFullError(f"no room to write {path}", "free some space, or name another disk")
    return UserError(f"cannot write {path} ({error.strerror or error})", hint)


def free_bytes(folder: Path) -> int:
    """Bytes an unprivileged process may still write below `folder` (its nearest existing parent)."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


MARGIN_BYTES = 16 << 20
"""What is left free beside what is asked for: manifests, logs and progress are written too."""


def require_free(folder: Path, needed: int) -> None:
    """Raise DiskFullError unless `needed` bytes (and a small margin) are free at `folder`."""
    free, needed = free_bytes(folder), needed + MARGIN_BYTES
    if free < needed:
        raise DiskFullError(
            f"{folder} has {free / 1e6:,.0f} MB free and {needed / 1e6:,.0f} MB are needed",
            MAKE_ROOM,
        )


LOOK_S = 0.25
"""How long a lock that is wanted is asked for: `is_locked` holds a shared one, for microseconds where the machine is
idle and for as long as the scheduler lets it wait where it is not. That is nobody working."""


MOMENT = "a change of a moment:"
MOMENT_S = 20.0
"""How long those who only change a few files are waited for."""
UNSAID_S = 1.0
"""How long a holder has to say who it is: between taking a lock and that it may lose the processor."""


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
        """Take the lock, or return None where another open file holds it.

        The file is made where it is missing, its folder never: that would be the ghost of what was deleted. Raises
        GoneError where the folder is gone, NoLocksError.
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
                # Who held it before may have moved the folder away: then this is the lock of what was here.
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
        """Take the lock or raise BusyError saying what is busy and, where the holder wrote it, who has it.

        Who holds it for a moment only, see `for_a_moment`, is waited for. Raises GoneError, NoLocksError.
        """
        start = time.monotonic()
        end = start + UNSAID_S
        while True:
            try:
                lock = cls.try_acquire(path)
            except GoneError:
                raise GoneError(f"{what} is gone: it was deleted or renamed meanwhile") from None
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
        """Hold the lock for a change that takes no longer than a few files take to write; `doing` is for others."""
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
        """Write who holds the lock into the file, for the message others get. Never used to decide anything, so
        a full disk keeps nobody from working: the others then hear of another process."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, holder.encode(), 0)

    def is_in_place(self) -> bool:
        """Whether the file that is locked is the one that has the name."""
        try:
            there, ours = self.path.stat(), os.fstat(self.descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    @property
    def deleted(self) -> bool:
        """Whether its file was deleted, for certain: one on a disk that is away for a moment was not."""
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
    """Whether the lock could be had at once. Raises NoLocksError."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        raise NoLocksError(
            f"the file system of {path} has no locks ({error.strerror})",
            "set DDPM_HOME to a folder on a local disk, or let the server of this one keep locks",
        ) from error
    return True


def lock_holder(path: Path) -> str | None:
    """What the holder of a lock wrote about itself, if anything."""
    try:
        return read_bytes(path, 4096).decode(errors="replace").strip() or None
    except (OSError, ValueError, ScarceError):
        return None


def is_locked(path: Path) -> bool:
    """Whether some living process holds the lock at `path`. Raises NoLocksError, and ScarceError if it cannot be looked
    at now."""
    descriptor = -1
    with unless_scarce():  # not there, or not ours to read
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0:
        return False
    try:
        return not _flock(descriptor, path, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
