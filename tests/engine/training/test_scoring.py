"""Scores that training takes of itself: with their terms, within their time, and without a trace in the run's bits."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.base.errors import UserError
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.config.store import build_profile
from engine.data.catalog import add_source
from engine.jobs.context import Work
from engine.jobs.files import read_spec
from engine.runs.evaluations import read_evaluations
from engine.training.loop import Trainer
from engine.training.scoring import ChunkScorer, affordable
from engine.training.session import open_session
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
        self.scorer = ChunkScorer(self.work, self.session, clock=self.clock)

    def score(self, after: float) -> None:
        self.clock.now += after
        self.scorer.score(lambda: None)


def stored(run: RunFolder) -> list[int]:
    return [evaluation.checkpoint for evaluation in read_evaluations(run)]


def calls_of(case: Case, at: int = 0, then: Callable[[], object] = lambda: None) -> list[int]:
    """Grows with each call of the network; `then` is done at the `at`-th."""
    calls: list[int] = []

    def called(module: torch.nn.Module, *given: object) -> None:
        calls.append(1)
        if len(calls) == at:
            then()

    case.session.state.model.register_forward_pre_hook(called)
    return calls


PROBE = 2
"""Calls of the network before anything is drawn."""


def test_a_score_is_stored_with_its_terms(home: Home) -> None:
    case = Case(home)
    case.score(after=1000)
    (evaluation,) = read_evaluations(case.run)
    score = evaluation.scores["sliced_wasserstein"]
    assert (evaluation.weights, evaluation.checkpoint, score.n, score.seed) == ("ema", 0, 64, 0)
    assert (score.sampler, score.steps, score.reference.part) == ("dpmpp", 3, "held_out")
    assert score.line() in case.said.getvalue()

    calls = calls_of(case)
    case.score(after=1000)
    assert not calls, "a step that has its score is not scored again"
    evaluation.path.unlink()
    case.score(after=1000)
    assert read_evaluations(case.run)[0].scores["sliced_wasserstein"].value == score.value


def test_nothing_is_drawn_where_nothing_can_be_compared(tmp_path: Path, pictures: Path) -> None:
    home = Home(tmp_path / "home").create()
    folder = Path(shutil.copytree(pictures, tmp_path / "dots"))
    (folder / "list_eval_partition.txt").write_text("000.png 1\n001.png 0\n")  # one is held out
    add_source(home, folder, "dots")
    case = Case(home)
    calls = calls_of(case)
    case.score(after=1000)
    assert not calls
    assert "scoring needs 2" in case.said.getvalue()


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
    said = "drawing 64 samples takes 3.0 s, but only 2.4 s of the 5% for scores are left"
    assert said in case.said.getvalue()
    case.score(after=2000)
    assert stored(case.run) == [0]


def test_given_up_where_it_takes_longer_than_it_seemed(home: Home) -> None:
    case = Case(home)

    def slower() -> None:
        case.clock.tick = 1000.0

    calls = calls_of(case, PROBE + 1, slower)
    case.score(after=100)
    assert stored(case.run) == []
    assert "it takes longer than 5% of the job's time" in case.said.getvalue()
    drawn = len(calls)
    case.clock.tick = 0.0
    case.score(after=100)
    assert len(calls) == drawn, "what one chunk took too much, the next ones have less"


def test_fewer_samples_where_time_is_short() -> None:
    assert [affordable(256, most) for most in (1e9, 256, 255, 128, 100, 63)] == [256, 256, 128, 128, 64, 0]
    assert affordable(40, 39) == 0
    assert affordable(40, 40) == 40
    assert affordable(256, 1e9, fewest=True) == 64


def test_stopping_ends_it_and_puts_the_trained_weights_back(home: Home) -> None:
    case = Case(home)
    state = case.session.state
    for value in state.ema.values:
        value.zero_()
    before = [p.detach().clone() for p in state.model.parameters()]
    calls = calls_of(case, PROBE + 2, lambda: case.work.stop("SIGTERM"))
    case.score(after=1000)
    assert len(calls) == PROBE + 2
    assert stored(case.run) == []
    assert "stopping" in case.said.getvalue()
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
