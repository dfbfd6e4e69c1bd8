"""Scores that training takes of itself: with their terms, within their time, and without a trace in the run's bits."""

import io
from pathlib import Path

import pytest
import torch

from engine.data.catalog import add_source
from engine.errors import UserError
from engine.home import Home, RunFolder
from engine.jobs import read_spec
from engine.profiles_store import build_profile
from engine.runs.evaluations import read_evaluations
from engine.training.loop import Trainer
from engine.training.scoring import ChunkScorer, affordable
from engine.training.session import open_session
from engine.work import Work
from tests.tiny import TINY, bits, job, make_run, metrics_without_clocks


@pytest.fixture
def home(tmp_path: Path, many_pictures: Path) -> Home:
    home = Home(tmp_path / "home").create()
    add_source(home, many_pictures, "dots")
    return home


class Clock:
    """Seconds that pass when they are told to, and `tick` at each look."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now, self.tick = 0.0, tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


class Case:
    def __init__(self, home: Home, scores: int = 64, tick: float = 0.0, name: str = "scored") -> None:
        self.run = make_run(home, name, training={**TINY["training"], "scores": scores})
        folder, self.said = job(home, self.run, 4), io.StringIO()
        self.work = Work(home, folder, read_spec(folder), self.said)
        self.session = open_session(self.work, self.run)
        self.clock = Clock(tick)
        self.scorer = ChunkScorer(self.work, self.session, self.clock)

    def score(self, after: float) -> None:
        self.clock.now += after
        self.scorer.score(lambda: None)


def stored(run: RunFolder) -> list[int]:
    return [evaluation.checkpoint for evaluation in read_evaluations(run)]


def test_a_score_is_stored_with_its_terms(home: Home) -> None:
    case = Case(home)
    case.score(after=1000)
    (evaluation,) = read_evaluations(case.run)
    score = evaluation.scores["sliced_wasserstein"]
    assert (evaluation.weights, evaluation.checkpoint, score.n, score.seed) == ("ema", 0, 64, 0)
    assert (score.sampler, score.steps, score.reference.part) == ("dpmpp", 3, "held_out")
    assert score.line() in case.said.getvalue()
    case.score(after=1000)
    assert stored(case.run) == [0], "a step has one score of its own"


def test_none_where_none_is_wanted(home: Home) -> None:
    case = Case(home, scores=0)
    case.score(after=1e6)
    assert stored(case.run) == []
    data = {**TINY, "training": {**TINY["training"], "scores": 1}}
    with pytest.raises(UserError, match="at least 2 samples"):
        build_profile(data, "tiny")


def test_no_more_than_a_twentieth_of_the_time(home: Home) -> None:
    case = Case(home, tick=1.0)  # a call of the network takes 1 s, so 64 samples of 3 steps take 3
    case.score(after=60)  # 3 s, most of them for drawing
    assert stored(case.run) == []
    assert "64 samples take 3 s, and 5% of the job's time is" in case.said.getvalue()
    case.score(after=200)
    assert stored(case.run) == [0]
    case.session.state.step += 1
    case.score(after=0)
    assert stored(case.run) == [0], "the time is used up"


def test_fewer_samples_where_time_is_short() -> None:
    assert [affordable(256, most) for most in (1e9, 256, 255, 128, 100, 63)] == [256, 256, 128, 128, 64, 0]
    assert affordable(40, 39) == 0
    assert affordable(40, 40) == 40
    assert affordable(256, 1e9, fewest=True) == 64


def test_stopping_ends_it_and_puts_the_trained_weights_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(home)
    state = case.session.state
    for value in state.ema.values:
        value.zero_()
    before = [p.detach().clone() for p in state.model.parameters()]
    calls = []

    def stop(module: torch.nn.Module, *given: object) -> None:
        calls.append(1)
        if len(calls) == 4:  # two of the probe, then drawing
            case.work.stop("SIGTERM")

    handle = state.model.register_forward_pre_hook(stop)
    case.score(after=1000)
    handle.remove()
    assert len(calls) == 4
    assert stored(case.run) == []
    assert "left out: stopping" in case.said.getvalue()
    assert all(torch.equal(a, b) for a, b in zip(before, state.model.parameters(), strict=True))
    assert state.model.training


@pytest.mark.slow
def test_the_run_is_the_same_with_and_without(home: Home) -> None:
    cases = [Case(home, scores, name=f"with{scores}") for scores in (0, 64)]
    for case in cases:
        case.clock.now = 1000.0
        trainer = Trainer(case.work, case.session)
        trainer.scorer = case.scorer
        trainer.train(4)
    plain, scored = (case.run for case in cases)
    per_epoch = cases[0].session.feeder.steps_per_epoch
    assert stored(plain) == []
    assert stored(scored) == [2 * per_epoch, 4 * per_epoch], "at each chunk's end"
    assert bits(plain) == bits(scored)
    assert metrics_without_clocks(plain) == metrics_without_clocks(scored)
