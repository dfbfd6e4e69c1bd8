"""`study`: what it lists and refuses, and a whole study through the queue of an engine that is killed in between."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.data.catalog import add_source
from engine.home import Home
from engine.profiles_store import build_profile, save_profile, to_toml
from tests.ddpm_tui.cli.conftest import Cli
from tests.tiny import TINY

TRIED = """
title = "Losses"
question = "Which one?"
[full]
base = "tiny"
epochs = 1
seeds = [0, 1]
samples = 4
measures = ["sliced_wasserstein"]
[variants]
l1 = ["objective.loss=l1"]
l2 = ["objective.loss=l2"]
"""


@pytest.fixture
def tried(home: Home, many_pictures: Path) -> Home:
    add_source(home, many_pictures, "dots")
    save_profile(home, "tiny", to_toml(build_profile(TINY, "tiny")))
    home.studies.mkdir(exist_ok=True)
    (home.studies / "tried.toml").write_text(TRIED)
    return home


def test_what_there_is(cli: Cli, tried: Home) -> None:
    listed = {study["name"]: study for study in cli("study", "list", "--json").json}
    assert {"schedules", "denoising-steps", "loss", "blocks", "learning-rate", "size", "samplers"} < set(
        listed
    )
    assert (listed["tried"]["variants"], listed["tried"]["full"]) == (["l1", "l2"], "0/8")
    planned = cli("study", "run", "tried", "--dry-run")
    assert planned.out.splitlines()[0] == "train tried.l1.s0: to epoch 1"
    assert len(planned.out.splitlines()) == 8
    assert not list(tried.runs.iterdir()), "it only says"


def test_what_it_refuses(cli: Cli, tried: Home) -> None:
    assert "did you mean 'tried'" in cli("study", "show", "treid").error
    assert "nothing of study 'tried' has run yet" in cli("study", "report", "tried").error
    for changed, said in (
        (TRIED + "[more]\n", "more"),
        (TRIED.replace("loss=l2", "loss=l1"), "'l1' and 'l2' are equal"),
        (TRIED.replace("objective.loss=l2", "objective.los=l2"), "los"),
    ):
        (tried.studies / "tried.toml").write_text(changed)
        ended = cli("study", "run", "tried")
        assert ended.code in (1, 2)
        assert said in ended.err
        assert not list(tried.runs.iterdir())


@pytest.fixture
def engine(cli: Cli) -> Iterator[None]:
    yield
    cli("engine", "stop")


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.usefixtures("engine")
def test_a_study_through_the_queue(cli: Cli, tried: Home) -> None:
    assert cli("study", "run", "tried").code == 0
    # A second call while all of it waits adds nothing.
    assert cli("study", "run", "tried").code == 0
    jobs = cli("queue", "list", "--all", "--json").json
    jobs = jobs["jobs"] if isinstance(jobs, dict) else jobs
    wanted = Counter({"train": 4, "evaluate": 4})
    assert Counter(job["kind"] for job in jobs) == wanted

    os.kill(cli("engine", "status", "--json").json["pid"], signal.SIGKILL)
    assert cli("engine", "start").code == 0
    with pytest.raises(SystemExit) as waited:
        cli("queue", "wait", *(job["id"] for job in jobs))
    assert waited.value.code == 0
    jobs = cli("queue", "list", "--all", "--json").json
    jobs = jobs["jobs"] if isinstance(jobs, dict) else jobs
    assert Counter(job["kind"] for job in jobs if job["state"] == "done") == wanted

    again = cli("study", "run", "tried")
    assert "8 of 8 jobs are done" in again.err
    report = cli("study", "report", "tried", "--json").json
    assert report["missing"] == []
    assert all(len(v["sliced wasserstein"]) == 2 for v in report["variants"].values())
