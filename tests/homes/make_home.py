"""Make a small home that holds one of everything, as the installed program writes it, and pack it.

    python -m tests.homes.make_home .venv/bin/ddpm-tui tests/homes/NAME.tar.xz

The queue has a job in each state. Engine and worker are killed at the end, so the next engine finds one job "running"
and one "starting". `test_old_homes.py` opens such homes with the program as it is now. The digests are those of the
program that made the home, and name the kind of CPU they hold for.
"""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

PROFILE = """
description = "a small network for tests"
[data]
dataset = "dots"
size = 16
recipe = "whole"
[model]
width = 4
multipliers = [1, 2]
groups = 2
head_dim = 4
blocks_per_level = 1
dropout = 0.1
[diffusion]
steps = 50
[optim]
warmup_steps = 5
[training]
epochs = 6
chunk_epochs = 3
batch_size = 8
micro_batch = 4
keep_epochs = [1]
log_every = 1
precision = "fp32"
threads = 1
device = "cpu"
validation_pictures = 4
preview_count = 2
scores = 0
[sampling]
steps = 3
"""
SETTINGS = """[queue]
on_crash = "requeue"
crash_limit = {limit}
retry_delay_s = 600
devices = {devices}
"""
PLACE = "@HOME@"
"""Stands for the home's folder in the files of a packed home that name it."""


def cpu() -> str:
    """What the bits of a training on this machine depend on besides the program."""
    return f"{torch.__version__.split('+')[0]} {torch.backends.cpu.get_cpu_capability()}"


def weights(run: Path) -> dict[str, str]:
    """SHA-256 of the newest checkpoint's weight files."""
    newest = sorted(path for path in (run / "checkpoints").iterdir() if path.name.isdecimal())[-1]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in newest.glob("*.safetensors")}


