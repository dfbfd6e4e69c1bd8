"""How `queue list` reads, from what the engine answers."""

import time
from dataclasses import asdict
from typing import Any

import pytest

from ddpm_tui.cli.common import plain
from ddpm_tui.cli.queue_text import details, listing
from ddpm_tui.silence import silence
from tests.ddpm_tui.fakes import NOW, training


def _answer(*jobs: tuple[str, str]) -> dict[str, Any]:
    rows = [{"id": f"{n:06d}", "title": title, "state": state} for n, (title, state) in enumerate(jobs, 1)]
    return {"problems": [], "on_hold": False, "hidden": 0, "jobs": rows}


def test_what_is_over_then_what_works_then_what_waits() -> None:
    answer = _answer(("urgent", "queued"), ("old", "done"), ("at work", "running"), ("later", "held"))
    assert [plain(line).split()[0] for line in listing(answer, 80)] == ["2", "3", "1", "4"]


def test_a_worker_that_stopped_talking_has_no_speed_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    told = asdict(training(time=NOW - 45.4, images_per_s=70.2, eta_s=2.0))
    answer = _answer(("train r-1", "running"))
    answer["jobs"][0] |= {"progress": told | {"of a newer engine": 1}, "slot": "cpu"}
    line = plain(listing(answer, 200)[0])
    assert "training, epoch 12.44 of 25, no sign of life for 45 s on cpu" in line
    assert "pictures/s" not in line
    assert "left" not in line
    answer["jobs"][0]["progress"] = told | {"time": NOW - 5}
    assert "70.2 pictures/s, 2 s left on cpu" in plain(listing(answer, 200)[0])


@pytest.mark.parametrize(
    ("age", "told", "silent"),
    [
        (29, {}, False),
        (31, {}, True),
        (31, {"eta_s": 1532 * 60.0}, False),  # a minute a step
        (1201, {"eta_s": 1532 * 60.0}, True),
        (599, {"eta_s": None}, False),  # its first step
        (599, {"phase": "compiling"}, False),
        (599, {"phase": "validating"}, False),
        (3700, {"phase": "evaluating"}, True),
        (-500, {}, False),  # the clock was set back
    ],
)
def test_a_slow_device_is_not_called_silent(age: float, told: dict[str, Any], silent: bool) -> None:
    assert bool(silence(training(time=NOW - age, **told), NOW)) is silent


def test_what_says_nothing_of_its_time_is_not_called_silent() -> None:
    assert silence(None, NOW) == silence(training(time=0.0), NOW) == ""


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("running", "running on cpu", "running on cpu"),
        ("paused", "paused", "paused — resume it"),
        ("held", "crashed 3 times", "held — crashed 3 times — resume it"),
        ("queued", "", "queued"),
    ],
)
def test_a_state_is_said_once(state: str, reason: str, said: str) -> None:
    hint = "resume it" if state in ("paused", "held") else ""
    job = {
        "id": "000012",
        "title": "t",
        "state": state,
        "reason": reason,
        "hint": hint,
        "slot": None,
        "device": "cpu",
    }
    job |= {"priority": "normal", "after": [], "attempt": 1, "crashes": 0, "args": {}, "folder": "/j"}
    job |= {"history": [], "log_tail": [], "log": ""}
    assert f"    state  {said}" in details(job)
