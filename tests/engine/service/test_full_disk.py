"""A disk so full that a worker cannot even say so. A limit of its files' size, zero, stands in for the disk."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.data.catalog import add_source
from engine.jobs.files import read_progress, read_result
from tests import tiny

from .support import ROOT, Service, add, make_home, wait_for

SHIPPED = [sys.executable, "-P", "-m", "engine.worker"]


@pytest.fixture
def shop(tmp_path: Path, pictures: Path) -> Home:
    home = make_home(tmp_path / "home", devices=["cpu"])
    add_source(home, pictures, "dots")
    tiny.make_run(home, "r", training={"epochs": 4000, "chunk_epochs": 1, "log_every": 1})
    return home


def fill_up(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def is_training(home: Home, job: str) -> bool:
    progress = read_progress(home.job(job))
    return progress is not None and progress.phase == "training"


@pytest.mark.slow
@pytest.mark.e2e
def test_a_training_ends_with_73_where_nothing_can_be_written_any_more(shop: Home) -> None:
    environment = {**os.environ, "DDPM_HOME": str(shop.root), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ddpm_tui.cli.main", "train", "r", "--to-epoch", "4000"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as train:
        wait_for(lambda: is_training(shop, "000001"), what="it trains")
        fill_up(int(re.findall(r"pid (\d+)", shop.job("000001").lock.read_text())[0]))
        _, errors = train.communicate(timeout=120)
    assert train.returncode == 73, errors
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: no room to write "), errors
    assert "free some space" in errors.splitlines()[-1]
    assert read_result(shop.job("000001")) is None, "not even that could be written"


@pytest.mark.slow
@pytest.mark.e2e
def test_in_the_queue_it_is_paused_and_no_crash(shop: Home, services: Callable[..., Service]) -> None:
    service = services(shop, command=SHIPPED, OMP_NUM_THREADS="1")
    job = service.request("train", target="r", to_epoch=4000)["job"]["id"]
    wait_for(lambda: is_training(shop, job), timeout=120, what="it trains")
    pid = int(service.job(job)["pid"])
    fill_up(pid)
    ended = service.until(job, "paused", "failed", "held", "done", timeout=120)
    assert (ended["state"], ended["crashes"]) == ("paused", 0), ended["history"]
    service.request("resume", ids=[job])
    wait_for(lambda: is_training(shop, job) and service.job(job)["pid"] not in (None, pid), timeout=120)
    os.kill(int(service.job(job)["pid"]), signal.SIGTERM)


@pytest.mark.parametrize(("code", "state", "crashes"), [(73, "paused", 0), (0, "done", 0), (3, "held", 3)])
def test_the_exit_code_counts_where_there_is_no_result(
    service: Service, code: int, state: str, crashes: int
) -> None:
    ended = service.until(add(service, exit=code), state, "failed")
    assert (ended["state"], ended["crashes"]) == (state, crashes), ended["history"]
