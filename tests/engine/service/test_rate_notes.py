"""Notes on the learning rate, as planning a training gives them."""

from pathlib import Path

import pytest

from engine.base.home import Home
from engine.runs.record import freeze

from .planned import home_with_profile, made, plan, train
from .support import checkpoint


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_with_profile(tmp_path / "home")


def test_a_chunk_past_the_plan_is_said(home: Home) -> None:
    made(home)
    freeze(home.run("small-1"), horizon_epochs=8, steps_per_epoch=4)
    checkpoint(home.run("small-1"), step=32, per_epoch=4)
    planned = plan(home, "small-1", chunks=2)
    assert planned.says == (
        "small-1: epochs 8 → 12 (2 chunks of 2)",
        "past the end of its plan (epoch 8) the learning rate begins anew: up to 0.001, down to 0 at epoch 12",
    )
    # Behind a job that goes past it too, the rate begins anew where that one ends.
    assert "(epoch 12)" in plan(home, "small-1", train(1, 12), chunks=1).says[-1]
    assert planned.args == {"to_epoch": 12, "from_epoch": 8.0}


def test_a_new_runs_first_target_beyond_the_profile_is_said(home: Home) -> None:
    assert plan(home, "small", chunks=4).says == (
        "small-1: a new run from profile small, epochs 0 → 8 (4 chunks of 2)",
    )
    said = plan(home, "small", to_epoch=12).says[1]
    assert said == "the learning rate is planned for 12 epochs, instead of the profile's 8; this is final"
    assert len(plan(home, "small", to_epoch=12, overrides=("optim.schedule=constant",)).says) == 1


def test_epochs_in_which_no_weight_changes_are_warned_of(home: Home) -> None:
    short = ("optim.horizon_epochs=3",)
    assert (
        "warning: from epoch 3 to 8 the learning rate is 0"
        in plan(home, "small", chunks=4, overrides=short).says[1]
    )
    assert len(plan(home, "small", chunks=1, overrides=short).says) == 1
    run = made(home, overrides=short)
    freeze(home.run(run), horizon_epochs=3)
    checkpoint(home.run(run), step=20, per_epoch=4)
    assert "warning: from epoch 5 to 7 the learning rate is 0" in plan(home, run, chunks=1).says[1]


def test_the_rate_of_a_branch_that_is_still_to_be_made_is_said(home: Home) -> None:
    """As `train --dry-run` says it once the branch is there."""
    base = made(home)

    def said(checkpoint: str, to_epoch: int, *changes: str) -> tuple[str, ...]:
        branch = {"checkpoint": f"{base}@{checkpoint}", "set": list(changes)}
        return plan(home, "later", train(1, 8), train(2, 12), to_epoch=to_epoch, branch=branch).says[1:]

    assert said("e8", 10, "optim.lr=1e-4") == (
        "past the end of its plan (epoch 8) the learning rate begins anew: up to 0.0001, down to 0 at epoch 10",
    )
    assert said("e4", 8) == ()
    # Of the segment that the second job adds, two epochs are left to the branch, at its own rate.
    assert said("e10", 12, "optim.lr=1e-4") == ()
    assert "(epoch 12)" in said("latest", 14)[0]
    assert said("best", 14) == ()
    (warned,) = said("e4", 8, "optim.schedule=constant", "optim.lr=1e-12")
    assert warned.startswith("warning: from epoch 4 to 8 the learning rate is 1e-12 and no weight changes")
    # Of one that is there already.
    freeze(home.run(base), horizon_epochs=8, steps_per_epoch=4)
    checkpoint(home.run(base), step=32, per_epoch=4)
    branch = {"checkpoint": f"{base}@e8", "set": []}
    assert "(epoch 8)" in plan(home, "later", to_epoch=10, branch=branch).says[1]
