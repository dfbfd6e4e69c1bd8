"""Queues that older programs wrote are brought up to date, whole or not at all, and a copy is kept."""

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest

from engine.service import schema
from engine.service.database import read_jobs
from engine.service.launchers.local import process_of
from engine.service.states import Job, State, Transition
from engine.service.store import QueueStore

OLD = """
CREATE TABLE jobs (id TEXT PRIMARY KEY, token TEXT UNIQUE, "kind" TEXT, "run" TEXT, "device" TEXT,
    "priority" INTEGER, "rank" REAL, "state" TEXT, "attempt" INTEGER, "intent" TEXT, "slot" TEXT, "pid" INTEGER,
    "pid_started" TEXT, "crashes" INTEGER, "mark" INTEGER, "after" TEXT, "reason" TEXT, "hint" TEXT, "args" TEXT,
    "result" TEXT, "created" REAL, "started" REAL, "ended" REAL);
CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT, attempt INTEGER, before TEXT, after TEXT,
    reason TEXT, time REAL);
CREATE INDEX events_by_job ON events (job, seq);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT);
PRAGMA application_id = 1145327700;
PRAGMA user_version = 1;
INSERT INTO jobs (id, token, kind, run, device, priority, rank, state, attempt, crashes, after, args, created) VALUES
    ('000001', 'a', 'train', 'cats', 'cpu', 0, 2.5, 'paused', 1, 0, '[]', '{"to_epoch": 5}', 1.5),
    ('000002', NULL, 'sample', 'cats', 'auto', 1, 1.0000000000000002, 'queued', 0, 0, '["000001"]', '{}', 2.5),
    ('000003', NULL, 'sample', 'cats', 'auto', 1, 1.0, 'done', 1, 0, '[]', '{}', 3.5);
INSERT INTO events (job, attempt, before, after, reason, time) VALUES ('000001', 1, 'queued', 'paused', 'paused', 9.0);
UPDATE jobs SET pid = 12, pid_started = '345' WHERE id = '000001';
INSERT INTO meta VALUES ('on_hold', '1');
"""
"""What the first version wrote, as SQL."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "queue.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD)
    return path


def _columns(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return [
            tuple(row[:4])
            for table in ("jobs", "events", "meta")
            for row in connection.execute(
                f"SELECT name, type, pk, \"notnull\" FROM pragma_table_info('{table}')"
            )
        ]


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return schema.version_of(connection)


def test_an_old_queue_keeps_its_jobs_their_order_and_their_history(path: Path) -> None:
    store = QueueStore.open(path)
    jobs = store.jobs()
    assert [(job.id, job.rank) for job in jobs] == [
        ("000003", 1048576.0),
        ("000002", 2097152.0),
        ("000001", 3145728.0),
    ]
    assert jobs[2].args == {"to_epoch": 5}
    assert [job.handle for job in jobs] == [None, None, "12:345"]
    assert process_of(jobs[2].handle) == (12, "345")
    assert jobs[1].after == ("000001",)
    assert jobs[2].state is State.PAUSED
    assert (store.fresh, store.set_aside) == (False, None)
    assert store.meta("on_hold") == "1"
    assert store.history("000001") == [Transition("000001", 1, "queued", "paused", "paused", 9.0)]
    store.enter(Job("000004", "train"))
    store.close()
    assert _version(path) == schema.SCHEMA


def test_a_migrated_queue_has_the_tables_of_a_new_one(path: Path, tmp_path: Path) -> None:
    QueueStore.open(path).close()
    QueueStore.open(tmp_path / "new.db").close()
    assert _columns(path) == _columns(tmp_path / "new.db")


def test_the_tables_hold_every_field_of_a_job(tmp_path: Path) -> None:
    QueueStore.open(tmp_path / "new.db").close()
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info('jobs')")}
    assert names == {field.name for field in fields(Job)}


def test_every_older_schema_has_a_way_up() -> None:
    assert sorted(schema.MIGRATIONS) == list(range(1, schema.SCHEMA))


def test_the_queue_before_is_kept(path: Path) -> None:
    QueueStore.open(path).close()
    kept = path.with_name("queue.db.schema-1")
    assert kept.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(kept)) as connection:
        assert schema.version_of(connection) == 1
        assert connection.execute("SELECT rank FROM jobs WHERE id = '000001'").fetchone() == (2.5,)
    QueueStore.open(path).close()
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "queue.db",
        "queue.db-journal",
        "queue.db.schema-1",
    ]


def test_a_migration_that_fails_half_way_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    broken = (*schema.MIGRATIONS[1], "INSERT INTO jobs (id) VALUES ('000001')")
    monkeypatch.setitem(schema.MIGRATIONS, 1, broken)
    with pytest.raises(sqlite3.IntegrityError):
        QueueStore.open(path)
    assert _version(path) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before


def test_who_only_looks_sees_an_old_queue_and_leaves_it_as_it_is(path: Path) -> None:
    before = path.read_bytes()
    assert [job.id for job in read_jobs(path)] == ["000003", "000002", "000001"]
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        assert [job.id for job in read_jobs(path)] == ["000003", "000002", "000001"]
    finally:
        path.parent.chmod(0o700)
    assert path.read_bytes() == before


def test_an_old_queue_that_lacks_a_column_is_set_aside(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE jobs DROP COLUMN hint")
    store = QueueStore.open(path)
    assert store.fresh
    assert store.set_aside == path.with_name("queue.db.damaged-1")
