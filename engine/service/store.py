"""The queue's database: rows of jobs, their history, and transitions of which only one of several writers succeeds.

Synchronous, used from one thread. It uses a rollback journal instead of WAL: there is only one connection, so WAL
would gain nothing, and its reset bug (SQLite 3.7.0 to 3.51.2) and its shared memory on network disks are avoided.
Knows nothing about processes, clients or job folders.
"""

import contextlib
import errno
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from engine.base.errors import BusyError, DamagedError, DdpmError, DiskFullError, UserError
from engine.base.files import fsync_folder
from engine.base.records import loads_json
from engine.base.scarcity import is_scarce, scarce, unless_scarce
from engine.base.typed import typed
from engine.service import schema
from engine.service.job_states import STATES
from engine.service.scheduling import QueuePlace, entry_before, new_ranks
from engine.service.states import ENDED, Intent, Job, Priority, State, Transition

PATH_LIMIT = 511 - len("-journal")
"""The most bytes of a path that SQLite opens on Unix, with its journal beside it."""

_JSON = ("after", "args", "result")
_COLUMNS = tuple(f.name for f in fields(Job))
_UNWRITABLE = (
    "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_PROTOCOL",
    "SQLITE_NOMEM",
)  # fmt: skip


class StaleError(DdpmError):
    """A failed transition: the job no longer has the expected state, attempt or intent."""


class UnwritableError(DdpmError):
    """The database cannot be written now: the disk is full (exit code 73) or read-only. Nothing was changed."""


