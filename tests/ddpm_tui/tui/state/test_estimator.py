"""The app's side of the resident estimator, against a scripted process; no torch."""

import asyncio
import os
import signal
import sys

import pytest

from ddpm_tui.tui.state.estimator import ATTEMPTS, Estimator
from engine.base.errors import UserError
from engine.base.home import Home

SCRIPT = """
import json, os, signal, sys
for line in sys.stdin:
    request = json.loads(line)
    with open("asked", "a") as asked:
        asked.write(str(request["profile"]["n"]) + "\\n")
    what = request["profile"]["n"]
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "leave":
        sys.exit(7)
    if what == "wrong":
        answer = {"error": "no CUDA device", "hint": "use the CPU"}
    elif what == "never":
        continue
    else:
        answer = {"figures": {"parameters": what}}
    print(json.dumps({"id": request["id"], **answer}), flush=True)
"""


@pytest.fixture
async def estimator(tmp_path):
    made = Estimator(Home(tmp_path).create(), [sys.executable, "-c", SCRIPT])
    yield made
    await made.close()


def asked(estimator):
    return (estimator.home.root / "asked").read_text().split()


async def until(true):
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


async def test_one_process_answers_all_and_remembers(estimator):
    assert estimator.pid is None, "it starts when it is first asked"
    assert await estimator.figures({"n": 1}) == {"parameters": 1}
    pid = estimator.pid
    assert await estimator.figures({"n": 2}) == {"parameters": 2}
    assert await estimator.figures({"n": 1}) == {"parameters": 1}
    assert (estimator.pid, asked(estimator)) == (pid, ["1", "2"])
    with pytest.raises(UserError, match="no CUDA device"):
        await estimator.figures({"n": "wrong"})
    assert estimator.pid == pid


async def test_a_newer_question_takes_the_older_one_s_place(estimator):
    older = asyncio.create_task(estimator.figures({"n": "never"}))
    await until(lambda: estimator.pid is not None)
    assert await estimator.figures({"n": 3}) == {"parameters": 3}
    assert await older is None


async def test_questions_asked_at_once_start_one_process(estimator):
    answers = await asyncio.gather(*(estimator.figures({"n": n}) for n in range(4)))
    assert answers == [None, None, None, {"parameters": 3}]
    assert asked(estimator) == ["0", "1", "2", "3"], (
        "the other side keeps the newest only; none is started twice"
    )


async def test_a_killed_process_is_said_and_started_again(estimator):
    waiting = asyncio.create_task(estimator.figures({"n": "never"}))
    await until(lambda: (estimator.home.root / "asked").exists())
    first = estimator.pid
    os.kill(first, signal.SIGKILL)
    with pytest.raises(UserError, match=r"ended \(killed by SIGKILL\)"):
        await waiting
    assert await estimator.figures({"n": 5}) == {"parameters": 5}
    assert estimator.pid != first


async def test_one_that_always_dies_is_not_started_for_ever(estimator):
    for _ in range(ATTEMPTS):
        with pytest.raises(UserError, match="exit code 7"):
            await estimator.figures({"n": "leave"})
    with pytest.raises(UserError, match=f"ended {ATTEMPTS} times"):
        await estimator.figures({"n": 1})
    assert len(asked(estimator)) == ATTEMPTS


async def test_closing_ends_the_process_and_whoever_waits(estimator):
    waiting = asyncio.create_task(estimator.figures({"n": "never"}))
    await until(lambda: (estimator.home.root / "asked").exists())
    pid = estimator.pid
    await estimator.close()
    assert await waiting is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_it_gives_its_memory_back_when_nobody_asks(estimator, monkeypatch):
    monkeypatch.setattr("ddpm_tui.tui.state.estimator.IDLE_S", 0.05)
    await estimator.figures({"n": 1})
    await until(lambda: estimator.pid is None)
    assert await estimator.figures({"n": 2}) == {"parameters": 2}


async def test_a_program_that_is_not_there_is_said(tmp_path):
    estimator = Estimator(Home(tmp_path).create(), ["/no/such/program"])
    with pytest.raises(UserError, match="cannot be started"):
        await estimator.figures({"n": 1})
    await estimator.close()


async def test_a_profile_with_a_pasted_text_in_it_is_refused_and_the_process_lives(estimator):
    assert await estimator.figures({"n": 1}) == {"parameters": 1}
    pid = estimator.pid
    for size in (100_000, 1_000_000):
        with pytest.raises(UserError, match="too long to be counted"):
            await estimator.figures({"n": 2, "description": "x" * size})
    assert estimator.pid == pid
    assert await estimator.figures({"n": 3}) == {"parameters": 3}


async def test_one_that_died_too_often_is_tried_again_after_a_rest(estimator, monkeypatch):
    for _ in range(ATTEMPTS):
        with pytest.raises(UserError):
            await estimator.figures({"n": "die"})
        await until(lambda: estimator.pid is None)
    with pytest.raises(UserError, match="ended 3 times"):
        await estimator.figures({"n": 1})
    monkeypatch.setattr("ddpm_tui.tui.state.estimator.REST_S", -1.0)
    assert await estimator.figures({"n": 1}) == {"parameters": 1}
