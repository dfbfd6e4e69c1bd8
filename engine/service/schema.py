"""The tables of queue.db, and the migrations from each older schema.

Literal SQL, because it must read the databases of older programs, whatever the classes are today. A new column needs
a new `SCHEMA`, an entry in `MIGRATIONS` and a line in `TABLES`; a test compares the two.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from engine.base.files import fsync_folder

SCHEMA = 3
"""The `user_version` of databases that this program writes."""

APPLICATION = 0x44445054
"""The application id in the file's header, which distinguishes our database from others."""

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
    # Ranks were fractions, and halving the distance of two neighbours ran out of digits; now they are whole numbers,
    # far apart.
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
"""The SQL from each schema to the next."""


def create(connection: sqlite3.Connection) -> None:
    """Create the tables. Inside a transaction of the caller."""
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate older tables to `SCHEMA`, completely or not at all. Raises sqlite3.Error, LookupError for a schema that
    never existed.
    """
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
    """Write the whole database to `target`, atomically."""
    building = target.with_name(f"{target.name}.new")
    building.unlink(missing_ok=True)
    os.close(os.open(building, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(building)) as copy:
        connection.backup(copy)
    building.replace(target)
    fsync_folder(target.parent)
