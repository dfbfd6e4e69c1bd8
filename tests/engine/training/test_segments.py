"""Training past the end of a plan, and branches whose epochs have another number of steps."""

import io
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.data.catalog import add_source
from engine.jobs.context import Work
from engine.jobs.files import read_spec
from engine.runs.branch import branch_run
from engine.runs.checkpoints import list_checkpoints, resolve
from engine.runs.record import load_run
from engine.runs.timeline import Origin, Timeline
from engine.training.loop import Trainer
from engine.training.session import open_session
from tests.tiny import bits, job, make_run, metrics_without_clocks, work

pytestmark = pytest.mark.slow

STEPS = 7
"""An epoch's, of the tiny profile."""


def rows(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, run.metrics.read_text().splitlines()) if line["kind"] == kind]


def done(home: Home, run: RunFolder, to_epoch: int) -> str:
    """Train in this process, which is quicker than a worker; what was said."""
    folder, said = job(home, run, to_epoch), io.StringIO()
    one = Work(home, folder, read_spec(folder), said)
    assert Trainer(one, open_session(one, run)).train(to_epoch).stopped is None
    return said.getvalue()


def broken_off(home: Home, run: RunFolder, to_epoch: int, failpoints: str, code: int) -> None:
    ended = work(job(home, run, to_epoch), failpoints)
    assert ended.returncode == code, ended.stdout + ended.stderr


def as_an_older_program_left_it(run: RunFolder) -> None:
    """Without what it did not know of."""
    record = json.loads(run.record.read_text())
    for key in ("origin", "segments"):
        record["frozen"].pop(key, None)
    record.pop("digest", None)
    run.record.write_text(json.dumps(record))
    for info in list_checkpoints(run):
        manifest = json.loads(info.folder.manifest.read_text())
        for key in ("epochs", "digest"):
            manifest.pop(key, None)
        info.folder.manifest.write_text(json.dumps(manifest))


def test_a_chunk_past_the_plan_learns_and_is_exact(home: Home) -> None:
    short = {"training": {"epochs": 2}}
    straight, broken = (make_run(home, name, **short) for name in ("straight", "broken"))
    done(home, straight, 2)
    at_the_plans_end = bits(straight)
    said = done(home, straight, 5)
    assert "past the end of its plan (epoch 2) the learning rate begins anew: up to 0.001" in said
    assert bits(straight) != at_the_plans_end

    # Two chunks up to the horizon are one.
    done(home, broken, 1)
    as_an_older_program_left_it(broken)
    done(home, broken, 2)
    assert bits(broken) == at_the_plans_end
    # Asked to stop in the middle of the segment, then killed there.
    as_an_older_program_left_it(broken)
    broken_off(home, broken, 5, "train.step:9=term", 75)
    broken_off(home, broken, 5, "train.step:3=kill", -9)
    broken_off(home, broken, 5, "", 0)
    assert bits(broken) == bits(straight)
    assert metrics_without_clocks(broken) == metrics_without_clocks(straight)
    assert load_run(home, "broken").frozen["segments"] == load_run(home, "straight").frozen["segments"]

    rates = load_run(home, "straight").rates
    assert rates is not None
    timeline = Timeline(Origin(), STEPS, 8)
    for row in rows(straight, "train"):
        assert row["lr"] == rates.rate(row["step"] - 1, timeline) > 0


def test_a_first_target_beyond_the_profile_is_the_plan(home: Home) -> None:
    asked, planned = make_run(home, "asked", training={"epochs": 2}), make_run(home, "planned")
    assert "begins anew" not in done(home, asked, 4)
    done(home, planned, 4)
    assert bits(asked) == bits(planned)


def test_a_branch_of_a_finished_run_uses_its_rate(home: Home) -> None:
    parent = make_run(home, "parent", training={"epochs": 1})
    done(home, parent, 1)
    for name, change, highest in (("same", [], 1e-3), ("slow", ["optim.lr=1e-5"], 1e-5)):
        branch_run(home, *resolve(home, "parent@e1"), change, name)
        done(home, home.run(name), 3)
        rates = [row["lr"] for row in rows(home.run(name), "train") if row["step"] > STEPS]
        assert max(rates) == pytest.approx(highest, rel=0.1)
        assert min(rates) > 0
    branch_run(home, *resolve(home, "parent@e1"), ["optim.schedule=constant", "optim.lr=1e-4"], "even")
    done(home, home.run("even"), 2)
    assert {row["lr"] for row in rows(home.run("even"), "train") if row["step"] > STEPS} == {1e-4}


def test_a_branch_that_changes_nothing_is_its_parent_also_past_the_plan(home: Home) -> None:
    parent = make_run(home, "parent", training={"epochs": 1, "keep_epochs": [1, 2, 3]})
    done(home, parent, 1)
    broken_off(home, parent, 4, "train.step:10=term", 75)  # inside the segment and an epoch
    branch_run(home, *resolve(home, "parent"), [], "twin")
    done(home, parent, 4)
    done(home, home.run("twin"), 4)
    assert bits(home.run("twin")) == bits(parent)
    assert metrics_without_clocks(home.run("twin")) == metrics_without_clocks(parent)


@pytest.mark.parametrize(("batch", "per_epoch"), [(16, 3), (4, 14)])
def test_a_branch_with_another_batch_size_goes_on_from_its_epoch(
    home: Home, batch: int, per_epoch: int
) -> None:
    parent = make_run(home, "parent")
    done(home, parent, 2)
    branch_run(home, *resolve(home, "parent@e2"), [f"training.batch_size={batch}"], "other")
    other = home.run("other")
    broken_off(home, other, 4, "train.step:4=kill", -9)
    assert "epoch 2.00 → 4" in done(home, other, 4)
    newest = list_checkpoints(other)[-1].whole()
    step = 2 * STEPS + 2 * per_epoch
    assert (newest.step, newest.epoch, newest.position) == (step, 4, 0)
    assert newest.images == 2 * STEPS * 8 + 2 * per_epoch * batch
    assert newest.epochs_seen == 4
    steps = rows(other, "train")
    assert all(b["epoch"] > a["epoch"] for a, b in itertools.pairwise(steps))
    own = [row["lr"] for row in steps if row["step"] > 2 * STEPS]
    assert own == sorted(own, reverse=True), "the plan goes on falling, and does not warm up anew"
    assert [row["epoch"] for row in rows(other, "epoch")] == [1, 2, 3, 4]


def test_a_branch_with_other_pictures_goes_on_from_its_epoch(home: Home, many_pictures: Path) -> None:
    parent = make_run(home, "parent")
    broken_off(home, parent, 1, "train.step:5=term", 75)
    add_source(home, many_pictures, "many")
    for name, change in (("fewer", "data.limit=30"), ("others", "data.dataset=many")):
        branch_run(home, *resolve(home, "parent"), [change], name)
        said = done(home, home.run(name), 2)
        assert "epoch 0.71 → 2" in said
        newest = list_checkpoints(home.run(name))[-1].whole()
        assert (newest.epoch, newest.position) == (2, 0)
        assert newest.images == 40 + (newest.step - 5) * 8
        steps = rows(home.run(name), "train")
        assert all(b["epoch"] > a["epoch"] for a, b in itertools.pairwise(steps))
