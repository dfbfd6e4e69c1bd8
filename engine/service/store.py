"""The queue's database: rows of jobs, their history, and transitions of which only one of several writers succeeds.

Synchronous, used from one thread. It uses a rollback journal instead of WAL: there is only one connection, so WAL
would gain nothing, and its reset bug (SQLite 3.7.0 to 3.51.2) and its shared memory on network disks are avoided.
Knows nothing about processes, clients or job folders.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.base.errors import BusyError, DamagedError, DdpmError
from engine.service import schema
from engine.service.database import (
    COLUMNS,
    connect,
    database_errors,
    job_of,
    open_tables,
    read_rows,
    row_of,
    set_aside_file,
)
from engine.service.job_states import STATES
from engine.service.scheduling import QueuePlace, entry_before, new_ranks
from engine.service.states import ENDED, Job, State, Transition


class StaleError(DdpmError):
    """A failed transition: the job no longer has the expected state, attempt or intent."""


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
            connection = connect(path)
            try:
                fresh = open_tables(connection, path) or fresh
            except BaseException:
                connection.close()
                raise
        except DamagedError:
            set_aside = set_aside_file(path)
            fresh = True
            connection = connect(path)
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
        self.set_aside = set_aside_file(self.path)
        self._connection = connect(self.path)
        with self._transaction():
            schema.create(self._connection)
            for job in jobs:
                self._insert(job)
        return self.set_aside

    def jobs(self) -> list[Job]:
        with database_errors(self.path):
            return read_rows(self._connection, self.path)

    def last_changes(self) -> dict[str, int]:
        """Return job id → the number of its last transition; numbers increase over all jobs."""
        with database_errors(self.path):
            return dict(self._connection.execute("SELECT job, MAX(seq) FROM events GROUP BY job").fetchall())

    def history(self, job_id: str) -> list[Transition]:
        """Return every transition of a job, oldest first."""
        with database_errors(self.path):
            rows = self._connection.execute(
                "SELECT job, attempt, before, after, reason, time FROM events WHERE job = ? ORDER BY seq",
                (job_id,),
            )
            return [Transition(*row) for row in rows]

    def meta(self, key: str) -> str | None:
        with database_errors(self.path):
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
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        marks = ", ".join("?" * len(COLUMNS))
        self._connection.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", row_of(job))
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
        return [job_of(row) for row in rows if row is not None]

    def _current(self, job: Job, states: list[State]) -> Job:
        row = self._connection.execute(
            f"SELECT * FROM jobs WHERE id = ? AND attempt = ? AND state IN ({','.join('?' * len(states))})",
            (job.id, job.attempt, *(str(s) for s in states)),
        ).fetchone()
        if row is None:
            raise StaleError(f"job {job.id} has changed in the meantime")
        return job_of(row)

    def _write(self, job: Job) -> None:
        names = ", ".join(f'"{name}" = ?' for name in COLUMNS)
        self._connection.execute(f"UPDATE jobs SET {names} WHERE id = ?", (*row_of(job), job.id))

    def _event(self, job: Job, before: str, reason: str) -> None:
        self._connection.execute(
            "INSERT INTO events (job, attempt, before, after, reason, time) VALUES (?, ?, ?, ?, ?, ?)",
            (job.id, job.attempt, str(before), str(job.state), reason, time.time()),
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with database_errors(self.path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise
