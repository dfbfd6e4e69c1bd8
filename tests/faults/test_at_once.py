"""Many real processes at the same run at once: one wins, the others say so, and nothing is lost or invented."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.base.trash import find_trashed, list_trash, restore
from engine.runs.checkpoints import read_tags
from engine.runs.record import load_run, run_names
from tests.torchless import trained_run

MANY = 8

WAIT = """
import sys, time
from pathlib import Path
from ddpm_tui.cli.main import run
import engine.service.run_changes, engine.runs.checkpoints  # what takes its time is loaded before the start
Path(sys.argv[1]).touch()
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
sys.exit(run(sys.argv[3:]))
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home").create()
    trained_run(home, "two", 2)
    return home


def at_once(home: Home, commands: list[list[str]]) -> list[tuple[int, str]]:
    """(exit code, what it said) of each command, all let go at the same instant."""
    environment = {**os.environ, "DDPM_HOME": str(home.root), "PYTHONPATH": str(Path(__file__).parents[2])}
    gate, ready = home.root / "go", [home.root / f"ready-{number}" for number in range(len(commands))]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WAIT, str(here), str(gate), *command],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for here, command in zip(ready, commands, strict=True)
    ]  # fmt: skip
    try:
        while not all(here.exists() for here in ready):
            assert all(process.poll() is None for process in started)
        gate.touch()
        return [(process.wait(60), process.communicate()[0]) for process in started]
    finally:
        gate.unlink(missing_ok=True)
        for process in started:
            process.kill()


def judge(ended: list[tuple[int, str]], words: str) -> None:
    """One has done it; each other one says in a line why not."""
    assert [code for code, _ in ended].count(0) == 1, ended
    for code, said in ended:
        assert "Traceback" not in said
        if code:
            assert (code, words in said) == (1, True), said


@pytest.mark.slow
def test_deleting_a_run_many_times_at_once_deletes_it_once(home: Home) -> None:
    before = sorted(path.name for path in home.run("two").checkpoints.iterdir())
    for _ in range(3):
        judge(at_once(home, [["runs", "delete", "two"]] * MANY), "two")
        assert run_names(home) == []
        (item,) = list_trash(home)
        restore(find_trashed(home, "two", "run"))
        assert load_run(home, "two").name == "two"
        assert sorted(path.name for path in home.run("two").checkpoints.iterdir()) == before
        assert not item.path.exists()


@pytest.mark.slow
def test_renaming_a_run_many_times_at_once_renames_it_once(home: Home) -> None:
    judge(at_once(home, [["runs", "rename", "two", f"name{n}"] for n in range(MANY)]), "two")
    (name,) = run_names(home)
    assert name.startswith("name")
    assert json.loads(home.run(name).record.read_bytes())["name"] == name


@pytest.mark.slow
def test_two_runs_never_get_the_same_name(home: Home) -> None:
    trained_run(home, "three", 2)
    judge(at_once(home, [["runs", "rename", old, "one"] for old in ("two", "three")]), "one")
    assert len(run_names(home)) == 2
    assert {"one"} < set(run_names(home))


@pytest.mark.slow
def test_restoring_many_times_at_once_restores_once(home: Home) -> None:
    at_once(home, [["runs", "delete", "two"]])
    judge(at_once(home, [["runs", "restore", "two"]] * MANY), "two")
    assert run_names(home) == ["two"]
    assert list_trash(home) == []


@pytest.mark.slow
def test_no_tag_of_many_that_are_set_at_once_is_lost(home: Home) -> None:
    ended = at_once(home, [["checkpoints", "tag", "two@latest", f"tag{n}"] for n in range(MANY)])
    assert [code for code, _ in ended] == [0] * MANY, ended
    assert set(read_tags(home.run("two"))) == {f"tag{n}" for n in range(MANY)}


@pytest.mark.slow
def test_of_profiles_of_one_name_made_at_once_one_is_kept(home: Home) -> None:
    made = [["profiles", "new", "mine", "--set", f"training.seed={n}"] for n in range(MANY)]
    judge(at_once(home, made), "mine")
    kept = home.user_profile("mine").read_text()
    assert sum(f"seed = {n}" in kept for n in range(MANY)) == 1
