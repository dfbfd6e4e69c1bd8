"""The learning rate by its formulas: the plan, what is added after its end, what is said of it."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from engine.base.errors import DamagedError
from engine.base.home import Home
from engine.config.profile import Profile
from engine.config.sections import IDLE_RATE, LrStep, OptimSection, TrainingSection
from engine.runs.rate_plan import RatePlan, Segment
from engine.runs.record import freeze, load_run, read_record
from engine.runs.timeline import Origin, Timeline
from tests.tiny import make_run

TEN = Timeline(Origin(), 10, 8)


def plan(optim: OptimSection, horizon: int, planned: int | None = None) -> RatePlan:
    return RatePlan(optim, horizon, planned or horizon)


def profile(epochs: int = 2, **optim: object) -> Profile:
    return Profile(
        optim=OptimSection(lr=1.0, warmup_steps=10, **optim), training=TrainingSection(epochs=epochs)
    )  # type: ignore[arg-type]


def test_warm_up_is_linear_and_cosine_ends_at_the_horizon() -> None:
    optim = OptimSection(lr=1.0, warmup_steps=10, schedule="cosine", final_lr=0.1)
    rates = [plan(optim, 11).rate(step, TEN) for step in range(200)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[60] == pytest.approx(0.55)  # half of the way down
    assert rates[110:] == pytest.approx([0.1] * 90)


def test_step_schedule_changes_at_the_start_of_its_epoch() -> None:
    steps = (LrStep(epoch=3, lr=0.1), LrStep(epoch=5, lr=0.01))
    optim = OptimSection(lr=1.0, warmup_steps=0, schedule="step", lr_steps=steps)
    rates = [plan(optim, 10).rate(epoch * 10, TEN) for epoch in range(6)]
    assert rates == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]


def test_a_target_past_the_plan_adds_a_segment_that_learns() -> None:
    grown = RatePlan.new(profile(), 2).reaching(6, 2.0)
    assert grown.segments == (Segment(2, 4, 1.0, 0.0),)
    rates = [grown.rate(step, TEN) for step in range(60)]
    assert rates[:20] == [RatePlan.new(profile(), 2).rate(step, TEN) for step in range(20)]
    # A tenth of its 40 steps is the warm-up, then half a cosine down to its end.
    assert rates[20:25] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert rates[24 + 18] == pytest.approx(0.5)
    assert 0 < rates[59] < 0.01
    assert grown.rate(60, TEN) == 0


def test_a_first_target_beyond_the_profile_is_the_plan() -> None:
    assert RatePlan.new(profile(), 6) == plan(profile().optim, 6)
    assert RatePlan.new(profile(), 1).horizon == 2
    assert RatePlan.new(profile(horizon_epochs=3), 6).reaching(6, 0).segments == (Segment(3, 3, 1.0, 0.0),)


def test_a_segment_is_for_good_from_its_first_step_on() -> None:
    grown = RatePlan.new(profile(), 2).reaching(4, 1.3)
    assert grown.reaching(4, 2.0) == grown
    assert grown.reaching(6, 2.0).segments == (Segment(2, 4, 1.0, 0.0),)
    assert grown.reaching(6, 2.1).segments == (*grown.segments, Segment(4, 2, 1.0, 0.0))
    assert grown.reaching(3, 2.1) == grown
    assert grown.reaching(2, 1.3).segments == ()


def test_a_run_that_went_past_its_plan_begins_a_segment_where_it_stands() -> None:
    assert RatePlan.new(profile(), 2).reaching(5, 3.5).segments == (Segment(3.5, 1.5, 1.0, 0.0),)


@pytest.mark.parametrize(
    "optim", [{"schedule": "constant"}, {"schedule": "step", "lr_steps": (LrStep(epoch=2, lr=0.1),)}]
)
def test_schedules_without_an_end_get_no_segment(optim: dict[str, object]) -> None:
    grown = RatePlan.new(profile(**optim), 2).reaching(50, 9.0)
    assert grown.segments == ()
    assert grown.rate(499, TEN) == (1.0 if optim["schedule"] == "constant" else 0.1)
    assert grown.says(9.0, 50) == []


@pytest.mark.parametrize("per_epoch", [3, 15, 122, 976])
def test_a_branch_with_other_batches_goes_on_with_the_rate_and_not_with_the_warm_up(per_epoch: int) -> None:
    """Also one whose whole plan has fewer steps than its parent's warm-up had."""
    eight = plan(OptimSection(lr=1.0, warmup_steps=60), 8)
    parent = Timeline(Origin(), 122, 32)
    branch = Timeline(Origin(244, 2.0, 244 * 32), per_epoch, 32)
    rates = [eight.rate(step, branch) for step in range(244, branch.end_of(8))]
    assert rates[0] == pytest.approx(eight.rate(244, parent))
    assert rates == sorted(rates, reverse=True)
    half = eight.rate(parent.end_of(5), parent)
    assert rates[3 * per_epoch] == pytest.approx(half)
    if per_epoch == 122:
        assert rates == [eight.rate(step, parent) for step in range(244, 8 * 122)]


