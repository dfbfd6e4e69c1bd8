"""How `queue list` reads, from what the engine answers."""

from typing import Any

import pytest

from ddpm_tui.cli.queue_text import listing


def _answer(*jobs: tuple[str, str]) -> dict[str, Any]:
    rows = [{"id": f"{n:06d}", "title": title, "state": state} for n, (title, state) in enumerate(jobs, 1)]
    return {"problems": [], "on_hold": False, "hidden": 0, "jobs": rows}


def test_what_is_over_then_what_works_then_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    answer = _answer(("urgent", "queued"), ("old", "done"), ("at work", "running"), ("later", "held"))
    assert [line.split()[0] for line in listing(answer, 80)] == ["2", "3", "1", "4"]
