"""What a Snapshot says beyond what is put into it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.service.states import State
from tests.ddpm_tui.fakes import filled, job, training


@pytest.mark.parametrize(
    ("number", "changes", "turn"),
    [
        (13, {}, (25, 780.0)),
        (13, {"chunk": 5, "to_epoch": 25}, (15, 780.0 * 2.56 / 12.56)),
        (13, {"chunk": 20, "to_epoch": 14}, (14, 780.0)),
        (13, {"eta_s": None}, (25, None)),
        (13, {"epoch": None}, None),
        (13, {"run": "gone"}, None),
        (13, {"wait": "waits for cpu"}, None),
        (14, {}, None),
    ],
)
def test_a_job_between_chunks_knows_its_epoch(
    tmp_path: Path, number: int, changes: dict[str, Any], turn: Any
) -> None:
    now = filled(tmp_path)
    wait, chunk, run = changes.pop("wait", None), changes.pop("chunk", 25), changes.pop("run", "celeba32-1")
    runs = (replace(now.runs[0], profile={"training": {"chunk_epochs": chunk}}),)
    jobs = [
        job(12, State.RUNNING, run=run, progress=training(**changes)),
        *(view for view in now.jobs if view.id in ("000013", "000014")),
    ]
    view = next(view for view in jobs if view.id == f"{number:06d}")
    found = replace(now, runs=runs, jobs=tuple(jobs)).turn(replace(view, wait=wait or view.wait))
    assert found == (turn and (turn[0], pytest.approx(turn[1])))