class Maker:
    def __init__(self, program: Path, home: Path) -> None:
        self.program, self.home = program, home
        self.env = {**os.environ, "DDPM_HOME": str(home), "OMP_NUM_THREADS": "1", "DDPM_KEEPER": "itself"}

    def run(self, *words: str, failpoints: str = "", fails: bool = False) -> str:
        env = {**self.env, "DDPM_FAILPOINTS": failpoints}
        done = subprocess.run(
            [str(self.program), *words],
            env=env,
            cwd=self.home.parent,
            check=False,
            text=True,
            capture_output=True,
        )
        print("$ ddpm-tui", *words, "\n  ", (done.stdout + done.stderr).strip().replace("\n", "\n   "))
        if done.returncode and not fails:
            raise SystemExit(f"exit code {done.returncode}")
        return done.stdout

    def settings(self, limit: int = 3, devices: tuple[str, ...] = ("cpu",)) -> None:
        text = SETTINGS.format(limit=limit, devices=json.dumps(devices))
        (self.home / "settings.toml").write_text(text)

    def queue(self, *words: str) -> str:
        """Queue something; the new job's id."""
        self.run("queue", *words)
        return max(path.name for path in (self.home / "jobs").iterdir() if path.name.isdecimal())

    def state(self, job: str) -> str:
        with sqlite3.connect(f"file:{self.home / 'queue.db'}?mode=ro", uri=True) as connection:
            return str(connection.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()[0])

    def until(self, job: str, state: str) -> None:
        wait(lambda: self.state(job) == state, f"job {job} is {state}")

    def kill_all(self) -> None:
        """Kill the engine, then its workers, as a power cut would."""
        kill(int((self.home / "engine.lock").read_text().removeprefix("pid ")))
        for folder in sorted((self.home / "jobs").iterdir()):
            self.kill_worker(folder.name)

    def kill_worker(self, job: str) -> None:
        for pid in processes_of(self.home / "jobs" / job):
            kill(pid)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def processes_of(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(folder) in command:
                found.append(int(process.name))
    return found


def wait(right: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 300
    while not right():
        if time.monotonic() > end:
            raise SystemExit(f"never: {what}")
        time.sleep(0.01)


def fill(maker: Maker) -> dict[str, Any]:
    """Fill the home by the program's own commands; the facts that the test compares with."""
    home, run, queue = maker.home, maker.run, maker.queue
    (home / "profiles").mkdir(parents=True)
    (home / "profiles/tiny.toml").write_text(PROFILE)
    (home / "keymap.toml").write_text('[queue]\nadd_training = "A"\n')
    maker.settings()
    pictures = home / "pictures"
    pictures.mkdir()
    for i in range(40):
        dice = np.random.default_rng(i)
        picture = np.full((16, 16, 3), dice.integers(0, 255, 3), np.uint8)
        y, x = dice.integers(2, 12, 2)
        picture[y : y + 4, x : x + 4] = dice.integers(0, 255, 3)
        Image.fromarray(picture).save(pictures / f"{i:02d}.png")
    run("data", "add", str(pictures), "--name", "dots")
    run("train", "tiny", "--run", "straight")
    expected = weights(home / "runs/straight")
    run("runs", "delete", "straight")
    run("trash", "purge", "--yes")
    run("train", "tiny", "--run", "parent", "--to-epoch", "2")
    run("train", "tiny", "--set", "training.seed=1", "--set", "training.epochs=2", "--run", "finished")
    run("train", "tiny", "--set", "training.seed=2", "--run", "gone", "--to-epoch", "1")
    run("checkpoints", "tag", "parent@e1", "first")
    run("sample", "parent@e1", "-n", "2", "--trajectory", str(home.parent / "t.gif"))
    run("evaluate", "parent@latest", "-n", "2", "--measures", "eps_error,val_loss")
    run("runs", "branch", "parent@e1", "--set", "optim.lr=1e-4", "--name", "branch")
    run("train", "branch", "--to-epoch", "3")
    run("runs", "branch", "parent@e2", "--set", "optim.lr=2e-4", "--name", "fresh")
    run("checkpoints", "delete", "finished@e1")
    run("runs", "delete", "gone")
    run("checkpoints", "export", "parent@latest", str(home / "exported"))

    jobs: dict[str, str] = {}
    run("queue", "hold")
    jobs["done"] = queue("sample", "parent@e1", "-n", "2")
    jobs["failed"] = queue("sample", str(home / "exported") + "/", "-n", "1")
    jobs["cancelled"] = queue("evaluate", "parent@e1", "-n", "2")
    run("queue", "cancel", jobs["cancelled"])
    (home / "exported").rename(home / "away")
    run("queue", "resume")
    maker.until(jobs["done"], "done")
    maker.until(jobs["failed"], "failed")
    (home / "away").rename(home / "exported")
    run("engine", "stop")
    # A worker that dies at its first step: at the limit of one crash its job is held.
    maker.settings(limit=1)
    run("engine", "start", failpoints="train.step:1=kill")
    jobs["held"] = queue("train", "fresh", "--to-epoch", "5")
    maker.until(jobs["held"], "held")
    run("engine", "stop")
    maker.settings()
    run(
        "train",
        "tiny",
        "--set",
        "training.seed=3",
        "--set",
        "training.epochs=40",
        "--run",
        "shaken",
        "--to-epoch",
        "1",
    )
    run("queue", "hold")
    jobs["interrupted"] = queue("train", "shaken", "--to-epoch", "40", "--priority", "now")
    jobs["paused"] = queue("train", "branch", "--to-epoch", "4")
    run("queue", "pause", jobs["paused"])
    jobs["running"] = queue("train", "parent", "--to-epoch", "6")
    jobs["starting"] = queue("sample", "parent@e1", "-n", "1", "--seed", "5", "--device", "cuda:0")
    run("queue", "pause", jobs["starting"])
    jobs["queued"] = queue("sample", "parent@e2", "-n", "2", "--priority", "normal")
    jobs["after"] = queue("sample", "parent@latest", "-n", "1", "--after", jobs["running"])
    run("engine", "stop")
    # Two slots, and an engine that dies just before it starts its third worker; its first is killed, its second trains.
    maker.settings(devices=("cpu", "cuda:0"))
    run("engine", "start", failpoints="service.before_spawn:3=kill")
    run("queue", "resume")
    maker.until(jobs["interrupted"], "running")
    shaken = home / "runs/shaken/metrics.jsonl"
    had = shaken.read_text().count("\n")
    wait(lambda: shaken.read_text().count("\n") > had, "it trains")
    maker.kill_worker(jobs["interrupted"])
    maker.until(jobs["interrupted"], "interrupted")
    maker.until(jobs["running"], "running")
    run("queue", "resume", jobs["starting"], fails=True)
    maker.until(jobs["starting"], "starting")
    steps = home / "runs/parent/metrics.jsonl"
    had = steps.read_text().count("\n")
    wait(lambda: steps.read_text().count("\n") > had + 2, "it trains")
    maker.kill_all()
    maker.settings()
    with sqlite3.connect(home / "queue.db") as connection:
        # An engine passes through this state in one breath; this is what one that is killed there leaves.
        connection.execute("UPDATE jobs SET state = 'interrupted' WHERE id = ?", (jobs["interrupted"],))
    states = {name: maker.state(job) for name, job in jobs.items()}
    return {"cpu": cpu(), "jobs": jobs, "states": states, "weights": {"parent at epoch 6": expected}}


def main() -> None:
    program, out = Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()
    with tempfile.TemporaryDirectory() as work:
        home = Path(work) / "home"
        maker = Maker(program, home)
        facts = fill(maker)
        for name in ("engine.sock", "tui.log"):
            (home / name).unlink(missing_ok=True)
        for path in home.rglob("*"):
            if path.is_file() and path.suffix in (".json", ".toml", ".log", ".txt", ".jsonl"):
                path.write_bytes(path.read_bytes().replace(os.fsencode(home), PLACE.encode()))
        (home / "facts.json").write_text(json.dumps(facts, indent=1))
        shutil.rmtree(home / "compile-cache", ignore_errors=True)
        with tarfile.open(out, "w:xz") as tar:
            tar.add(home, "home", filter=lambda member: _anonymous(member))
    print(json.dumps(facts, indent=1))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
