"""A home that cannot be written, on a read-only disk or of another user's, can be looked at."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.jobs.files import new_job_folder
from engine.service.states import Job, State
from engine.service.store import QueueStore
from tests.torchless import trained_run

# Root may write anywhere: it gives that up first.
_WITHOUT = "-dac_override,-dac_read_search"
PLAIN = ["setpriv", f"--bounding-set={_WITHOUT}", f"--inh-caps={_WITHOUT}", "--"] if os.geteuid() == 0 else []

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(PLAIN) and not shutil.which("setpriv"), reason="root needs setpriv"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("ro") / "home").create()
    trained_run(home, "r", 4)
    store = QueueStore.open(home.queue_db)
    for number, state in enumerate((State.DONE, State.RUNNING, State.QUEUED), 1):
        folder = new_job_folder(home, "sample", "r", {"checkpoint": "r@7", "n": number})
        folder.log.write_text("it began\n")
        args = {"checkpoint": "r@7", "n": number}
        store.insert(Job(folder.id, "sample", "r", state=state, args=args, rank=float(number)))
    store.close()
    everything = [home.root, *home.root.rglob("*")]
    for path in everything:
        path.chmod(path.stat().st_mode & ~0o222)
    yield home
    for path in everything:
        path.chmod(path.stat().st_mode | 0o200)


def call(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PLAIN, sys.executable, "-m", "ddpm_tui", *arguments],
        env={**os.environ, "DDPM_HOME": str(home.root)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_it_is_read_only(home: Home) -> None:
    tried = subprocess.run([*PLAIN, "touch", str(home.root / "x")], capture_output=True)
    assert tried.returncode != 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("runs list", "r "),
        ("runs show r", "4 of 4"),
        ("runs metrics r", "kind,step"),
        ("checkpoints list r", "best"),
        ("checkpoints show r@best", "r@21"),
        ("checkpoints verify r", "7: whole"),
        ("checkpoints prune r --dry-run --keep-last 1", "nothing to prune"),
        ("data list", "faces"),
        ("profiles list", "demo"),
        ("queue list", "sample r@7, 1 picture"),
        ("queue show 3", "for the engine"),
        ("queue logs 1", "it began"),
        ("queue status", "2 waiting"),
        ("trash list", ""),
    ],
)
def test_what_only_looks_works(home: Home, arguments: str, says: str) -> None:
    ended = call(home, *arguments.split())
    assert ended.returncode == 0, ended.stderr
    assert says in ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments", ["runs delete r", "checkpoints delete r@14", "queue pause 3", "sample r"]
)
def test_what_changes_says_in_one_line_that_it_cannot(home: Home, arguments: str) -> None:
    ended = call(home, *arguments.split())
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("error: ")


def test_nothing_was_written(home: Home) -> None:
    assert not (home.root / "engine.lock").exists()
    assert {path.name for path in Path(home.root).iterdir()} >= {"runs", "jobs", "queue.db"}
