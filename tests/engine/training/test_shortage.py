"""A training that gets no open files for a while waits, and its bits are those of an undisturbed one."""

import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.data.catalog import add_source
from engine.jobs.context import Work
from engine.jobs.files import JobSpec
from engine.runs.checkpoints import list_checkpoints
from engine.training.job import run_training
from tests.engine.service.support import wait_for
from tests.tiny import bits, job, make_run, metrics_without_clocks

EPOCHS = 2


def train(home: Home, name: str, to_epoch: int = EPOCHS) -> tuple[str, str]:
    """In this process, as a worker does it; how it ended and what it said."""
    task, said = job(home, home.run(name), to_epoch), io.StringIO()
    spec = JobSpec(task.id, "train", name, args={"to_epoch": to_epoch})
    return run_training(Work(home, task, spec, said)).outcome, said.getvalue()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Home:
    home = Home(tmp_path_factory.mktemp("shortage") / "home").create()
    add_source(home, pictures, "dots")
    return home


@pytest.fixture(scope="module")
def straight(home: Home) -> tuple[dict[str, str], list[dict]]:
    run = make_run(home, "straight")
    train(home, "straight")
    return bits(run), metrics_without_clocks(run)


def test_a_checkpoint_is_published_once_there_are_files_again(
    home: Home, straight: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(home, "published")
    places = {"checkpoint.files_written": (1, "emfile"), "checkpoint.before_rename": (2, "emfile")}
    monkeypatch.setattr("engine.base.failpoints._plan", places)
    monkeypatch.setattr("engine.base.failpoints._hits", {})
    outcome, said = train(home, "published")
    assert (outcome, said.count("waiting: checkpoint.")) == ("done", 2)
    assert (bits(run), metrics_without_clocks(run)) == straight
    assert [path.name for path in run.checkpoints.iterdir() if path.name.startswith(".")] == []


def test_a_run_whose_checkpoints_cannot_be_read_now_does_not_begin_anew(
    home: Home, straight: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file and folder of the checkpoints fails to open once: what is there is neither damaged nor gone."""
    run = make_run(home, "resumed")
    assert train(home, "resumed", 1)[0] == "done"
    met: set[str] = set()

    def short(real):  # type: ignore[no-untyped-def]
        def opening(path, *args, **kwargs):  # type: ignore[no-untyped-def]
            name = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
            there = name == str(run.checkpoints) or name.startswith(str(run.checkpoint(7).path))
            if there and name not in met:
                met.add(name)
                raise OSError(24, os.strerror(24), name)
            return real(path, *args, **kwargs)

        return opening

    monkeypatch.setattr("engine.jobs.context.LONGEST_PAUSE_S", 0.1)
    for owner, name in (("os", "open"), ("os", "listdir"), ("os", "scandir"), ("builtins", "open")):
        monkeypatch.setattr(f"{owner}.{name}", short(getattr(__import__(owner), name)))
    outcome, said = train(home, "resumed")
    monkeypatch.undo()
    assert (outcome, "resumed from checkpoint 7" in said, "damaged" in said) == ("done", True, False)
    assert {"00000007", "checkpoints"} <= {part for name in met for part in name.split("/")}
    assert (bits(run), metrics_without_clocks(run)) == straight


@pytest.mark.slow
@pytest.mark.e2e
def test_open_files_are_taken_from_a_worker_until_it_waits(home: Home, straight: tuple) -> None:
    """From its first step on, each time that it goes on; before that its modules are still being opened."""
    run = make_run(home, "taken")
    task = job(home, run, EPOCHS)
    with open(task.log, "wb") as log:
        worker = subprocess.Popen([sys.executable, "-m", "engine.worker", str(task.path)], stdout=log)
    try:
        wait_for(run.metrics.exists, timeout=240)
        before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
        for waited in (1, 2):
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (3, before[1]))
            wait_for(lambda least=waited: task.log.read_text().count("waiting: ") >= least, timeout=240)
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)
            wait_for(lambda least=waited: len(list_checkpoints(run)) >= least, timeout=240)
        assert worker.wait(240) == 0, task.log.read_text()
    finally:
        worker.kill()
    assert (bits(run), metrics_without_clocks(run)) == straight, task.log.read_text()