def test_rates_of_branches() -> None:
    begun = RatePlan.new(profile(), 2).reaching(6, 2.0)
    assert begun.of_branch(profile()) == begun
    slower = Profile(optim=OptimSection(lr=0.2, warmup_steps=10), training=TrainingSection(epochs=2))
    assert begun.of_branch(slower).segments == (Segment(2, 4, 0.2, 0.0),)
    assert begun.of_branch(profile(schedule="constant")).segments == ()


def test_what_is_said() -> None:
    grown = RatePlan.new(profile(final_lr=0.1), 2).reaching(6, 1.0)
    (said,) = grown.says(1.0, 6)
    assert said == (
        "past the end of its plan (epoch 2) the learning rate begins anew: up to 1, down to 0.1 at epoch 6"
    )
    assert grown.says(2.5, 6) == []
    assert RatePlan.new(profile(), 2).says(0.0, 2) == []


def test_steps_that_change_no_weight_are_warned_of() -> None:
    tail = RatePlan.new(profile(epochs=8, horizon_epochs=5), 8)
    assert tail.idle(0, 8) == [(5, 8, 0)]
    assert tail.idle(6.5, 7) == [(6.5, 7, 0)]
    assert tail.idle(0, 5) == []
    assert "warning: from epoch 5 to 8 the learning rate is 0 and no weight changes" in tail.says(0, 8)[0]
    assert tail.reaching(12, 0).idle(0, 12) == [(5, 8, 0)]
    assert RatePlan.new(profile(epochs=8, horizon_epochs=5, final_lr=0.1), 8).idle(0, 8) == []
    steps = range(100)
    zero = {TEN.epoch(s) for s in steps if tail.reaching(10, 0).rate(s, TEN) == 0}
    assert zero == {5, 6, 7}


def low(**optim: object) -> RatePlan:
    whole = OptimSection(**{"lr": 1e-3, **optim})  # type: ignore[arg-type]
    return RatePlan.of(Profile(optim=whole, training=TrainingSection(epochs=8)), whole.horizon_epochs or 8)


@pytest.mark.parametrize(
    ("rates", "idle", "words"),
    [
        (low(horizon_epochs=5, final_lr=1e-12), [(5, 8, 1e-12)], "optim.final_lr is 1e-12"),
        (low(lr=1e-12), [(0, 8, 1e-12)], "optim.lr is set so low"),
        (low(schedule="constant", lr=1e-9), [(0, 8, 1e-9)], "optim.lr is set so low"),
        (
            low(schedule="step", lr_steps=tuple(LrStep(epoch=e, lr=r) for e, r in ((3, 1e-12), (5, 1e-4), (7, 1e-11)))),
            [(2, 4, 1e-12), (6, 8, 1e-11)],
            "optim.lr_steps sets it so",
        ),
        (low(schedule="constant", lr=1e-6), [], ""),
        (low(final_lr=1e-12), [], ""),
    ],
)  # fmt: skip
def test_rates_that_are_practically_nothing_are_warned_of(
    rates: RatePlan, idle: list[tuple[float, float, float]], words: str
) -> None:
    assert rates.idle(0, 8) == idle
    said = rates.says(0, 8)
    assert len(said) == len(idle)
    assert all(line.startswith("warning: from epoch") and words in line for line in said)
    # A weight of 0.25 is the same after such a step, and another one after a step that is not warned of.
    for _, _, rate in idle:
        assert np.float32(0.25) - np.float32(rate) == np.float32(0.25)
    assert np.float32(0.25) - np.float32(IDLE_RATE) != np.float32(0.25)


def test_a_segment_with_a_rate_of_practically_nothing_is_warned_of() -> None:
    grown = replace(RatePlan.new(profile(), 2), segments=(Segment(2, 4, 1e-11, 0.0),))
    assert grown.idle(0, 6) == [(2, 6, 1e-11)]


def test_the_plan_of_a_run(home: Home) -> None:
    run = make_run(home, "r", training={"epochs": 2})
    assert load_run(home, "r").rates is None
    assert load_run(home, "r").rates_to(6, 0).horizon == 6
    # A run of an older program has a horizon and nothing else.
    freeze(run, horizon_epochs=2)
    grown = load_run(home, "r").rates_to(6, 2.0)
    freeze(run, segments=[s.to_json() for s in grown.segments])
    assert load_run(home, "r").rates == grown
    assert math.isclose(grown.segments[0].peak, 1e-3)


@pytest.mark.parametrize(
    "frozen",
    [
        {"horizon_epochs": "4"}, {"horizon_epochs": 4, "segments": 3}, {"horizon_epochs": 0},
        {"horizon_epochs": 4, "segments": [{"start": 4}]}, {"origin": {"step": 3}},
        {"horizon_epochs": 4, "segments": [{"start": 4, "epochs": 0, "peak": 1, "final": 0}]},
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_read_is_damage(home: Home, frozen: dict[str, object]) -> None:
    run = make_run(home, "r")
    record = json.loads(run.record.read_text())
    record.pop("digest", None)  # as one of an older version, which nothing protects
    run.record.write_text(json.dumps({**record, "frozen": frozen}))
    with pytest.raises(DamagedError):
        read_record(run)
