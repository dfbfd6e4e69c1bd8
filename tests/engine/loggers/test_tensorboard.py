"""TensorBoard's own reader finds what the run has, once, whatever happened to the logger."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.base.errors import DamagedError, UsageError, UserError
from engine.base.files import FileLock
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.data.catalog import add_source
from engine.loggers import following
from engine.loggers.following import log_run
from engine.loggers.launch import start_loggers
from engine.loggers.targets import LOGGERS, parse_target
from engine.runs.metrics import read_metrics
from tests.tiny import job, make_run, work
from tests.torchless import extend, trained_run

pytest.importorskip("tensorboard")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = trained_run(Home(tmp_path / "home").create(), "r", 3)
    run.previews.mkdir(exist_ok=True)
    Image.fromarray(np.full((4, 8, 3), 200, np.uint8)).save(run.preview(7))
    return run


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def log(run: RunFolder, tmp_path: Path, **options: Any) -> int:
    return log_run(run, parse_target(f"tensorboard:{tmp_path / 'tb'}", tmp_path), **options)


def steps(tmp_path: Path, tag: str = "train/loss") -> list[int]:
    return [event.step for event in read(tmp_path / "tb" / "r").Scalars(tag)]


def test_a_finished_run_is_written_whole(run: RunFolder, tmp_path: Path) -> None:
    assert log(run, tmp_path) == 3
    found = read(tmp_path / "tb" / "r")
    metrics = read_metrics(run.metrics)
    for tag, column in (
        ("train/loss", metrics.train["loss"]),
        ("epoch/eps_error", metrics.epochs["eps_error"]),
    ):
        events = found.Scalars(tag)
        assert [event.step for event in events] == [7, 14, 21]
        assert np.allclose([event.value for event in events], column)
    (preview,) = found.Images("previews")
    assert (preview.step, preview.width, preview.height) == (7, 8, 4)
    (text,) = found.Tensors("profile")
    assert b'dataset = "dots"' in text.tensor_proto.string_val[0]


def test_no_step_is_doubled_by_a_restart(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(run, tmp_path)
    assert log(run, tmp_path) == 0
    extend(run, [4])
    # The run goes back to a checkpoint and writes the lines after it once more.
    lines = run.metrics.read_text().splitlines(keepends=True)
    run.metrics.write_text("".join([*lines, *lines[2:]]))
    assert log(run, tmp_path) == 1
    assert steps(tmp_path) == steps(tmp_path, "epoch/val_loss") == [7, 14, 21, 28]
    # Killed after it wrote a step and before it noted that.
    extend(run, [5])
    write_json = following.write_json

    def die(path: Path, content: Any, **options: Any) -> None:
        if content["step"] == 35:
            raise OSError("killed")
        write_json(path, content, **options)

    monkeypatch.setattr(following, "write_json", die)
    with pytest.raises(UserError, match="cannot be written to: killed"):
        log(run, tmp_path)
    monkeypatch.undo()
    assert log(run, tmp_path) == 1
    assert steps(tmp_path) == [7, 14, 21, 28, 35]


def test_a_run_that_trains_is_followed_by_a_process_of_its_own(run: RunFolder, tmp_path: Path) -> None:
    home, said = Home(tmp_path / "home"), []
    lock = FileLock.acquire(run.lock, "r")
    (process,) = start_loggers(home, run, ["tensorboard:tb", "tensorboard:tb", "nonsense"], said.append)
    try:
        extend(run, [4])
        deadline = 60
        note = None
        for _ in range(deadline * 10):
            notes = list((run.path / "logs").glob("*.json"))
            note = json.loads(notes[0].read_text()) if notes else None
            if note and note["step"] == 28:
                break
            assert process.poll() is None, (run.path / "logs" / "log.txt").read_text()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
        with pytest.raises(UserError, match="by another process"):
            log_run(run, parse_target("tensorboard:tb", home.root))
    finally:
        lock.release()
    assert process.wait(60) == 0
    assert [event.step for event in read(home.root / "tb" / "r").Scalars("train/loss")] == [7, 14, 21, 28]
    assert len(said) == 2
    assert "the run is not logged to nonsense: no logger named 'nonsense'" in said[1]


def test_a_target_that_refuses_is_one_line(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tb").write_text("a file")
    with pytest.raises(UserError, match=r"tb cannot be written to: .*tb") as refused:
        log(run, tmp_path)
    assert "\n" not in str(refused.value)
    (note,) = (run.path / "logs").glob("*.lock")
    (tmp_path / "tb").unlink()
    note.with_suffix(".json").write_text("{")
    with pytest.raises(DamagedError, match="delete it"):
        log(run, tmp_path)
    with pytest.raises(UsageError, match="tensorboard needs a folder"):
        parse_target("tensorboard", tmp_path)
    monkeypatch.setattr("engine.loggers.targets.find_spec", lambda name: None)
    for name, logger in LOGGERS.items():
        with pytest.raises(UserError, match=rf"needs {logger.package}, which is not installed — pip install"):
            parse_target(f"{name}:x", tmp_path).check()


def test_logging_imports_no_torch() -> None:
    code = "import sys, engine.loggers.__main__, engine.loggers.tensorboard_sink; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_training_is_logged_as_the_settings_say(tmp_path: Path, pictures: Path) -> None:
    home = Home(tmp_path / "home").create()
    add_source(home, pictures, "dots")
    (home.root / "settings.toml").write_text('[logs]\nto = ["tensorboard:tb", "mlflow"]\n')
    run = make_run(home, "r")
    ended = work(job(home, run, 1))
    assert ended.returncode == 0, ended.stdout
    assert "the run is not logged to mlflow: mlflow needs a folder" in ended.stdout
    noted = run.path / "logs" / "log.txt"
    for _ in range(600):
        if "were logged" in noted.read_text():
            break
        time.sleep(0.1)
    logged = read(home.root / "tb" / "r")
    wanted = read_metrics(run.metrics).train["step"]
    assert [event.step for event in logged.Scalars("train/loss")] == list(wanted)
    assert logged.Images("previews")
