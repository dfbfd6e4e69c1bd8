"""Ending and restarting the engine from outside, also one of a version that cannot be talked to."""

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
"""How long an engine may take to end whose jobs work on."""


def stop_engine(home: Home, jobs: bool = False) -> int | None:
    """End the engine and wait until it is gone; `jobs`: its jobs checkpoint and stop first, however long that takes.

    Returns how many jobs work on without it, None if no engine runs. Raises DdpmError if it does not end.
    """
    try:
        with Client(home) as client:
            answer: dict[str, Any] = client.request("stop", jobs=jobs)
            _until_gone(home, None if jobs else END_S)
            return 0 if jobs else int(answer["workers"])
    except NotRunningError:
        if is_locked(home.engine_lock):
            raise DdpmError(
                f"an engine ({lock_holder(home.engine_lock)}) holds {home.root} and does not answer",
                f"see {home.engine_log}",
            ) from None
        return None


def restart_engine(home: Home) -> Client:
    """End the engine, whose jobs work on, and start that of this program, which finds them. Raises DdpmError."""
    try:
        stop_engine(home)
    except VersionError:
        # It does not understand a request of ours; the signal means the same.
        _terminate(home)
    return ensure_engine(home)


def _terminate(home: Home) -> None:
    holder = (lock_holder(home.engine_lock) or "").removeprefix("pid ")
    if not is_locked(home.engine_lock):
        return
    if not holder.isdecimal():
        raise DdpmError(f"nobody says which process holds {home.engine_lock}", "end it by hand")
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(holder), signal.SIGTERM)
    _until_gone(home, END_S)


def _until_gone(home: Home, limit: float | None) -> None:
    end = None if limit is None else time.monotonic() + limit
    while is_locked(home.engine_lock):
        if end is not None and time.monotonic() > end:
            raise DdpmError("the engine does not end", f"see {home.engine_log}")
        time.sleep(0.05)
