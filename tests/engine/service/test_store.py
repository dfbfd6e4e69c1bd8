import errno
import itertools
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.base.errors import BusyError, UserError
from engine.service.database import PATH_LIMIT, UnwritableError
from engine.service.job_states import STATES
from engine.service.states import ENDED, Intent, Job, Priority, State
from engine.service.store import QueueStore, StaleError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


FULL = Job(
    "000007", "train", "r", "cuda:0", Priority.HIGH, 2.5, State.RUNNING, 3, Intent.PAUSE, "cuda:0", "42:99", 2, 120,
    ("000001", "000002"), "token", "why", "what to do", {"to_epoch": 50, "x": None}, {"outcome": "done"}, 1.5, 2.5, 3.5,
)  # fmt: skip


def test_a_row_comes_back_as_it_was(path: Path) -> None:
    store = QueueStore.open(path)
    store.insert(FULL)
    store.insert(Job("000008", "sample"))
    store.close()
    again = QueueStore.open(path)
    assert again.jobs() == [Job("000008", "sample"), FULL]
    assert not again.fresh
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_transition_is_won_once(path: Path) -> None:
    store = QueueStore.open(path)
    job = store.insert(Job("000001", "train"))
    first = store.transition(job, [State.QUEUED], State.STARTING, "go", attempt=1)
    with pytest.raises(StaleError):
        store.transition(job, [State.QUEUED], State.STARTING, "go", attempt=1)
    with pytest.raises(StaleError):
        store.transition(replace(first, attempt=0), [State.STARTING], State.RUNNING, "an older attempt")
    assert [(e.before, e.after) for e in store.history("000001")] == [("", "queued"), ("queued", "starting")]


def test_impossible_transitions_are_refused_in_code(path: Path) -> None:
    store = QueueStore.open(path)
    job = store.insert(Job("000001", "train", state=State.DONE))
    with pytest.raises(ValueError, match="no transition"):
        store.transition(job, [State.DONE], State.QUEUED, "")


def test_a_token_makes_one_job(path: Path) -> None:
    store = QueueStore.open(path)
    store.insert(Job("000001", "train", token="t"))
    with pytest.raises(BusyError):
        store.insert(Job("000002", "train", token="t"))
    assert len(store.jobs()) == 1


def test_what_is_written_survives_a_kill_in_the_middle_of_the_next(path: Path) -> None:
    code = f"""
import os, signal
from engine.service.store import QueueStore as Store
from engine.service.states import Job, State
from pathlib import Path
s = Store.open(Path({str(path)!r}))
j = s.insert(Job("000001", "train"))
s._connection.execute("BEGIN IMMEDIATE")
s._write(Job("000001", "train", state=State.FAILED))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    store = QueueStore.open(path)
    assert [job.state for job in store.jobs()] == [State.QUEUED]
    assert store.set_aside is None


GARBAGE = {
    "not a database": lambda p: p.write_bytes(b"no database at all" * 100),
    "truncated": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2 + 100]),
    "a header and nothing": lambda p: p.write_bytes(p.read_bytes()[:100]),
    "bytes changed": lambda p: p.write_bytes(p.read_bytes()[:3000] + b"\xff" * 4000 + p.read_bytes()[7000:]),
    "somebody else's": lambda p: (
        p.unlink(),
        sqlite3.connect(p).execute("CREATE TABLE x (y)").connection.commit(),
    ),
    "a state that does not exist": lambda p: _sql(p, "UPDATE jobs SET state = 'dancing'"),
}


def _sql(path: Path, text: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(text)


@pytest.mark.parametrize("damage", GARBAGE, ids=list(GARBAGE))
def test_a_damaged_file_is_set_aside_and_named(path: Path, damage: str) -> None:
    store = QueueStore.open(path)
    for number in range(40):
        store.insert(Job(f"{number:06d}", "train", args={"x": "y" * 200}))
    store.close()
    GARBAGE[damage](path)
    content = path.read_bytes()
    again = QueueStore.open(path)
    assert again.fresh
    assert again.set_aside == path.with_name("queue.db.damaged-1")
    assert again.set_aside.read_bytes() == content
    assert again.jobs() == []
    again.insert(Job("000001", "train"))


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.touch()
    store = QueueStore.open(path)
    assert store.fresh
    assert store.set_aside is None


def test_a_newer_schema_is_left_alone(path: Path) -> None:
    QueueStore.open(path).close()
    _sql(path, "PRAGMA user_version = 99")
    with pytest.raises(UserError, match="newer"):
        QueueStore.open(path)
    assert path.exists()


def test_damage_while_open_is_repaired_from_memory(path: Path) -> None:
    store = QueueStore.open(path)
    job = store.insert(Job("000001", "train"))
    assert store.start_again([job]) == path.with_name("queue.db.damaged-1")
    assert store.jobs() == [job]
    store.transition(job, [State.QUEUED], State.PAUSED, "")


def test_a_full_disk_changes_nothing_and_says_so(path: Path) -> None:
    """A limit on file size stands in for a full disk; the store must go on when there is room again."""
    code = f"""