class QueueStore:
    """One open database. `fresh`: it was just created; `set_aside`: the new path of a damaged one."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, fresh: bool, set_aside: Path | None
    ) -> None:
        self.path = path
        self.fresh = fresh
        self.set_aside = set_aside
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> "QueueStore":
        """Open or create the database. A file that is not an intact database of ours is renamed.

        A database of an older schema is migrated, and a copy of it is kept. Raises UnwritableError if the disk is
        full or read-only, UserError for a newer schema or a path that is too long.
        """
        set_aside = None
        fresh = not path.exists() or path.stat().st_size == 0
        try:
            connection = _connect(path)
            try:
                fresh = _open_tables(connection, path) or fresh
            except BaseException:
                connection.close()
                raise
        except DamagedError:
            set_aside = _set_aside(path)
            fresh = True
            connection = _connect(path)
        store = cls(path, connection, fresh, set_aside)
        if fresh:
            with store._transaction():
                schema.create(connection)
        return store

    def close(self) -> None:
        self._connection.close()

    def start_again(self, jobs: Iterable[Job]) -> Path | None:
        """Rename a file that was found damaged while open, and write the jobs in memory to a new one."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self.set_aside = _set_aside(self.path)
        self._connection = _connect(self.path)
        with self._transaction():
            schema.create(self._connection)
            for job in jobs:
                self._insert(job)
        return self.set_aside

    def jobs(self) -> list[Job]:
        with _errors(self.path):
            return _rows(self._connection, self.path)

    def last_changes(self) -> dict[str, int]:
        """Return job id → the number of its last transition; numbers increase over all jobs."""
        with _errors(self.path):
            return dict(self._connection.execute("SELECT job, MAX(seq) FROM events GROUP BY job").fetchall())

    def history(self, job_id: str) -> list[Transition]:
        """Return every transition of a job, oldest first."""
        with _errors(self.path):
            rows = self._connection.execute(
                "SELECT job, attempt, before, after, reason, time FROM events WHERE job = ? ORDER BY seq",
                (job_id,),
            )
            return [Transition(*row) for row in rows]

    def meta(self, key: str) -> str | None:
        with _errors(self.path):
            row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        with self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def insert(self, job: Job) -> Job:
        """Add a row. Raises BusyError if the id or the token already exists."""
        with self._transaction():
            self._insert_new(job)
        return job

    def transition(
        self,
        job: Job,
        before: Iterable[State],
        to: State,
        reason: str,
        *,
        same_intent: bool = False,
        **changes: Any,
    ) -> Job:
        """Move `job` to the state `to`, if the row still has its attempt and one of the states `before`
        (compare-and-set).

        `same_intent`: also require its intent, for a writer that decided by it. Returns the new row. Raises
        StaleError if another writer was first, UnwritableError if nothing could be written, ValueError for a
        transition that does not exist.
        """
        with self._transaction():
            return self._change_state(job, before, to, reason, same_intent=same_intent, **changes)

    def update(self, job: Job, states: Iterable[State], **changes: Any) -> Job:
        """Change columns without changing the state, with the same comparison."""
        with self._transaction():
            new = replace(self._current(job, list(states)), **changes)
            self._write(new)
        return new

    def enter(self, job: Job) -> list[Job]:
        """Add a row at the place of its priority: return `job`, then those whose rank changed. Raises BusyError as
        `insert` does.
        """
        with self._transaction():
            self._insert_new(job)
            return self._enter(job)

    def bring_back(self, job: Job, before: Iterable[State], reason: str, **changes: Any) -> list[Job]:
        """Put a finished job back into the queue at the place of its priority. Raises as `transition` and `enter`."""
        with self._transaction():
            return self._enter(self._change_state(job, before, State.QUEUED, reason, **changes))

    def move(self, ids: Sequence[str], before: str | None) -> list[Job]:
        """Put jobs directly before another one, or at the end; return them, then those whose rank changed. Raises
        StaleError if the other one has ended.
        """
        with self._transaction():
            line = self._line()
            if before is not None and all(place.id != before for place in line):
                raise StaleError(f"job {before} has already ended")
            return self._place(line, ids, before)

    # Inside a transaction.

    def _insert_new(self, job: Job) -> None:
        try:
            self._insert(job)
        except sqlite3.IntegrityError as error:
            what = "its request has already added another job" if "token" in str(error) else "its id is taken"
            raise BusyError(f"job {job.id} is already in the queue: {what}") from None

    def _insert(self, job: Job) -> None:
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        marks = ", ".join("?" * len(_COLUMNS))
        self._connection.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", _row(job))
        self._event(job, "", job.reason or "queued")

    def _change_state(
        self,
        job: Job,
        before: Iterable[State],
        to: State,
        reason: str,
        *,
        same_intent: bool = False,
        **changes: Any,
    ) -> Job:
        allowed = [state for state in before if to in STATES[state].to]
        if not allowed:
            raise ValueError(f"no transition from {[str(s) for s in before]} to {to}")
        current = self._current(job, allowed)
        if same_intent and current.intent is not job.intent:
            raise StaleError(f"job {job.id} has received another request in the meantime")
        new = replace(current, state=to, reason=reason, **changes)
        self._write(new)
        self._event(new, current.state, reason)
        return new

    def _enter(self, job: Job) -> list[Job]:
        line = [place for place in self._line() if place.id != job.id]
        return self._place(line, [job.id], entry_before(line, job.priority))

    def _line(self) -> list[QueuePlace]:
        """Return every unfinished job, in order."""
        marks = ",".join("?" * len(ENDED))
        rows = self._connection.execute(
            f"SELECT id, rank, priority FROM jobs WHERE state NOT IN ({marks}) ORDER BY rank, id",
            tuple(ENDED),
        )
        return [QueuePlace(*row) for row in rows]

    def _place(self, line: Sequence[QueuePlace], ids: Sequence[str], before: str | None) -> list[Job]:
        """Write the new ranks; return the changed rows, those of `ids` first and in their order."""
        ranks = new_ranks(line, ids, before)
        self._connection.executemany(
            "UPDATE jobs SET rank = ? WHERE id = ?", [(rank, job_id) for job_id, rank in ranks.items()]
        )
        first = [*ids, *(job_id for job_id in ranks if job_id not in ids)]
        rows = (
            self._connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
            for job_id in first
        )
        return [_job(row) for row in rows if row is not None]

    def _current(self, job: Job, states: list[State]) -> Job:
        row = self._connection.execute(
            f"SELECT * FROM jobs WHERE id = ? AND attempt = ? AND state IN ({','.join('?' * len(states))})",
            (job.id, job.attempt, *(str(s) for s in states)),
        ).fetchone()
        if row is None:
            raise StaleError(f"job {job.id} has changed in the meantime")
        return _job(row)

    def _write(self, job: Job) -> None:
        names = ", ".join(f'"{name}" = ?' for name in _COLUMNS)
        self._connection.execute(f"UPDATE jobs SET {names} WHERE id = ?", (*_row(job), job.id))

    def _event(self, job: Job, before: str, reason: str) -> None:
        self._connection.execute(
            "INSERT INTO events (job, attempt, before, after, reason, time) VALUES (?, ?, ?, ?, ?, ?)",
            (job.id, job.attempt, str(before), str(job.state), reason, time.time()),
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with _errors(self.path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise


def read_jobs(path: Path) -> list[Job]:
    """Return all rows as last committed, for readers. A database that cannot be written to is read as it is; a writer
    that was killed during a transition may have left it damaged for readers.

    Raises FileNotFoundError if there is no database, DamagedError, UnwritableError.
    """
    path.stat()
    with (
        _errors(path),
        contextlib.closing(_connect(path) if _writable(path) else _look_at(path)) as connection,
    ):
        version = _check(connection, path)
        if version is None or version == schema.SCHEMA:
            return [] if version is None else _rows(connection, path)
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            connection.backup(copy)
            copy.row_factory = sqlite3.Row
            _migrate(copy, path)
            return _rows(copy, path)


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _look_at(path: Path) -> sqlite3.Connection:
    """Return a connection that neither writes nor locks, for a home on a read-only disk or of another user."""
    # Without immutable, SQLite would create a journal to find out whether there is one.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise UserError(
            f"{path} is too long for SQLite ({PATH_LIMIT} bytes)", "set DDPM_HOME to a shorter path"
        )
    if path.exists() and not path.is_file():
        raise DamagedError(f"{path} is not a file")
    with _errors(path):
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


def _open_tables(connection: sqlite3.Connection, path: Path) -> bool:
    """Migrate the tables and check that every row can be read; return True if there are none yet. A copy of an older
    database is kept, named after its schema. Raises as `_check`.
    """
    version = _check(connection, path)
    if version is None:
        return True
    with _errors(path):
        if version < schema.SCHEMA:
            schema.keep_copy(connection, path.with_name(f"{path.name}.schema-{version}"))
            _migrate(connection, path)
        _rows(connection, path)
    return False


def _check(connection: sqlite3.Connection, path: Path) -> int | None:
    """Return the schema of the database; None if it is empty. Raises DamagedError if it is damaged or not ours,
    UserError if a newer program wrote it.
    """
    with _errors(path):
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


def _set_aside(path: Path) -> Path | None:
    """Rename a damaged database (and its journal); nothing is deleted."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    with _errors(path):
        journal = path.with_name(f"{path.name}-journal")
        if journal.exists():
            journal.rename(aside.with_name(f"{aside.name}-journal"))
        if not path.exists():
            return None
        path.rename(aside)
        fsync_folder(path.parent)
    return aside


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
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


def _rows(connection: sqlite3.Connection, path: Path) -> list[Job]:
    try:
        return [_job(row) for row in connection.execute("SELECT * FROM jobs ORDER BY rank, id")]
    except (ValueError, LookupError) as error:  # invalid JSON in a column, or a missing column
        raise DamagedError(f"{path} holds a job that cannot be read ({error})") from None


def _row(job: Job) -> tuple[Any, ...]:
    values = []
    for name in _COLUMNS:
        value = getattr(job, name)
        if name in _JSON:
            value = None if value is None else json.dumps(value)
        elif isinstance(value, State | Intent):
            value = str(value)
        values.append(int(value) if isinstance(value, Priority) else value)
    return tuple(values)


def _job(row: sqlite3.Row) -> Job:
    """Return the job of a row. Raises DamagedError, ValueError or IndexError for an invalid row."""
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    for name in _JSON:
        if isinstance(values[name], str):
            values[name] = loads_json(values[name].encode())
    empty = {"after": [], "args": {}, "reason": "", "hint": ""}
    values |= {name: default for name, default in empty.items() if values[name] is None}
    values["intent"] = values["intent"] or None
    return typed(Job, values, f"the row of job {values['id']!r:.40}")
