"""A run whose numbers are no longer finite stops, publishes nothing of it, and draws nothing of it."""

import json
import math

import pytest
import torch

from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.jobs.context import Work
from engine.jobs.files import JobSpec, Result, read_result
from engine.runs.checkpoints import list_checkpoints
from engine.training.divergence import Diverged, look_every
from engine.training.loop import Trainer
from engine.training.session import open_session
from engine.training.state import Sums
from tests.tiny import bits, job, make_run, work

HOT = {"optimizer": "adamw", "lr": 10.0, "clip_norm": 0.0, "schedule": "constant", "warmup_steps": 0}


def steps(run) -> list[int]:  # type: ignore[no-untyped-def]
    return [info.step for info in list_checkpoints(run)]


@pytest.mark.parametrize("log_every", [1, 3, 1000])
def test_the_step_at_which_a_run_stops_does_not_hang_on_its_metrics(home: Home, log_every: int) -> None:
    run = make_run(home, "hot", training={"max_bad_steps": 5, "log_every": log_every})
    assert work(job(home, run, 1)).returncode == 0
    before = bits(run)
    task = job(home, run, 4)
    assert work(task, "train.loss:4=nan").returncode == 1
    result = read_result(task)
    assert isinstance(result, Result)
    assert result.outcome == "diverged"
    assert "5 steps in a row up to step 15" in result.message
    assert "stays at checkpoint 7" in result.message
    assert steps(run) == [7]
    assert bits(run) == before


def test_steps_that_fail_up_to_the_target_are_not_done(home: Home) -> None:
    run = make_run(home, "hot", training={"log_every": 1000})
    assert work(job(home, run, 1)).returncode == 0
    task = job(home, run, 2)
    assert work(task, "train.loss:5=nan").returncode == 1
    result = read_result(task)
    assert result is not None
    assert result.outcome == "diverged"
    assert "3 steps in a row up to step 14" in result.message
    assert steps(run) == [7]


def test_a_stop_while_steps_fail_leaves_the_last_good_checkpoint(home: Home) -> None:
    run = make_run(home, "hot", training={"log_every": 1000})
    assert work(job(home, run, 1)).returncode == 0
    task = job(home, run, 3)
    ended = work(task, "train.loss:5=nan,train.step:6=term")
    assert ended.returncode == 75, ended.stdout
    result = read_result(task)
    assert result is not None
    assert result.checkpoint == 7
    assert steps(run) == [7]
    assert work(task).returncode == 0  # the same steps, this time whole
    assert steps(run)[-1] == 21


def test_weights_that_were_blown_up_by_a_good_step_are_not_published(home: Home) -> None:
    """With these the step that ruins the weights has a finite loss itself."""
    run = make_run(
        home,
        "blown",
        optim=HOT,
        model={"dropout": 0.0},
        training={"log_every": 1000, "epochs": 8, "keep_epochs": []},
    )
    task = job(home, run, 8)
    ended = work(task)
    result = read_result(task)
    assert result is not None
    published = list_checkpoints(run)
    for info in published:
        assert info.whole().train_loss is not None
        assert math.isfinite(info.whole().train_loss or math.nan)
    assert (ended.returncode, result.outcome) == (1, "diverged")
    assert len(list(run.previews.glob("*.png"))) <= len(published)


def test_metrics_of_a_run_that_diverged_are_json(home: Home) -> None:
    run = make_run(home, "hot", training={"max_bad_steps": 5, "log_every": 1})
    assert work(job(home, run, 4), "train.loss:2=nan").returncode == 1

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} in metrics.jsonl")

    for line in run.metrics.read_text().splitlines():
        json.loads(line, parse_constant=refuse)


def test_a_row_that_was_too_long_is_seen_after_it_has_ended() -> None:
    """The device is looked at now and then; what happened between is not forgotten."""
    sums = Sums.zero(torch.device("cpu"), limit=3)
    loss = norm = torch.tensor(1.0)
    for good in (1.0, 0.0, 0.0, 0.0, 1.0, 1.0):
        sums.add(loss, norm, torch.tensor(good))
    assert sums.read()["row"] >= 3
    sums = Sums.zero(torch.device("cpu"), limit=3)
    for good in (0.0, 0.0, 1.0, 0.0, 0.0):
        sums.add(loss, norm, torch.tensor(good))
    assert sums.read()["row"] == 2


def test_a_card_is_waited_for_now_and_then_and_a_cpu_at_each_step() -> None:
    assert look_every("cpu", 20) == 1
    assert look_every("cuda", 20) == 20
    assert look_every("cuda", 1) == 10
    assert look_every("cuda", 5000) == 100


def test_a_step_that_the_loss_scaler_skipped_spoils_no_checkpoint(home: Home) -> None:
    run = make_run(home, "half", training={"precision": "fp16"})
    task = job(home, run, 1)
    session = open_session(Work(home, task, JobSpec(task.id, "train", run.name)), run)
    trainer = Trainer(Work(home, task, JobSpec(task.id, "train", run.name)), session)
    assert session.state.scaler is not None
    trainer._one_step()
    session.state.sums.values[7] = 1.0
    assert not trainer.divergence.spoiled(1.0)
    with torch.no_grad():
        next(session.state.model.parameters()).fill_(math.nan)
    assert trainer.divergence.spoiled(1.0)
    assert trainer.divergence.spoiled(0.0)


def trainer_of(home: Home, run: RunFolder) -> Trainer:
    """As in a worker of its own: from the newest checkpoint."""
    task = job(home, run, 4)
    work = Work(home, task, JobSpec(task.id, "train", run.name))
    return Trainer(work, open_session(work, run))


@pytest.mark.parametrize("part", ["averaged weights", "optimizer's moments"])
def test_a_state_that_is_lost_while_its_loss_is_finite_is_not_published(home: Home, part: str) -> None:
    """The run stays at its last whole checkpoint, and the next session goes on from there to the same bits."""
    quick = {"log_every": 1000, "validation_pictures": 0, "preview_every": 0}
    run, straight = (make_run(home, name, training=quick) for name in ("lost", "straight"))
    trainer_of(home, straight).train(2)
    trainer_of(home, run).train(1)
    trainer = trainer_of(home, run)
    moments = next(iter(trainer.s.state.optimizer.state.values()))
    spoiled = trainer.s.state.ema.values[3] if part == "averaged weights" else moments["exp_avg_sq"]
    spoiled.view(-1)[0] = math.inf
    with pytest.raises(
        Diverged, match=f"the {part} of step 14 are not finite; the run stays at checkpoint 7"
    ):
        trainer.train(2)
    assert steps(run) == [7]
    trainer_of(home, run).train(2)
    assert bits(run) == bits(straight)