import resource
from pathlib import Path
from engine.service.database import UnwritableError
from engine.service.store import QueueStore as Store
from engine.service.states import Job, State
s = Store.open(Path({str(path)!r}))
j = s.insert(Job("000001", "train"))
resource.setrlimit(resource.RLIMIT_FSIZE, (Path({str(path)!r}).stat().st_size, resource.RLIM_INFINITY))
try:
    for n in range(2, 200):
        s.insert(Job(f"{{n:06d}}", "train", args={{"x": "y" * 5000}}))
except UnwritableError as e:
    print("refused:", e)
count = len(s.jobs())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
s.transition(j, [State.QUEUED], State.PAUSED, "")
s.insert(Job("000900", "train", args={{"x": "y" * 50000}}))
assert len(s.jobs()) == count + 1
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "refused" in done.stdout
    assert QueueStore.open(path).set_aside is None


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError, match="cannot be written") as caught:
        QueueStore.open(tmp_path / "nowhere" / "queue.db")
    assert caught.value.exit_code == 1, "73 means that there is no room"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_from_one_that_is_not_ours(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(UnwritableError, match="free some space") as caught:
        QueueStore.open(path)
    assert caught.value.exit_code == 73


def test_a_path_that_sqlite_cannot_open_is_called_too_long(tmp_path: Path) -> None:
    folder = tmp_path
    while (room := PATH_LIMIT - len(os.fsencode(folder / "queue.db"))) >= 0:
        folder /= "d" * (room if room <= 100 else 50)
    folder.mkdir(parents=True)
    assert len(os.fsencode(folder / "queue.db")) == PATH_LIMIT + 1
    with pytest.raises(UserError, match="too long for SQLite"):
        QueueStore.open(folder / "queue.db")
    QueueStore.open(folder / "queue.d").close()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(list(State)), st.sampled_from(list(State))), max_size=12))
def test_no_order_of_writers_ends_a_job_twice(steps: list[tuple[State, State]]) -> None:
    """Writers with any belief about the state: an end is entered only from a state that is no end."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = QueueStore.open(Path(folder) / "queue.db")
        job = store.insert(Job("000001", "train"))
        for before, after in steps:
            if after in STATES[before].to:
                try:
                    job = store.transition(job, [before], after, "")
                except StaleError:
                    continue
        history = [State(e.after) for e in store.history("000001")]
        for earlier, later in itertools.pairwise(history):
            assert later in STATES[earlier].to
            assert not (earlier in ENDED and later in ENDED)
        store.close()


def test_what_an_intent_decided_loses_where_there_is_another_by_now(path: Path) -> None:
    store = QueueStore.open(path)
    job = store.insert(Job("000001", "train", state=State.RUNNING))
    wanted = store.update(job, [State.RUNNING], intent=Intent.CANCEL)
    with pytest.raises(StaleError, match="has received another request"):
        store.transition(job, [State.RUNNING], State.QUEUED, "it died", same_intent=True)
    assert (
        store.transition(wanted, [State.RUNNING], State.CANCELLED, "", same_intent=True).state
        is State.CANCELLED
    )
