"""`study`: what it lists and refuses, and a whole study through the queue of an engine that is killed in between."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.base.home import Home
from engine.config.store import build_profile, load_profile, save_profile, to_toml
from engine.data.catalog import add_source
from engine.runs.record import create_run
from tests.ddpm_tui.cli.conftest import Cli
from tests.tiny import BRANCH_STUDY, TINY

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


def test_what_it_refuses(cli: Cli, tried: Home, monkeypatch: pytest.MonkeyPatch) -> None:
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
    (tried.studies / "tried.toml").write_text(TRIED)
    with monkeypatch.context() as patch:
        patch.setattr("engine.runs.evaluations.find_spec", lambda name: None)
        (tried.studies / "tried.toml").write_text(TRIED.replace("sliced_wasserstein", "fid"))
        assert "fid needs torch-fidelity" in cli("study", "run", "tried").error
    (tried.studies / "tried.toml").write_text(TRIED)
    create_run(tried, "tried.l1.s0", load_profile(tried, "tiny", ["training.seed=9"]))
    assert "'tried.l1.s0' was created with other settings" in cli("study", "run", "tried").error


@pytest.fixture
def engine(cli: Cli) -> Iterator[None]:
    yield
    cli("engine", "stop")


def jobs_of(cli: Cli) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = cli("queue", "list", "--all", "--json").json["jobs"]
    return listed


def kill_the_engine(cli: Cli) -> None:
    os.kill(cli("engine", "status", "--json").json["pid"], signal.SIGKILL)
    assert cli("engine", "start").code == 0


def wait_for(cli: Cli, jobs: list[dict[str, Any]]) -> None:
    with pytest.raises(SystemExit) as waited:
        cli("queue", "wait", *(job["id"] for job in jobs))
    assert waited.value.code == 0


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.usefixtures("engine", "forked_workers")
def test_a_study_through_the_queue(cli: Cli, tried: Home) -> None:
    assert cli("study", "run", "tried").code == 0
    # A second call while all of it waits adds nothing.
    assert "0 jobs added" in cli("study", "run", "tried").err
    jobs = jobs_of(cli)
    wanted = Counter({"train": 4, "evaluate": 4})
    assert Counter(job["kind"] for job in jobs) == wanted

    kill_the_engine(cli)
    wait_for(cli, jobs)
    assert Counter(job["kind"] for job in jobs_of(cli) if job["state"] == "done") == wanted

    again = cli("study", "run", "tried")
    assert "8 of 8 jobs are done" in again.err
    report = cli("study", "report", "tried", "--json").json
    assert report["missing"] == []
    assert all(len(v["sliced wasserstein"]) == 2 for v in report["variants"].values())


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.usefixtures("engine", "forked_workers")
def test_branches_are_queued_before_their_base_is_trained(
    cli: Cli, tried: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One `study run`, with the engine and each branch's worker killed on the way; nothing is done twice."""
    from engine.runs.record import load_run

    (tried.studies / "rates.toml").write_text(BRANCH_STUDY)
    monkeypatch.setenv("DDPM_FAILPOINTS", "branch.made=kill")
    assert cli("study", "run", "rates").code == 0
    assert "0 jobs added" in cli("study", "run", "rates").err
    jobs = jobs_of(cli)
    assert Counter(job["kind"] for job in jobs) == {"train": 3, "evaluate": 2}
    kill_the_engine(cli)
    part = cli("study", "report", "rates")
    assert part.code == 1 or "missing: fast" in part.err
    wait_for(cli, jobs)
    assert {job["state"] for job in jobs_of(cli)} == {"done"}
    assert [job["attempt"] for job in jobs_of(cli) if job["args"].get("branch")] == [2, 2]
    for name, rate in (("fast", 1e-3), ("slow", 1e-5)):
        record = load_run(tried, f"rates.{name}.s0")
        assert record.lineage is not None
        assert (record.lineage.parent, record.lineage.epoch) == ("rates.base.s0", 1)
        assert record.profile.optim.lr == rate
    assert "5 of 5 jobs are done" in cli("study", "run", "rates").err
    assert cli("study", "report", "rates", "--json").json["missing"] == []
