"""What programs read: the queue and the curves as JSON, the queue as OpenMetrics text."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ddpm_tui.cli.openmetrics import openmetrics
from engine.base.files import FileLock
from engine.base.home import Home
from tests.ddpm_tui.cli.conftest import Cli
from tests.ddpm_tui.cli.test_queue_status import job
from tests.torchless import extend, trained_run

LINE = re.compile(r'[a-z_]+(\{[a-z]+="(\\.|[^"\\])*"(,[a-z]+="(\\.|[^"\\])*")*\})? -?[0-9.e+-]+')


def test_the_queue_as_openmetrics_text() -> None:
    jobs = [{**job("running", loss=0.5), "id": 7, "run": 'a"b'}, {**job("queued"), "id": 8}]
    text = openmetrics(jobs, True, True)
    assert text.endswith("# EOF\n")
    for line in text.splitlines()[:-1]:
        assert line.startswith(("# TYPE ddpm_tui_", "# HELP ddpm_tui_")) or LINE.fullmatch(line), line
    assert 'ddpm_tui_jobs{state="queued"} 1.0' in text
    assert 'ddpm_tui_jobs{state="failed"} 0.0' in text
    assert 'ddpm_tui_job_loss{job="7",kind="train",run="a\\"b"} 0.5' in text
    assert "ddpm_tui_queue_on_hold 1.0" in text


def test_openmetrics_and_status_start_no_engine(home: Home, cli: Cli, tmp_path: Path) -> None:
    assert "ddpm_tui_engine_up 0.0" in cli("engine", "metrics").out
    out = tmp_path / "a.prom"
    assert cli("engine", "metrics", "--out", str(out)).code == 0
    assert out.read_text().endswith("# EOF\n")
    assert out.stat().st_mode & 0o777 == 0o644
    said = cli("queue", "status", "--json").json
    assert said == {"engine": False, "on_hold": False, "counts": {}, "running": []}
    assert not home.engine_lock.exists()
    assert "cannot write" in cli("engine", "metrics", "--out", "/proc/none/a.prom").error


def test_curves_as_json_lines_are_followed(home: Home, cli: Cli) -> None:
    run = trained_run(home, "r", 2)
    rows = [json.loads(line) for line in cli("runs", "metrics", "r", "--json").out.splitlines()]
    assert [(row["kind"], row["step"]) for row in rows] == [
        ("train", 7),
        ("epoch", 7),
        ("train", 14),
        ("epoch", 14),
    ]
    assert cli("runs", "metrics", "r", "--follow").code == 2
    lock = FileLock.acquire(run.lock, "r")
    command = [sys.executable, "-m", "ddpm_tui", "runs", "metrics", "r", "--json", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert [json.loads(process.stdout.readline())["step"] for _ in range(4)] == [7, 7, 14, 14]
            extend(run, [3])
            assert json.loads(process.stdout.readline()) == {
                **rows[0],
                "step": 21,
                "epoch": 3,
                "images": 168,
            } | {"loss": pytest.approx(1 / 3)}
        finally:
            lock.release()
        start = time.monotonic()
        assert len(process.stdout.readlines()) == 1
        assert process.wait(30) == 0
        assert time.monotonic() - start < 60


def test_figures_without_matplotlib_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.base.errors import UserError
    from engine.figures import saving
    from engine.figures.curves import loss_curves

    monkeypatch.setattr(saving, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"figures need matplotlib.* — pip install 'ddpm-tui\[figures\]'"):
        loss_curves([], x_label="", y_label="")
