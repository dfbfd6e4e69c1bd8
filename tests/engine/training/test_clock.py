"""A clock that is set back at every look changes what is written down, and nothing else."""

import json
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.jobs.files import read_progress, read_result
from engine.runs.checkpoints import list_checkpoints
from tests.clock import backwards
from tests.tiny import job, make_run, work

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_training_measures_time_by_a_clock_that_nobody_sets(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in backwards(tmp_path, ROOT).items():
        monkeypatch.setenv(name, value)
    run = make_run(home, "back", training={"checkpoint_minutes": 0.002, "keep_last": 100})
    task = job(home, run, 1)
    ended = work(task, afresh=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr

    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    times = [line["time"] for line in lines if "time" in line]
    assert times == sorted(times, reverse=True), "the clock was not set back"
    assert all((line["images_per_s"] or 1) > 0 for line in lines if line["kind"] == "train")
    assert all(0 <= line["seconds"] < 60 for line in lines if line["kind"] == "epoch")
    per_epoch = next(c.whole().steps_per_epoch for c in list_checkpoints(run))
    assert len(list_checkpoints(run)) > 1, f"no rolling checkpoint in {per_epoch} steps"
    progress, result = read_progress(task), read_result(task)
    assert progress is not None
    assert result is not None
    assert progress.done == progress.total > 0
    assert result.outcome == "done"
