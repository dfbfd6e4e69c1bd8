"""Stopping and restarting the engine, including one of a version with another protocol."""

import contextlib
import os
import signal
import time
from typing import Any

from engine.base.errors import DdpmError
from engine.base.files import is_locked, lock_holder
from engine.base.home import Home
from engine.client.sync import Client, NotRunningError, ensure_engine
from engine.service.protocol import VersionError

END_S = 30.0
"""Seconds for an engine to end without stopping its jobs."""


def stop_engine(home: Home, jobs: bool = False) -> int | None:
    """Stop the engine and wait until it has ended; `jobs`: its jobs first checkpoint and stop, however long that
    takes.

    Returns the number of jobs that continue without it, None if no engine runs. Raises DdpmError if it does not end.
    """
    try:
        with Client(home) as client:
            answer: dict[str, Any] = client.request("stop", jobs=jobs)
            _until_gone(home, None if jobs else END_S)
            return 0 if jobs else int(answer["workers"])
    except NotRunningError:
        if is_locked(home.engine_lock):
            raise DdpmError(
                f"an engine ({lock_holder(home.engine_lock)}) holds {home.root} but does not answer",
                f"see {home.engine_log}",
            ) from None
        return None


def restart_engine(home: Home) -> Client:
    """Stop the engine, whose jobs continue, and start that of this version, which adopts them. Raises DdpmError."""
    try:
        stop_engine(home)
    except VersionError:
        # The engine does not understand our request; the signal means the same.
        _terminate(home)
    return ensure_engine(home)


def _terminate(home: Home) -> None:
    holder = (lock_holder(home.engine_lock) or "").removeprefix("pid ")
    if not is_locked(home.engine_lock):
        return
    if not holder.isdecimal():
        raise DdpmError(f"it is unknown which process holds {home.engine_lock}", "end it by hand")
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(holder), signal.SIGTERM)
    _until_gone(home, END_S)


def _until_gone(home: Home, limit: float | None) -> None:
    end = None if limit is None else time.monotonic() + limit
    while is_locked(home.engine_lock):
        if end is not None and time.monotonic() > end:
            raise DdpmError("the engine does not end", f"see {home.engine_log}")
        time.sleep(0.05)
