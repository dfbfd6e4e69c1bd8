"""`on_end`: told once of each end that is nobody's doing, whatever the command does to itself."""

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.service.notices import MOST_WAITING, Notices, facts, is_told
from engine.service.states import Job, State

from .support import Service, add, change, close_gate, make_home, make_run, open_gate, train, wait_for

TELL = (
    'printf "%s|%s|%s|%s|%s\\n" "$DDPM_JOB" "$DDPM_KIND" "$DDPM_RUN" "$DDPM_OUTCOME" "$DDPM_MESSAGE" >> told'
)


def told(home: Home) -> list[list[str]]:
    path = home.root / "told"
    return [line.split("|") for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def telling(tmp_path: Path, services: Callable[..., Service]) -> Service:
    home = make_home(tmp_path / "home", on_end=TELL, crash_limit=1)
    make_run(home)
    return services(home)


def test_each_end_is_told_once_and_what_its_user_ended_is_not(telling: Service) -> None:
    home = telling.home
    telling.until(train(telling, 2))
    crashed = add(telling, exit=3)
    telling.until(crashed, "held")
    close_gate(home, "g")
    cancelled = add(telling, gate="g")
    telling.until(cancelled, "running")
    change(telling, "cancel", cancelled)
    telling.until(cancelled, "cancelled")
    open_gate(home, "g")
    last = add(telling)
    telling.until(last)
    wait_for(lambda: len(told(home)) >= 3)
    assert [(job, kind, run, outcome) for job, kind, run, outcome, _ in told(home)] == [
        ("1", "train", "r", "done"),
        ("2", "sample", "", "held"),
        ("4", "sample", "", "done"),
    ]
    assert "crashed 1 time in a row: it breaks here" in told(home)[1][4]


def test_an_end_that_no_engine_saw_is_told_by_the_next_one(telling: Service) -> None:
    close_gate(telling.home, "g")
    job = add(telling, gate="g")
    telling.until(job, "running")
    telling.kill()
    open_gate(telling.home, "g")
    wait_for(lambda: not telling.worker_pids())
    telling.until(job, "done")
    wait_for(lambda: told(telling.home))
    telling.kill()
    telling.until(add(telling), "done")
    wait_for(lambda: len(told(telling.home)) >= 2)
    assert [row[0] for row in told(telling.home)] == ["1", "2"]


def test_a_worker_that_cannot_be_started_is_told(tmp_path: Path, services: Callable[..., Service]) -> None:
    service = services(make_home(tmp_path / "home", on_end=TELL), command=["/nowhere/python"])
    job = service.until(add(service))
    assert job["state"] == "failed"
    wait_for(lambda: told(service.home))
    assert [row[3:] for row in told(service.home)] == [["failed", job["reason"]]]


def test_a_command_that_is_set_meanwhile_counts_and_its_failure_is_in_the_log(service: Service) -> None:
    close_gate(service.home, "g")
    job = add(service, gate="g")
    service.until(job, "running")
    service.home.settings.write_text("[queue]\non_end = 'echo so; echo far >&2; exit 7'\n")
    open_gate(service.home, "g")
    service.until(job, "done")
    wait_for(lambda: "exit code 7" in service.log())
    lines = [line.split(" ", 2)[2] for line in service.log().splitlines() if "on_end" in line]
    assert lines == [
        "INFO job 000001: on_end: so",
        "INFO job 000001: on_end: far",
        "WARNING job 000001: on_end ended with exit code 7",
    ]


def test_an_engine_does_not_wait_for_a_command(tmp_path: Path, services: Callable[..., Service]) -> None:
    home = make_home(tmp_path / "home", on_end="echo $$ > told; exec sleep 600")
    service = services(home)
    service.until(add(service), "done")
    service.until(add(service), "done")
    pid = int(wait_for(lambda: told(home))[0][0])
    try:
        service.command_line("engine", "stop", timeout=30)
        assert Path(f"/proc/{pid}").exists(), "it was waited for, or killed early"
    finally:
        os.kill(pid, signal.SIGKILL)


JOB = Job("000012", "train", "r", state=State.DONE, args={"to_epoch": 5}, reason="a\0b" + "x" * 9000)


def test_facts(home: Home) -> None:
    found = facts(home, JOB)
    assert found["DDPM_TITLE"] == "train r to epoch 5"
    assert found["DDPM_MESSAGE"].startswith("a bx")
    assert len(found["DDPM_MESSAGE"]) == 2000


@pytest.mark.parametrize(
    ("state", "outcome", "said"),
    [
        (State.DONE, "done", True),
        (State.FAILED, "failed", True),
        (State.HELD, None, True),
        (State.PAUSED, "disk_full", True),
        (State.PAUSED, "stopped", False),
        (State.PAUSED, None, False),
        (State.CANCELLED, "stopped", False),
        (State.QUEUED, "busy", False),
    ],
)
def test_what_is_told(state: State, outcome: str | None, said: bool) -> None:
    job = Job("000001", "train", state=state, result=outcome and {"outcome": outcome})  # type: ignore[arg-type]
    assert is_told(job) is said


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


@pytest.mark.parametrize("command", ["sleep 600", "yes", "sleep 600 & exec >&- 2>&-; sleep 600"])
def test_a_command_that_does_not_end_is_killed(
    home: Home, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    caplog.set_level(logging.INFO)
    notices = Notices(home, limit_s=0.3)
    notices.tell(JOB, command)
    notices.tell(JOB, "echo next")
    wait_for(lambda: any("next" in line for line in lines(caplog)))
    assert lines(caplog)[-2:] == [
        "job 000012: on_end took more than 0.3 s and was killed",
        "job 000012: on_end: next",
    ]
    assert len(lines(caplog)) == (22 if command == "yes" else 2)


def test_what_a_killed_command_started_is_killed_with_it(
    home: Home, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    Notices(home, limit_s=0.3).tell(JOB, f"(sleep 2; touch {tmp_path}/late) & wait")
    wait_for(lambda: "was killed" in "".join(lines(caplog)))
    time.sleep(2.2)
    assert not (tmp_path / "late").exists()


def test_what_a_command_leaves_behind_is_not_waited_for(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    notices = Notices(home, limit_s=3600.0)
    notices.tell(JOB, "sleep 30 & echo left")
    wait_for(lambda: lines(caplog) == ["job 000012: on_end: left"], timeout=25)


def test_too_many_are_left_out_and_a_thread_that_cannot_start_is_said(
    home: Home, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", full)
    notices = Notices(home)
    for _ in range(MOST_WAITING + 1):
        notices.tell(JOB, "true")
    assert "on_end cannot be started (can't start new thread)" in lines(caplog)[0]
    assert lines(caplog)[-1] == f"job 000012: on_end is skipped, because {MOST_WAITING} notices are waiting"
