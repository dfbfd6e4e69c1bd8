"""The service's life, in this process."""

import logging
import signal

import pytest

from engine.home import Home
from engine.service.daemon import Daemon, take_engine_lock


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
