"""Workers under watch, without processes."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from engine.home import Home
from engine.service.states import Job, State
from engine.service.supervision import Supervisor


def test_a_worker_whose_end_cannot_be_judged_is_let_go(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its device is taken for ever, and the engine waits for it when it is to stop."""
    looked = []
    queue: Any = SimpleNamespace(
        jobs={"000001": Job("000001", "train", state=State.RUNNING)}, changed=lambda: looked.append(True)
    )

    async def end() -> int:
        return 0

    async def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    async def watched() -> int:
        supervisor = Supervisor(home, queue, SimpleNamespace(), ())  # type: ignore[arg-type]
        monkeypatch.setattr(supervisor, "_finish", fail)
        supervisor.watch(queue.jobs["000001"], SimpleNamespace(wait=end))  # type: ignore[arg-type]
        while supervisor._tasks:
            await asyncio.sleep(0)
        return supervisor.worker_count

    assert asyncio.run(watched()) == 0
    assert looked
