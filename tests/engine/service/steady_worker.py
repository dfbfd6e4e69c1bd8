"""A worker without torch that keeps the contract of engine.worker.main: for tests of the queue that need hundreds.

Training appends a line a step and publishes a checkpoint a chunk by rename; every line is a function of its
step, so that what was lost and done again can be compared with what was never disturbed.

A gate is a file `gates/<name>` in the home: the worker waits there while it exists, or until it is asked to
stop. So a test that needs a worker to be at some place need not be quick. Before training takes its run's lock
stands the gate "run", before its step 7 the gate "7", and in a sampling job the one named in its `gate`.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.base.failpoints import reach
from engine.base.files import FileLock, write_json
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.jobs.files import Progress, Result, read_spec, write_progress, write_result

STEPS_PER_EPOCH = 4


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("job")
    parser.add_argument("--lock-fd", type=int)
    given = parser.parse_args()
    folder = JobFolder(Path(given.job))
    home = Home(folder.path.parent.parent)
    spec = read_spec(folder)
    lock = FileLock.adopt(folder.lock, given.lock_fd)
    os.set_inheritable(lock.descriptor, False)
    lock.describe(f"pid {os.getpid()}")
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    reach("worker.start")
    pause = float(spec.args.get("pause", os.environ.get("STEADY_PAUSE", "0.0")))
    print(f"{spec.kind} begins", flush=True)

    def wait_at(gate: str) -> None:
        while (home.root / "gates" / gate).exists() and not stopping:
            time.sleep(0.005)

    if spec.args.get("exit") is not None:
        print("it breaks here", flush=True)
        return int(spec.args["exit"])
    if spec.args.get("ignore_stop"):
        stopping = _Never()
    if spec.kind == "train":
        result = train(home, folder, spec, pause, stopping, wait_at)
    else:
        if spec.args.get("gate"):
            wait_at(spec.args["gate"])
        for step in range(int(spec.args.get("n") or 4)):
            write_progress(folder, Progress("sampling", step, 4, "pictures", time=time.time()))
            time.sleep(pause)
            reach("sample.step")
            if stopping:
                result = Result("stopped", 75, "stopped")
                break
        else:
            result = Result("done", 0, "drawn", run=spec.run)
    reach("worker.before_result")
    write_result(folder, result)
    return result.exit_code


class _Never(list):
    def __bool__(self) -> bool:
        return False


def train(
    home: Home, folder: JobFolder, spec, pause: float, stopping: list, wait_at: Callable[[str], None]
) -> Result:
    run = home.run(spec.run)
    wait_at("run")
    lock = FileLock.try_acquire(run.lock)
    if lock is None:
        return Result("busy", 1, f"run {spec.run} is being trained by another process", run=spec.run)
    target = spec.args["to_epoch"] * STEPS_PER_EPOCH
    steps = [int(p.name) for p in run.checkpoints.glob("[0-9]*")] if run.checkpoints.is_dir() else []
    step = max(steps, default=0)
    state = (run.checkpoint(step).path / "state").read_text() if step else ""
    lines = run.metrics.read_text().splitlines()[:step] if step else []
    run.metrics.write_text("".join(f"{line}\n" for line in lines))
    with lock, open(run.metrics, "a") as metrics:
        while step < target and not stopping:
            wait_at(str(step + 1))
            if stopping:
                break
            step += 1
            state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
            metrics.write(state + "\n")
            metrics.flush()
            facts = {"step": step, "epoch": step / STEPS_PER_EPOCH, "to_epoch": spec.args["to_epoch"]}
            write_progress(folder, Progress("training", step, target, **facts, time=time.time()))
            time.sleep(pause)
            reach("train.step")
            if step % STEPS_PER_EPOCH == 0:
                publish(run, step, state)
        if stopping and step < target:
            publish(run, step, state)
            return Result("stopped", 75, f"stopped at step {step}", run=spec.run, step=step, checkpoint=step)
    return Result("done", 0, f"at epoch {step // STEPS_PER_EPOCH}", run=spec.run, step=step, checkpoint=step)


def publish(run, step: int, state: str) -> None:
    target = run.checkpoint(step)
    if target.path.exists():
        return
    building = run.checkpoints / f".{step}.new"
    building.mkdir(parents=True, exist_ok=True)
    (building / "state").write_text(state)
    reach("checkpoint.before_rename")
    files = {"state": {"size": 64, "sha256": hashlib.sha256(state.encode()).hexdigest()}}
    manifest = {
        "format": 1,
        "step": step,
        "epoch": step // STEPS_PER_EPOCH,
        "images": step,
        "position": step % STEPS_PER_EPOCH,
        "steps_per_epoch": STEPS_PER_EPOCH,
        "architecture": "none",
        "files": files,
    }
    write_json(building / "manifest.json", manifest)
    building.rename(target.path)
    reach("checkpoint.after_rename")


if __name__ == "__main__":
    try:
        code = main()
    except Exception as error:  # the contract: a worker's failure is in its result
        folder = JobFolder(Path(sys.argv[1]))
        write_result(folder, Result("failed", 1, f"{type(error).__name__}: {error}"))
        print(json.dumps({"error": str(error)}), flush=True)
        code = 1
    sys.exit(code)
