import itertools
from typing import get_args

import pytest

from engine.jobs.files import Outcome, Result
from engine.service.job_states import STATES
from engine.service.states import Intent, Job, State
from engine.service.verdict import after_interruption, judge

RUNNING = Job("000001", "train", "r", state=State.RUNNING, attempt=1)


def job(intent: Intent | None = None, **changes: object) -> Job:
    return Job(**{**RUNNING.__dict__, "intent": intent, **changes})


@pytest.mark.parametrize(
    ("outcome", "intent", "state"),
    [
        ("done", None, State.DONE),
        ("done", Intent.PAUSE, State.DONE),
        ("done", Intent.CANCEL, State.DONE),
        ("stopped", None, State.INTERRUPTED),
        ("stopped", Intent.PAUSE, State.PAUSED),
        ("stopped", Intent.CANCEL, State.CANCELLED),
        ("stopped", Intent.MAKE_ROOM, State.QUEUED),
        ("stopped", Intent.STOP, State.QUEUED),
        ("failed", None, State.FAILED),
        ("failed", Intent.PAUSE, State.FAILED),
        ("failed", Intent.CANCEL, State.CANCELLED),
        ("diverged", None, State.FAILED),
        ("disk_full", None, State.PAUSED),
        ("disk_full", Intent.CANCEL, State.CANCELLED),
        ("busy", None, State.QUEUED),
        ("something new", None, State.FAILED),
        ("short", None, State.INTERRUPTED),
        ("short", Intent.CANCEL, State.CANCELLED),
    ],
)
def test_what_a_worker_said(outcome: str, intent: Intent | None, state: State) -> None:
    verdict = judge(job(intent), Result(outcome, 1), 1, False)
    assert verdict.state is state
    # A shortage that lasts must not have its job started for ever.
    assert verdict.crashed == ((outcome, intent) == ("short", None))


@pytest.mark.parametrize(
    ("code", "intent", "kind", "state"),
    [
        (73, None, "train", State.PAUSED),
        (73, Intent.MAKE_ROOM, "train", State.PAUSED),
        (73, Intent.CANCEL, "train", State.CANCELLED),
        (75, None, "train", State.INTERRUPTED),
        (75, Intent.PAUSE, "train", State.PAUSED),
        (0, None, "sample", State.DONE),
    ],
)
def test_without_a_word_the_exit_code_counts(
    code: int, intent: Intent | None, kind: str, state: State
) -> None:
    """A disk so full that not even the result could be written."""
    verdict = judge(job(intent, kind=kind), None, code, False)
    assert verdict.state is state
    assert not verdict.crashed


def test_a_training_is_done_where_its_checkpoint_says_so() -> None:
    assert judge(job(), None, 0, False).crashed


@pytest.mark.parametrize(
    ("intent", "state", "crashed"),
    [
        (None, State.INTERRUPTED, True),
        (Intent.PAUSE, State.PAUSED, False),
        (Intent.CANCEL, State.CANCELLED, False),
        (Intent.KILL, State.CANCELLED, False),
        (Intent.MAKE_ROOM, State.QUEUED, False),
    ],
)
def test_a_worker_that_said_nothing(intent: Intent | None, state: State, crashed: bool) -> None:
    verdict = judge(job(intent), None, -9, False)
    assert (verdict.state, verdict.crashed) == (state, crashed)


def test_a_reached_target_counts_without_a_word() -> None:
    assert judge(job(), None, -9, True).state is State.DONE


def test_the_engines_own_death_is_not_the_jobs_crash() -> None:
    assert not judge(job(state=State.STARTING), None, None, False).crashed


def test_every_verdict_is_a_transition_that_exists() -> None:
    results = [None, *(Result(o, 1) for o in get_args(Outcome))]
    for state, intent, result, reached in itertools.product(
        (State.STARTING, State.RUNNING), (None, *Intent), results, (True, False)
    ):
        assert judge(job(intent, state=state), result, None, reached).state in STATES[state].to


def test_the_way_it_died_is_in_words() -> None:
    assert "SIGSEGV" in judge(job(), None, -11, False).reason
    assert "exit code 3" in judge(job(), None, 3, False).reason


def test_three_crashes_hold_and_show_the_log() -> None:
    interrupted = job(state=State.INTERRUPTED, crashes=3)
    state, reason, hint = after_interruption(interrupted, "requeue", 3, "CUDA error: unspecified")
    assert state is State.HELD
    assert "3 times" in reason
    assert "CUDA error" in reason
    assert "queue logs 1" in hint
    assert after_interruption(job(crashes=2), "requeue", 3, "")[0] is State.QUEUED
    assert after_interruption(job(crashes=1), "hold", 3, "")[0] is State.HELD
