"""A tiny run that trains in a second, and the shipped worker on it."""

import json
import os
import subprocess
import sys
from typing import Any

from engine.base.folders import JobFolder, RunFolder
from engine.base.home import Home
from engine.config.store import build_profile
from engine.jobs.files import new_job_folder
from engine.runs.record import create_run
from tests import forked

TINY: dict[str, Any] = {
    "data": {"dataset": "dots", "size": 16, "recipe": "whole"},
    "model": {
        "width": 8,
        "multipliers": [1, 2],
        "groups": 4,
        "head_dim": 8,
        "blocks_per_level": 1,
        "dropout": 0.1,
    },
    "diffusion": {"steps": 50},
    "optim": {"warmup_steps": 5},
    "training": {
        "epochs": 4,
        "chunk_epochs": 2,
        "batch_size": 8,
        "micro_batch": 4,
        "keep_epochs": [1],
        "log_every": 3,
        "precision": "fp32",
        "threads": 1,
        "validation_pictures": 8,
        "preview_count": 2,
        "scores": 0,
    },
    "sampling": {"steps": 3},
}

BRANCH_STUDY = """
title = "Rates"
kind = "branch"
[full]
base = "tiny"
set = ["training.chunk_epochs=1", "optim.schedule=constant"]
epochs = 2
branch_epoch = 1
sheet_epochs = [1, 2]
seeds = [0]
samples = 4
[variants]
fast = ["optim.lr=1e-3"]
slow = ["optim.lr=1e-5"]
"""


def make_run(home: Home, name: str, **sections: dict[str, Any]) -> RunFolder:
    """A run of the tiny profile with some sections changed."""
    data = {**TINY, **{key: {**TINY.get(key, {}), **value} for key, value in sections.items()}}
    create_run(home, name, build_profile(data, "tiny"))
    return home.run(name)


def job(home: Home, run: RunFolder, to_epoch: int) -> JobFolder:
    return new_job_folder(home, "train", run.name, {"to_epoch": to_epoch})


def work(
    job: JobFolder, failpoints: str = "", timeout: float = 120, afresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the shipped worker on a job, with failpoints; `timeout` in seconds.

    afresh: in an interpreter of its own, for what is set before the imports; else forked from one that has them.
    """
    env = {**os.environ, "DDPM_FAILPOINTS": failpoints, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "engine.worker"] if afresh else forked.command()
    return subprocess.run([*command, str(job.path)], env=env, capture_output=True, text=True, timeout=timeout)


def bits(run: RunFolder) -> dict[str, str]:
    """SHA-256 of the newest checkpoint's weights, as its manifest says."""
    newest = sorted(run.checkpoints.glob("[0-9]*"))[-1]
    files = json.loads((newest / "manifest.json").read_text())["files"]
    return {name: entry["sha256"] for name, entry in files.items()}


def metrics_without_clocks(run: RunFolder) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    clocks = ("time", "images_per_s", "seconds")
    return [{key: value for key, value in line.items() if key not in clocks} for line in lines]
