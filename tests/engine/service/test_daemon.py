"""The service's life, in this process."""

import asyncio
import logging
import signal

import pytest

from engine.base.home import Home
from engine.service.daemon import Daemon, take_engine_lock
from engine.service.states import Job, State


async def test_a_part_of_the_service_that_fails_is_in_its_log(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for it: else clients would only see that nothing comes any more."""
    before = signal.getsignal(signal.SIGHUP)
    with take_engine_lock(home) as lock, caplog.at_level(logging.ERROR):
        daemon = Daemon(home, lock)

        async def fail() -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(daemon.live, "run", fail)
        try:
            await daemon.run(daemon._stop.set)
        finally:
            signal.signal(signal.SIGHUP, before)
    assert "telling subscribers failed" in caplog.text
    assert "RuntimeError: a bug" in caplog.text


class Obedient:
    """A worker that goes on until it is asked to stop."""

    handle = None

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def stop(self) -> None:
        self.asked.set()

    async def wait(self) -> int:
        await self.asked.wait()
        return 75


async def test_a_job_that_was_just_starting_is_stopped_with_the_others(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`engine stop --jobs` asks those that live; else this one, without a worker yet, goes on."""
    before = signal.getsignal(signal.SIGHUP)
    with take_engine_lock(home) as lock:
        daemon = Daemon(home, lock)
        job = await daemon.queue.add(lambda: Job("000001", "sample", state=State.RUNNING, attempt=1))

        async def recover() -> None:
            daemon.engine.supervisor.watch(job, Obedient())  # type: ignore[arg-type]

        monkeypatch.setattr(daemon.engine.supervisor, "recover", recover)
        daemon.commands.stops_jobs = True
        try:
            async with asyncio.timeout(20):
                await daemon.run(daemon._stop.set)
        finally:
            signal.signal(signal.SIGHUP, before)
    assert daemon.queue.jobs[job.id].state is State.QUEUED
