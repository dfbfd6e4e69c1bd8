"""The tables of queue.db, and the way to them from each older schema.

Literal SQL: what a program of last year wrote has to be read by what is written here, not by what today's classes say.
A new column is a new `SCHEMA`, one entry in `MIGRATIONS` and a line in `TABLES`; a test compares the two ways.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from engine.base.files import fsync_folder

SCHEMA = 3
"""`user_version` of a database that this program writes."""

APPLICATION = 0x44445054
"""Written into the file's header, so that another program's database is not taken for ours."""

TABLES = (
    """CREATE TABLE jobs (
        id TEXT PRIMARY KEY, token TEXT UNIQUE, kind TEXT, run TEXT, device TEXT, priority INTEGER, rank INTEGER,
        state TEXT, attempt INTEGER, intent TEXT, slot TEXT, handle TEXT, crashes INTEGER,
        mark INTEGER, after TEXT, reason TEXT, hint TEXT, args TEXT, result TEXT, created REAL, started REAL,
        ended REAL)""",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT, attempt INTEGER, before TEXT, after TEXT, reason TEXT,
        time REAL)""",
    "CREATE INDEX events_by_job ON events (job, seq)",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)",
)

MIGRATIONS: dict[int, tuple[str, ...]] = {
    # Ranks were fractions, and halving them between two neighbours ran out of digits: whole numbers, far apart.
    1: (
        """CREATE TABLE jobs_2 (
            id TEXT PRIMARY KEY, token TEXT UNIQUE, kind TEXT, run TEXT, device TEXT, priority INTEGER, rank INTEGER,
            state TEXT, attempt INTEGER, intent TEXT, slot TEXT, pid INTEGER, pid_started TEXT, crashes INTEGER,
            mark INTEGER, after TEXT, reason TEXT, hint TEXT, args TEXT, result TEXT, created REAL, started REAL,
            ended REAL)""",
        """INSERT INTO jobs_2
            SELECT id, token, kind, run, device, priority, 1048576 * ROW_NUMBER() OVER (ORDER BY jobs.rank, jobs.id),
                state, attempt, intent, slot, pid, pid_started, crashes, mark, after, reason, hint, args, result,
                created, started, ended
            FROM jobs""",
        "DROP TABLE jobs",
        "ALTER TABLE jobs_2 RENAME TO jobs",
    ),
    # A worker's process became its launcher's business: one text, which only the launcher reads.
    2: (
        """CREATE TABLE jobs_3 (
            id TEXT PRIMARY KEY, token TEXT UNIQUE, kind TEXT, run TEXT, device TEXT, priority INTEGER, rank INTEGER,
            state TEXT, attempt INTEGER, intent TEXT, slot TEXT, handle TEXT, crashes INTEGER, mark INTEGER,
            after TEXT, reason TEXT, hint TEXT, args TEXT, result TEXT, created REAL, started REAL, ended REAL)""",
        """INSERT INTO jobs_3
            SELECT id, token, kind, run, device, priority, rank, state, attempt, intent, slot,
                CASE WHEN pid IS NULL THEN NULL ELSE pid || ':' || coalesce(pid_started, '') END, crashes, mark,
                after, reason, hint, args, result, created, started, ended
            FROM jobs""",
        "DROP TABLE jobs",
        "ALTER TABLE jobs_3 RENAME TO jobs",
    ),
}
"""From each schema to the next one."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables. Inside a transaction of the caller."""
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring older tables up to `SCHEMA`, all of the way or not at all. Raises sqlite3.Error, LookupError for a schema
    that never was."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(version_of(connection), SCHEMA):
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def keep_copy(connection: sqlite3.Connection, target: Path) -> None:
    """Write the whole database into `target`, which is there whole or not at all."""
    building = target.with_name(f"{target.name}.new")
    building.unlink(missing_ok=True)
    os.close(os.open(building, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(building)) as copy:
        connection.backup(copy)
    building.replace(target)
    fsync_folder(target.parent)
