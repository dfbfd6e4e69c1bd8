"""The real service in its own process, with a worker that keeps the contract without torch."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.base.errors import UserError
from engine.base.home import Home
from engine.client.sync import Client, NotRunningError
from engine.service.launchers import processes

from .support import (
    Service,
    add,
    change,
    close_gate,
    make_home,
    make_run,
    metrics,
    open_gate,
    step_of,
    train,
    wait_for,
)


def test_a_job_runs_once_and_ends_once(service: Service) -> None:
    job = service.until(train(service, 2))
    assert job["state"] == "done"
    assert [event["after"] for event in job["history"]] == ["queued", "starting", "running", "done"]
    assert len(metrics(service.home)) == 8
    assert job["log_tail"] == ["train begins"]
    assert service.worker_pids() == []


def test_the_service_owns_itself(service: Service) -> None:
    service.request("status")
    pid = service.pid
    assert pid is not None
    assert os.getsid(pid) == pid
    assert processes._stat(pid)[1] != str(os.getpid())  # type: ignore[index]
    open_files = {path.name: str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
    assert open_files["0"] == open_files["1"] == "/dev/null"
    assert not [name for name in open_files.values() if name.startswith("pipe:")]
    assert Path(f"/proc/{pid}/cwd").readlink() == service.home.root


def test_pause_frees_the_device_and_resume_goes_on(service: Service, home: Home) -> None:
    close_gate(home, "7")
    job = train(service, 10)
    wait_for(lambda: len(metrics(home)) == 6)
    assert change(service, "pause", job)["intent"] == "pause"
    service.until(job, "paused")
    assert service.worker_pids() == []
    assert len(metrics(home)) == 6
    open_gate(home, "7")
    other = service.until(add(service))
    assert other["state"] == "done"
    change(service, "resume", job)
    assert service.until(job)["state"] == "done"
    assert len(metrics(home)) == 40
    assert len(set(metrics(home))) == 40


def test_cancel_and_retry_in_place(service: Service) -> None:
    job = add(service, pause=0.2, n=100)
    service.until(job, "running")
    change(service, "cancel", job)
    assert service.until(job)["state"] == "cancelled"
    assert service.worker_pids() == []
    change(service, "retry", job)
    service.until(job, "running")
    change(service, "cancel", job, now=True)
    ended = service.until(job)
    assert ended["state"] == "cancelled"
    assert ended["attempt"] == 2
    (unknown,) = service.request("cancel", ids=["77"])
    assert "no job named" in unknown["error"]
    (answer,) = service.request("cancel", ids=[job])
    assert "is cancelled and cannot be cancelled" in answer["error"]


def test_waiting_jobs_can_be_paused_held_moved_and_cancelled(service: Service) -> None:
    service.request("hold_queue", on=True)
    jobs = [add(service, priority="normal") for _ in range(4)]

    def order() -> list[str]:
        return [job["id"] for job in service.request("list")["jobs"] if job["state"] == "queued"]

    wait_for(lambda: service.job(jobs[0])["waits"] == "the queue is on hold")
    change(service, "move", jobs[3], where="first")
    change(service, "move", jobs[0], where="last")
    assert order() == [jobs[3], jobs[1], jobs[2], jobs[0]]
    change(service, "move", jobs[0], where=jobs[2].lstrip("0"))
    assert order() == [jobs[3], jobs[1], jobs[0], jobs[2]]
    with pytest.raises(UserError, match=f"job {jobs[0].lstrip('0')} cannot go before itself"):
        service.request("move", ids=[jobs[0]], where=jobs[0])
    change(service, "pause", jobs[3])
    change(service, "hold", jobs[1])
    change(service, "cancel", jobs[0])
    assert order() == [jobs[2]]
    service.kill()
    assert order() == [jobs[2]]
    assert service.request("status")["on_hold"]
    change(service, "resume", jobs[3])
    change(service, "resume", jobs[1])
    service.request("hold_queue", on=False)
    assert [service.until(job)["state"] for job in jobs] == ["cancelled", "done", "done", "done"]


def test_many_moves_between_the_same_two(service: Service) -> None:
    service.request("hold_queue", on=True)
    jobs = [add(service, priority="normal") for _ in range(3)]
    with service.client() as client:
        for turn in range(80):
            client.request("move", ids=[jobs[turn % 2]], where=jobs[2])
        order = [job["id"] for job in client.request("list")["jobs"]]
    assert order == [jobs[0], jobs[1], jobs[2]]


def test_after_follows_done_and_is_held_by_failure(service: Service) -> None:
    first = add(service, pause=0.05)
    second = add(service, after=[first])
    assert service.until(second)["state"] == "done"
    assert service.job(second)["started"] >= service.job(first)["ended"]
    service.request("hold_queue", on=True)
    bad = train(service, 1, run="r")
    service.home.run("r").record.unlink()
    follower = add(service, after=[bad])
    change(service, "cancel", bad)
    service.request("hold_queue", on=False)
    held = service.until(follower, "held")
    assert "was cancelled" in held["reason"]
    change(service, "resume", follower)
    assert service.until(follower)["state"] == "done"


def test_sampling_goes_between_two_chunks(service: Service, home: Home) -> None:
    """r has chunks of 2 epochs: the training makes room after its first chunk, not in its middle."""
    close_gate(home, "3")
    close_gate(home, "9")
    job = train(service, 6)
    wait_for(lambda: step_of(home, job) == 2)
    sampling = add(service)
    # Who sees why it waits knows that the service has seen the first chunk, too: that is one look.
    wait_for(lambda: service.job(sampling)["waits"])
    assert service.job(job)["intent"] is None
    open_gate(home, "3")
    assert service.until(sampling)["state"] == "done"
    assert len(metrics(home)) == 8
    history = [event["after"] for event in service.job(job)["history"]]
    assert history[:4] == ["queued", "starting", "running", "queued"]
    open_gate(home, "9")
    assert service.until(job)["state"] == "done"
    assert len(set(metrics(home))) == len(metrics(home)) == 24


def test_now_does_not_wait_for_the_chunk(service: Service, home: Home) -> None:
    close_gate(home, "3")
    job = train(service, 50)
    wait_for(lambda: step_of(home, job) == 2)
    assert service.until(add(service, priority="now"))["state"] == "done"
    assert len(metrics(home)) == 2
    change(service, "cancel", job)
    service.until(job)


def test_two_devices_work_at_once(tmp_path: Path, services: Callable[..., Service]) -> None:
    home = make_home(tmp_path / "h", devices=["cuda:0", "cuda:1"])
    make_run(home)
    service = services(home)
    close_gate(home, "slow")
    slow = [add(service, gate="slow") for _ in range(3)]
    slots = [service.until(job, "running")["slot"] for job in slow[:2]]
    assert sorted(slots) == ["cuda:0", "cuda:1"]
    assert service.job(slow[2])["state"] == "queued"
    wanted = add(service, device="cuda:1")
    open_gate(home, "slow")
    assert service.until(wanted)["state"] == "done"
    assert "on cuda:1" in next(
        e["reason"] for e in service.job(wanted)["history"] if e["after"] == "starting"
    )


def test_the_same_request_twice_makes_one_job(service: Service) -> None:
    first = service.request("add", kind="sample", args={}, token="t1")
    again = service.request("add", kind="sample", args={}, token="t1")
    assert (first["added"], again["added"]) == (True, False)
    assert first["job"]["id"] == again["job"]["id"]
    service.kill()
    assert service.request("add", kind="sample", args={}, token="t1")["job"]["id"] == first["job"]["id"]


def test_misused_requests_are_answered(service: Service) -> None:
    for do, args, word in (
        ("lsit", {}, "did you mean 'list'"),
        ("show", {}, "lacks id"),
        ("show", {"id": 7}, "must be a text"),
        ("train", {"target": "r", "chunks": "two"}, "whole number"),
        ("train", {"target": "r", "device": "gpu"}, "not a device"),
        ("list", {"al": True}, "does not know 'al' in the request list.*did you mean 'all'"),
        ("list", {"guests": 3}, "engine restart"),
        ("add", {"kind": "dance"}, "not a kind of job"),
        ("pause", {"ids": []}, "no jobs are given"),
        ("subscribe", {"topics": ["news"]}, "no topic"),
    ):
        with pytest.raises(Exception, match=word):
            service.request(do, **args)


def test_events_reach_a_subscriber(service: Service, home: Home) -> None:
    for gate in ("2", "3", "6"):
        close_gate(home, gate)
    with service.client() as client:
        first = client.request("subscribe")
        assert first["jobs"] == []
        job = train(service, 3)
        seen: dict[str, list[object]] = {"progress": [], "run": [], "job": []}

        def listen(enough: Callable[[], bool]) -> None:
            end = time.monotonic() + 60
            while not enough():
                assert time.monotonic() < end, seen
                for event in client.events(1.0):
                    value = event["job"]["state"] if event["event"] == "job" else event
                    seen.setdefault(event["event"], []).append(value)

        # It stands still until the one before it has been told of; the folders are looked at from then on.
        listen(lambda: len(seen["progress"]) >= 1)
        open_gate(home, "2")
        listen(lambda: len(seen["progress"]) >= 2)
        open_gate(home, "3")
        listen(lambda: bool(seen["run"]))
        open_gate(home, "6")
        listen(lambda: "done" in seen["job"])
        assert seen["job"][-1] == "done"
        assert seen["run"][0]["changed"] == ["checkpoints"]  # type: ignore[index]
        assert job in str(seen["progress"][0])


def test_stop_leaves_workers_and_stop_with_jobs_does_not(
    home: Home, services: Callable[..., Service]
) -> None:
    service = services(home, STEADY_PAUSE="0.05")
    job = train(service, 4000)
    service.until(job, "running")
    assert service.request("stop")["workers"] == 1
    wait_for(lambda: service.pid is None)
    assert len(service.worker_pids()) == 1
    assert not home.socket.exists()
    with pytest.raises(NotRunningError):
        Client(home)
    assert service.job(job)["state"] == "running"
    service.request("stop", jobs=True)
    wait_for(lambda: service.pid is None)
    assert service.worker_pids() == []
    note = json.loads(home.job(job).queue_note.read_text())
    assert (note["state"], note["reason"]) == ("queued", "stopped with the engine")
    service.until(job, "running")


def test_sigterm_ends_the_service_and_not_its_workers(home: Home, services: Callable[..., Service]) -> None:
    service = services(home, STEADY_PAUSE="0.05")
    job = train(service, 4000)
    service.until(job, "running")
    pid = service.pid
    assert pid
    os.kill(pid, signal.SIGHUP)
    time.sleep(0.1)
    assert service.pid == pid
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: service.pid is None)
    assert len(service.worker_pids()) == 1


def test_a_thousand_jobs_are_listed_and_moved(service: Service) -> None:
    service.request("hold_queue", on=True)
    with service.client() as client:
        for _ in range(1000):
            client.request("add", kind="sample", args={"n": 64}, priority="normal")
        jobs = client.request("list")["jobs"]
        assert len(jobs) == 1000
        client.request("move", ids=[jobs[-1]["id"]], where="first")
        assert client.request("list")["jobs"][0]["id"] == jobs[-1]["id"]
        (answer,) = client.request("cancel", ids=[jobs[500]["id"]])
        assert answer["error"] is None
    service.kill()
    assert service.request("list")["jobs"][1]["id"] == jobs[-1]["id"]


def test_clients_that_come_and_go_leave_nothing_in_the_log(service: Service) -> None:
    for _ in range(150):
        service.request("status")
    assert "Task was destroyed" not in service.log()
    assert "ERROR" not in service.log()
