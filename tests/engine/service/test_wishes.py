"""What several jobs are told at once, and what a job is told while it does what it was told before."""

import os
import signal

import pytest

from engine.base.home import Home

from .support import Service, add, change, checkpoint, close_gate, metrics, open_gate, train, wait_for


def test_resume_while_pausing_is_remembered(service: Service, home: Home) -> None:
    close_gate(home, "7")
    job = train(service, 10)
    wait_for(lambda: len(metrics(home)) == 6)
    worker = service.job(job)["pid"]
    os.kill(worker, signal.SIGSTOP)  # it pauses for as long as we want
    change(service, "pause", job)
    resumed = change(service, "resume", job)
    assert (resumed["state"], resumed["intent"]) == ("running", "resume")
    os.kill(worker, signal.SIGCONT)
    wait_for(lambda: "paused" not in service.job(job)["state"] and service.job(job)["attempt"] == 2)
    open_gate(home, "7")
    ended = service.until(job)
    assert ended["state"] == "done"
    assert "resumed while it was pausing" in [event["reason"] for event in ended["history"]]
    assert len(metrics(home)) == len(set(metrics(home))) == 40


def test_the_last_wish_counts(service: Service, home: Home) -> None:
    close_gate(home, "7")
    job = train(service, 10)
    wait_for(lambda: len(metrics(home)) == 6)
    worker = service.job(job)["pid"]
    os.kill(worker, signal.SIGSTOP)
    for wish in ("pause", "resume", "pause"):
        change(service, wish, job)
    os.kill(worker, signal.SIGCONT)
    assert service.until(job, "paused")["state"] == "paused"


@pytest.mark.parametrize("do", ["cancel", "pause", "hold", "move"])
def test_an_unknown_id_keeps_no_other_from_it(service: Service, do: str) -> None:
    service.request("hold_queue", on=True)
    first, second = add(service), add(service)
    extra = {"where": "first"} if do == "move" else {}
    answers = service.request(do, ids=[first, "999", second], **extra)
    assert sorted(answer["error"] is None for answer in answers) == [False, True, True]
    (unknown,) = [answer for answer in answers if answer["error"]]
    assert unknown["job"] is None
    assert "999" in unknown["error"]
    states = {"cancel": "cancelled", "pause": "paused", "hold": "held", "move": "queued"}
    assert [service.job(job)["state"] for job in (first, second)] == [states[do]] * 2
    said = service.command_line(
        "queue", do, "999", first, *(["--first"] if do == "move" else []), check=False
    )
    assert said.returncode == 1
    assert "999" in said.stderr


def test_a_job_whose_checkpoint_has_gone_since_it_ended_is_not_tried_again(
    service: Service, home: Home
) -> None:
    """It would wait for its turn, and only then fail."""
    checkpoint(home.run("r"), 8, 4)
    service.request("hold_queue", on=True)
    job = add(service, checkpoint="r@8")
    change(service, "cancel", job)
    (folder := home.run("r").checkpoint(8).path).rename(aside := home.trash / "8")
    (refused,) = service.request("retry", ids=[job])
    assert "checkpoint r@8 is gone" in (refused["error"] or "")
    assert service.job(job)["state"] == "cancelled"
    aside.rename(folder)
    change(service, "retry", job)
    assert service.job(job)["state"] == "queued"


def test_the_engine_outlives_what_a_batch_system_sends_ahead(service: Service) -> None:
    job = add(service, pause=0.1, n=10)
    service.until(job, "running")
    assert service.pid is not None
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        os.kill(service.pid, number)
    assert service.until(job)["state"] == "done"
