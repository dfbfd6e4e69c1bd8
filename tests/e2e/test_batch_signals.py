"""What a batch system such as Slurm sends some time before it ends a job: SIGUSR1 or SIGUSR2, to real workers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.data.catalog import add_source
from engine.runs.checkpoints import list_checkpoints, verify
from tests.engine.service.support import Service, make_home, metrics, wait_for
from tests.tiny import bits, make_run, metrics_without_clocks

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

AHEAD = [signal.SIGUSR1, signal.SIGUSR2]
QUICK = {
    "epochs": 4000,
    "log_every": 1,
    "validation_pictures": 0,
    "preview_every": 0,
    "keep_epochs": [],
    "chunk_epochs": 1000,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Home:
    home = make_home(tmp_path_factory.mktemp("ahead") / "home", devices=["cpu"])
    add_source(home, pictures, "dots")
    return home


def train(home: Home, run: str, to_epoch: int) -> "subprocess.Popen[str]":
    """`ddpm-tui train` in the foreground, as a batch script calls it."""
    there = {"DDPM_HOME": str(home.root), "PYTHONPATH": str(Path(__file__).parents[2])}
    words = ["train", run, "--to-epoch", str(to_epoch)]
    return subprocess.Popen(
        [sys.executable, "-m", "ddpm_tui.cli.main", *words], env={**os.environ, **there},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def newest_whole_step(home: Home, run: str) -> int:
    """The step of its newest checkpoint, which a signal made."""
    found = list_checkpoints(home.run(run))
    assert [verify(info.folder) for info in found] == [None] * len(found)
    return found[-1].step


@pytest.mark.parametrize("number", AHEAD)
def test_a_foreground_training_checkpoints_and_goes_on_to_the_same_bits(home: Home, number: int) -> None:
    name = f"front-{number}"
    run = make_run(home, name, training=QUICK)
    process = train(home, name, 4000)
    wait_for(lambda: len(metrics(home, name)) > 3, what="it trains")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 75, out + err
    assert "go on with: ddpm-tui train" in err
    step = newest_whole_step(home, name)
    to_epoch = step // 7 + 1
    again = train(home, name, to_epoch)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    straight = make_run(home, f"straight-{number}", training=QUICK)
    assert train(home, straight.name, to_epoch).wait(120) == 0
    assert bits(run) == bits(straight)
    assert metrics_without_clocks(run) == metrics_without_clocks(straight)


def test_a_queued_training_checkpoints_and_goes_on_by_itself(home: Home) -> None:
    run = make_run(home, "queued", training=QUICK)
    service = Service(home, [sys.executable, "-m", "engine.worker"], OMP_NUM_THREADS="1")
    try:
        job = service.request("train", target="queued", to_epoch=4000)["job"]["id"]
        reached = 0
        for attempt, number in enumerate(AHEAD, 1):
            wait_for(lambda least=reached: len(metrics(home, "queued")) > least + 3, what="it trains")
            worker = service.job(job)["pid"]
            os.kill(worker, number)
            wait_for(lambda before=attempt: service.job(job)["attempt"] == before + 1, what="it starts again")
            step = newest_whole_step(home, "queued")
            assert step > reached
            reached = step
        shown = service.job(job)
        assert (shown["state"], shown["crashes"]) in (("starting", 0), ("running", 0))
        said = [event["reason"] for event in shown["history"]]
        assert sum("stopped from outside, after a checkpoint" in reason for reason in said) >= 2
        steps = [line["step"] for line in metrics_without_clocks(run) if line["kind"] == "train"]
        assert steps == sorted(set(steps))
        service.request("cancel", ids=[job])
        assert service.until(job)["state"] == "cancelled"
    finally:
        service.close()
