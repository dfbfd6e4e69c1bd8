"""What goes wrong: workers that crash, hang or were never started, and services that find what another left."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engine.base.files import FileLock
from engine.base.home import Home
from engine.service.address import find_socket
from engine.service.launchers import processes

from .support import (
    Service,
    add,
    change,
    close_gate,
    ends,
    make_home,
    metrics,
    open_gate,
    train,
    wait_for,
)


def test_three_crashes_hold_the_job_and_show_its_log(service: Service) -> None:
    job = add(service, exit=3)
    held = service.until(job, "held")
    assert held["attempt"] == 3
    assert "crashed 3 times in a row: it breaks here" in held["reason"]
    change(service, "resume", job)
    assert service.until(job, "held")["attempt"] == 6


def test_crashes_with_progress_between_do_not_add_up(home: Home, services: Callable[..., Service]) -> None:
    # Dies at the sixth step of each life, which is always past a checkpoint: 5 deaths for 20 steps and more.
    service = services(home, DDPM_FAILPOINTS="train.step:6=kill")
    job = service.until(train(service, 6), "done", "held")
    assert job["state"] == "done"
    assert job["attempt"] > 3
    assert len(metrics(home)) == 24


def test_on_crash_hold(tmp_path: Path, services: Callable[..., Service]) -> None:
    service = services(make_home(tmp_path / "h", on_crash="hold"))
    held = service.until(add(service, exit=3), "held")
    assert held["attempt"] == 1
    assert "exit code 3" in held["reason"]


def test_a_worker_that_ignores_the_signal_is_killed(tmp_path: Path, services: Callable[..., Service]) -> None:
    service = services(make_home(tmp_path / "h", stop_grace_s=0.3))
    job = add(service, ignore_stop=True, pause=0.05, n=10_000)
    service.until(job, "running")
    change(service, "pause", job)
    service.until(job, "paused")
    assert service.worker_pids() == []


def test_what_a_dead_worker_had_started_goes_too(
    home: Home, services: Callable[..., Service], tmp_path: Path
) -> None:
    """A child that inherits the job's lock would keep the job, and its memory, for ever."""
    script = tmp_path / "forks.py"
    script.write_text(
        "import os, sys, time\n"
        "fd = int(sys.argv[3])\n"
        "if os.fork() == 0:\n    time.sleep(600)\n"
        "open(sys.argv[1] + '/ready', 'w').close()\n"
        "time.sleep(600)\n"
    )
    import sys

    service = services(home, command=[sys.executable, str(script)])
    job = add(service)
    running = service.until(job, "running")
    wait_for((home.job(job).path / "ready").exists)
    assert len(service.worker_pids()) == 2
    os.kill(running["pid"], signal.SIGKILL)
    wait_for(lambda: service.job(job)["attempt"] > 1)
    assert not set(processes.session_members(running["pid"]))
    change(service, "cancel", job, now=True)
    service.until(job, "cancelled")
    assert service.worker_pids() == []
    # The same while no service watches: the next one finds the lock held by a child alone.
    change(service, "retry", job)
    running = service.until(job, "running")
    wait_for(lambda: len(service.worker_pids()) == 2)
    service.kill()
    os.kill(running["pid"], signal.SIGKILL)
    wait_for(lambda: service.job(job)["attempt"] > running["attempt"])
    assert not processes.session_members(running["pid"])


def test_a_living_worker_is_adopted(service: Service, home: Home) -> None:
    close_gate(home, "3")
    job = train(service, 8)
    before = service.until(job, "running")
    first = service.kill()
    after = service.job(job)
    assert service.pid != first
    assert (after["state"], after["pid"], after["attempt"]) == ("running", before["pid"], 1)
    change(service, "pause", job)
    service.until(job, "paused")
    open_gate(home, "3")
    change(service, "resume", job)
    assert service.until(job)["state"] == "done"
    assert len(metrics(home)) == 32


