"""The file of the queue's database: opening it in any state, and its rows as jobs. The transitions are in `store`, the
tables in `schema`.
"""

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.base.errors import DamagedError, DdpmError, DiskFullError, UserError
from engine.base.files import fsync_folder
from engine.base.records import loads_json
from engine.base.scarcity import is_scarce, scarce, unless_scarce
from engine.base.typed import typed
from engine.service import schema
from engine.service.states import Intent, Job, Priority, State

PATH_LIMIT = 511 - len("-journal")
"""The most bytes of a path that SQLite opens on Unix, with its journal beside it."""

_JSON = ("after", "args", "result")
COLUMNS = tuple(f.name for f in fields(Job))
_UNWRITABLE = (
    "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_PROTOCOL",
    "SQLITE_NOMEM",
)  # fmt: skip


class UnwritableError(DdpmError):
    """The database cannot be written now: the disk is full (exit code 73) or read-only. Nothing was changed."""


def read_jobs(path: Path) -> list[Job]:
    """Return all rows as last committed, for readers. A database that cannot be written to is read as it is; a writer
    that was killed during a transition may have left it damaged for readers.

    Raises FileNotFoundError if there is no database, DamagedError, UnwritableError.
    """
    path.stat()
    with (
        database_errors(path),
        contextlib.closing(connect(path) if _writable(path) else _look_at(path)) as connection,
    ):
        version = _check(connection, path)
        if version is None or version == schema.SCHEMA:
            return [] if version is None else read_rows(connection, path)
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            connection.backup(copy)
            copy.row_factory = sqlite3.Row
            _migrate(copy, path)
            return read_rows(copy, path)


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _look_at(path: Path) -> sqlite3.Connection:
    """Return a connection that neither writes nor locks, for a home on a read-only disk or of another user."""
    # Without immutable, SQLite would create a journal to find out whether there is one.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def connect(path: Path) -> sqlite3.Connection:
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise UserError(
            f"{path} is too long for SQLite ({PATH_LIMIT} bytes)", "set DDPM_HOME to a shorter path"
        )
    if path.exists() and not path.is_file():
        raise DamagedError(f"{path} is not a file")
    with database_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
        connection = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_mode = TRUNCATE")
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def open_tables(connection: sqlite3.Connection, path: Path) -> bool:
    """Migrate the tables and check that every row can be read; return True if there are none yet. A copy of an older
    database is kept, named after its schema. Raises as `_check`.
    """
    version = _check(connection, path)
    if version is None:
        return True
    with database_errors(path):
        if version < schema.SCHEMA:
            schema.keep_copy(connection, path.with_name(f"{path.name}.schema-{version}"))
            _migrate(connection, path)
        read_rows(connection, path)
    return False


def _check(connection: sqlite3.Connection, path: Path) -> int | None:
    """Return the schema of the database; None if it is empty. Raises DamagedError if it is damaged or not ours,
    UserError if a newer program wrote it.
    """
    with database_errors(path):
        problem = connection.execute("PRAGMA quick_check(1)").fetchone()
        if problem is None or problem[0] != "ok":
            raise DamagedError(f"{path} is damaged ({problem and problem[0]})")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        version = schema.version_of(connection)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        if application != schema.APPLICATION or not {"jobs", "events", "meta"} <= tables:
            raise DamagedError(f"{path} is not a queue of ddpm-tui")
        if version > schema.SCHEMA:
            raise UserError(f"{path} was written by a newer ddpm-tui (schema {version})", "update ddpm-tui")
        return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    try:
        schema.migrate(connection)
    except LookupError as error:
        raise DamagedError(f"{path} has schema {error}, which no ddpm-tui wrote") from None


def set_aside_file(path: Path) -> Path | None:
    """Rename a damaged database (and its journal); nothing is deleted."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    with database_errors(path):
        journal = path.with_name(f"{path.name}-journal")
        if journal.exists():
            journal.rename(aside.with_name(f"{aside.name}-journal"))
        if not path.exists():
            return None
        path.rename(aside)
        fsync_folder(path.parent)
    return aside


@contextlib.contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn errors of sqlite3 and of the system into ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        name = getattr(error, "sqlite_errorname", "") or ""
        _look_for_shortage(path, name)
        if name.startswith(_UNWRITABLE):
            raise _unwritable(path, str(error), full=name == "SQLITE_FULL") from error
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise UnwritableError(f"{path} is locked by another program", "close it") from error
        raise DamagedError(f"{path} is damaged ({error})") from error
    except (OSError, MemoryError) as error:
        if is_scarce(error) or isinstance(error, MemoryError):
            raise scarce(error, str(path)) from error
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise _unwritable(path, error.strerror or str(error), full) from error


def _look_for_shortage(path: Path, name: str) -> None:
    """Raise ScarceError if SQLite may have failed because of a shortage, which its error does not show. SQLite opens
    files at each operation, and a file that cannot be opened is not damaged.
    """
    if name.startswith("SQLITE_CORRUPT") or name == "SQLITE_NOTADB":
        return
    with unless_scarce():
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))


def _unwritable(path: Path, why: str, full: bool) -> UnwritableError:
    hint = (
        "free some space"
        if full
        else "it may be another user's, or its disk read-only; see `ddpm-tui doctor`"
    )
    error = UnwritableError(f"{path} cannot be written ({why})", hint)
    if full:
        error.exit_code = DiskFullError.exit_code
    return error


def read_rows(connection: sqlite3.Connection, path: Path) -> list[Job]:
    try:
        return [job_of(row) for row in connection.execute("SELECT * FROM jobs ORDER BY rank, id")]
    except (ValueError, LookupError) as error:  # invalid JSON in a column, or a missing column
        raise DamagedError(f"{path} holds a job that cannot be read ({error})") from None


def row_of(job: Job) -> tuple[Any, ...]:
    values = []
    for name in COLUMNS:
        value = getattr(job, name)
        if name in _JSON:
            value = None if value is None else json.dumps(value)
        elif isinstance(value, State | Intent):
            value = str(value)
        values.append(int(value) if isinstance(value, Priority) else value)
    return tuple(values)


def job_of(row: sqlite3.Row) -> Job:
    """Return the job of a row. Raises DamagedError, ValueError or IndexError for an invalid row."""
    values: dict[str, Any] = {name: row[name] for name in COLUMNS}
    for name in _JSON:
        if isinstance(values[name], str):
            values[name] = loads_json(values[name].encode())
    empty = {"after": [], "args": {}, "reason": "", "hint": ""}
    values |= {name: default for name, default in empty.items() if values[name] is None}
    values["intent"] = values["intent"] or None
    return typed(Job, values, f"the row of job {values['id']!r:.40}")
