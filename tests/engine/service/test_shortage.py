"""A real engine that may open no more files for a while: nothing fails, and everybody is told."""

import asyncio
import contextlib
import itertools
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.base.home import Home
from engine.client.sync import Client
from engine.service.daemon import Daemon, take_engine_lock
from engine.service.states import Job

from .support import Service, add, close_gate, open_gate, step_of, train, wait_for

SHORT = "too many open files"


@contextlib.contextmanager
def short_of_files(pid: int, spare: int | None = None) -> Iterator[None]:
    """Process `pid` may open `spare` files more, and no other; None: nothing, whatever it closes."""
    time.sleep(0.3)  # connections that are closing give theirs back
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = [number for number in range(max(taken) + (spare or 0) + 2) if number not in taken]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3 if spare is None else free[spare], before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def problems(client: Client) -> str:
    return " ".join(client.request("status")["problems"])


@pytest.mark.parametrize("spare", [None, 0, 2, 4])
def test_jobs_wait_until_there_are_descriptors_again(service: Service, spare: int | None) -> None:
    """Whether the lock, the database's journal, the log or the process cannot be had."""
    service.request("hold_queue", on=True)
    jobs = [add(service) for _ in range(3)]
    with service.client() as client:
        with short_of_files(service.pid or 0, spare):
            with contextlib.suppress(Exception):  # that it cannot be written now is a right answer
                client.request("hold_queue", on=False)
            wait_for(lambda: SHORT in problems(client), what="the shortage is said")
            time.sleep(1.0)
            states = {job["state"] for job in client.request("list", all=True)["jobs"]}
            assert states == {"queued"}
        client.request("hold_queue", on=False)
        for job in jobs:
            ended = service.until(job)
            assert (ended["state"], ended["crashes"]) == ("done", 0), ended["history"]
        wait_for(lambda: SHORT not in problems(client), what="it is said no longer")
    assert "Traceback" not in service.log()


def test_a_worker_that_ends_meanwhile_is_judged_by_what_it_said(service: Service, home: Home) -> None:
    close_gate(home, "7")
    job = train(service, 2)
    wait_for(lambda: step_of(home, job) == 6, what="it is at the gate")
    with service.client() as client, short_of_files(service.pid or 0):
        open_gate(home, "7")
        wait_for(lambda: SHORT in problems(client), what="its result cannot be read")
    ended = service.until(job)
    assert (ended["state"], ended["crashes"], ended["attempt"]) == ("done", 0, 1), ended["history"]


def test_a_worker_of_an_earlier_engine_is_paused_all_the_same(service: Service, home: Home) -> None:
    """What it takes to know its process again is not to be had: the wish must not be forgotten."""
    close_gate(home, "7")
    job = train(service, 3)
    wait_for(lambda: step_of(home, job) == 6, what="it is at the gate")
    service.kill()
    service.until(job, "running")
    with service.client() as client:
        with short_of_files(service.pid or 0, spare=2):
            client.request("pause", ids=[job])
            time.sleep(0.5)
        ended = service.until(job, "paused", "done", "failed")
        assert (ended["state"], ended["crashes"]) == ("paused", 0), ended["history"]


def test_devices_stay_as_set_while_the_settings_cannot_be_read(service: Service, home: Home) -> None:
    home.settings.write_text('[queue]\ndevices = ["cuda:7"]\n')
    job = add(service, device="cpu")
    with service.client() as client:
        wait_for(lambda: client.request("show", id=job).get("waits"), what="it waits")
        with short_of_files(service.pid or 0):
            with contextlib.suppress(Exception):
                client.request("hold_queue", on=False)
            time.sleep(0.5)
            assert client.request("status")["slots"] == ["cuda:7"]


def test_a_command_says_it_in_one_line(service: Service, home: Home) -> None:
    """With so few descriptors that a command can hardly begin: it works, or one line says why it does not."""
    refused = 0
    with service.surroundings():
        # The engine answers, or is still to be started.
        for files, others in itertools.product(range(3, 9), ("queue list", "runs list")):
            code = f"""
import sys, resource
import ddpm_tui.cli.main as main
resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))
sys.exit(main.run({others.split()!r}))
"""
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
            assert "Traceback" not in done.stderr, (files, done.stderr)
            if done.returncode:
                assert (done.returncode, done.stderr.count("\n")) == (1, 1), (files, done)
                assert SHORT in done.stderr
                refused += 1
    assert 0 < refused < 12
    assert service.request("list")["jobs"] == []


class Broken(Exception):
    """A bug."""


async def test_a_part_of_the_engine_that_dies_is_seen_and_started_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.service.daemon.AGAIN_S", 0.01)
    daemon = Daemon(home, take_engine_lock(home))
    tries: list[str] = []

    def failing(name: str, real: Any) -> Any:
        async def part() -> None:
            tries.append(name)
            if tries.count(name) == 1:
                raise Broken(f"in {name}")
            await real()

        return part

    for owner, name in ((daemon.engine, "run"), (daemon.live, "run"), (daemon, "_guard_place")):
        monkeypatch.setattr(owner, name, failing(f"{type(owner).__name__}.{name}", getattr(owner, name)))

    def deaf(job: Job) -> None:
        raise Broken("while listening")

    daemon.queue.listeners.append(deaf)
    running = asyncio.create_task(daemon.run(lambda: None))
    async with asyncio.timeout(30):
        while len(tries) < 6:
            await asyncio.sleep(0.01)
        await daemon.queue.add(lambda: Job("000001", "sample", device="cuda:9"))
        said = " ".join(daemon.commands.status()["problems"])
        daemon._stop.set()
        await running
    daemon.lock.release()
    for part in ("Dispatcher.run", "Live.run", "Daemon._guard_place", "while listening"):
        assert f"Broken: in {part}" in said or f"Broken: {part}" in said, said