def test_an_end_that_nobody_watched_is_found(service: Service, home: Home) -> None:
    close_gate(home, "3")
    job = train(service, 4)
    service.until(job, "running")
    service.kill()
    open_gate(home, "3")
    wait_for(lambda: not service.worker_pids())
    ended = service.until(job)
    assert ended["state"] == "done"
    assert (ended["attempt"], ends(ended)) == (1, 1)


def test_after_a_reboot_the_queue_is_as_it_was(service: Service, home: Home) -> None:
    close_gate(home, "6")
    jobs = [train(service, 6), add(service, priority="normal"), add(service, priority="normal")]
    change(service, "pause", jobs[1])
    running = service.until(jobs[0], "running")
    wait_for(lambda: len(metrics(home)) == 5)
    service.kill()
    os.kill(running["pid"], signal.SIGKILL)
    wait_for(lambda: not service.worker_pids())
    assert find_socket(home).exists(), "a reboot leaves the socket's name behind"
    open_gate(home, "6")
    states = {job: service.job(job)["state"] for job in jobs}
    assert states[jobs[1]] == "paused"
    assert service.until(jobs[0])["state"] == "done"
    assert service.until(jobs[2])["state"] == "done"
    assert len(metrics(home)) == 24
    assert service.job(jobs[0])["attempt"] == 2


def test_a_foreground_worker_keeps_the_queue_off_its_run(service: Service) -> None:
    lock = FileLock.acquire(service.home.run("r").lock, "the run")
    lock.describe("a foreground train")
    job = train(service, 2)
    wait_for(lambda: service.job(job)["waits"] == "run r is in use by a foreground train")
    assert service.job(job)["state"] == "queued"
    lock.release()
    assert service.until(job)["state"] == "done"


def test_a_worker_that_finds_its_run_taken_goes_back(service: Service, home: Home) -> None:
    """The queue looks before it starts a job; somebody may still be quicker."""
    close_gate(home, "run")
    job = train(service, 1)
    service.until(job, "running")
    with FileLock.acquire(home.run("r").lock, "the run"):
        open_gate(home, "run")
        service.until(job, "queued")
    ended = service.until(job)
    assert ended["state"] == "done"
    assert (ended["attempt"], ended["crashes"]) == (2, 0)


def test_a_worker_that_cannot_start_fails_its_job(home: Home, services: Callable[..., Service]) -> None:
    service = services(home, command=["/nowhere/python"])
    failed = service.until(add(service))
    assert failed["state"] == "failed"
    assert "cannot be started (No such file" in failed["reason"]


def test_a_job_whose_folder_is_gone_fails(service: Service) -> None:
    service.request("hold_queue", on=True)
    job = add(service)
    service.home.job(job).path.rename(service.home.root / "elsewhere")
    service.request("hold_queue", on=False)
    failed = service.until(job)
    assert failed["state"] == "failed"
    assert "is gone" in failed["reason"]


def test_an_engine_whose_home_is_deleted_ends_and_its_workers_too(
    home: Home, services: Callable[..., Service]
) -> None:
    arguments = [str(home.root), "--foreground"]
    impatient = f"from engine.service import daemon; daemon.GUARD_S = 0.05; daemon.main({arguments})"
    service = services(home)
    with service.surroundings():
        engine = subprocess.Popen([sys.executable, "-c", impatient], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: find_socket(home).exists())
    close_gate(home, "3")
    service.until(train(service, 6), "running")
    home.engine_lock.unlink()
    wait_for(lambda: len(metrics(home)) == 2)
    assert engine.poll() is None, "a home without its lock is a home"
    assert service.worker_pids()
    shutil.rmtree(home.root, ignore_errors=True)
    try:
        _, said = engine.communicate(timeout=30)
    finally:
        engine.kill()
    assert (engine.returncode, said) == (0, "")
    wait_for(lambda: not service.worker_pids())
