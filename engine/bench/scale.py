"""Cost must not grow with the amount of stored pictures, lines of metrics, checkpoints and jobs. Small beside large.

Everything stored here is synthetic (black pictures, made-up lines, empty weights) and goes
through the program's own readers and writers.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.bench.options import Options
from engine.bench.timing import in_turns
from engine.jobs.context import Work
from engine.runs.checkpoints import Manifest, list_checkpoints, prunable
from engine.runs.metrics import Metrics, MetricsWriter
from engine.service.states import Job, State
from engine.service.store import QueueStore
from engine.training.batches import Feeder


def measure_scale(work: Work, scratch: Path, options: Options) -> dict[str, Any]:
    """Return the seconds of each operation with little and with much, and how many times longer the latter takes."""
    shrink = 10 if options.quick else 1
    rows: list[dict[str, Any]] = []
    for measure in (_pictures, _metrics, _checkpoints, _jobs):
        work.raise_if_stopping()
        work.report("starting", text=f"bench: scale,{measure.__name__.replace('_', ' ')}")
        rows += measure(scratch / measure.__name__.strip("_"), shrink)
    return {"rows": rows}


def _compare(
    what: str, unit: str, small: int, large: int, cases: tuple[Callable[[], object], Callable[[], object]]
) -> dict[str, Any]:
    times = in_turns({"small": cases[0], "large": cases[1]}, 21, warm_up=3)
    return {
        "what": what,
        "unit": unit,
        "small": small,
        "large": large,
        "small_s": times["small"].seconds,
        "large_s": times["large"].seconds,
        "factor": times["large"].seconds / times["small"].seconds,
    }


def _pictures(folder: Path, shrink: int) -> list[dict[str, Any]]:
    """Time a batch of 64 out of 2,000 and out of 200,000 pictures at 32 px, memory-mapped."""
    folder.mkdir()
    amounts = (2_000, 200_000 // shrink)
    batches = []
    for amount in amounts:
        path = folder / f"{amount}.u8"
        with open(path, "wb") as file:
            for _ in range(amount // 200):  # written, so that it lies in the page cache as packing leaves it
                file.write(bytes(200 * 3 * 32 * 32))
        pictures = np.memmap(path, np.uint8, "r", shape=(amount, 3, 32, 32))
        feeder = Feeder(
            pictures, np.arange(amount), batch_size=64, steps=200, seed=0, flip=True, device=torch.device("cpu")
        )  # fmt: skip
        step = count()
        batches.append(lambda feeder=feeder, step=step: feeder.batch(next(step) % feeder.steps_per_epoch))
    found = _compare("a batch of 64", "packed pictures", *amounts, (batches[0], batches[1]))
    return [found]


def _metrics(folder: Path, shrink: int) -> list[dict[str, Any]]:
    """Time writing one more line, and a reader's reading it."""
    folder.mkdir()
    amounts = (100, 300_000 // shrink)
    line = {
        "kind": "train", "step": 1, "epoch": 0.5, "images": 64, "loss": 0.0512345678, "lr": 1e-3,
        "grad_norm": 0.25, "bad": 0, "time": 1.7e9, "images_per_s": 100.0,
    }  # fmt: skip
    text = (json.dumps(line, separators=(",", ":")) + "\n").encode()
    writers, readers = [], []
    whole = 0.0
    for amount in amounts:
        path = folder / f"{amount}.jsonl"
        path.write_bytes(text * amount)
        writers.append(MetricsWriter(path))
        reader = Metrics(path)
        started = time.perf_counter()
        reader.poll()
        _ = reader.train
        whole = time.perf_counter() - started
        readers.append(reader)

    def follow(index: int) -> Callable[[], object]:
        def one() -> None:
            writers[index].write(line)
            if not readers[index].poll() or not len(readers[index].train["step"]):
                raise AssertionError("a reader did not see the new line")

        return one

    written = _compare(
        "write a line", "lines of metrics", *amounts,
        (lambda: writers[0].write(line), lambda: writers[1].write(line)),
    )  # fmt: skip
    followed = _compare("write and follow a line", "lines of metrics", *amounts, (follow(0), follow(1)))
    for writer in writers:
        writer.close()
    return [written, followed, _once("read all lines once", "lines of metrics", amounts[1], whole)]


def _checkpoints(folder: Path, shrink: int) -> list[dict[str, Any]]:
    """Time a save's and the checkpoints screen's use of the list: it is read whole, so this grows, and is bounded."""
    amounts = (20, 2_000 // shrink)
    lists = []
    for amount in amounts:
        run = RunFolder(folder / str(amount))
        for step in range(1, amount + 1):
            checkpoint = run.checkpoint(step * 100)
            checkpoint.path.mkdir(parents=True)
            manifest = Manifest(step * 100, step, step * 6400, 0, 100, "unet", val_loss=1 / step)
            checkpoint.manifest.write_text(json.dumps(asdict(manifest)))
        lists.append(lambda run=run: prunable(list_checkpoints(run), (1, 5), 2, frozenset()))
    return [_compare("list and choose what to prune", "checkpoints", *amounts, (lists[0], lists[1]))]


def _jobs(folder: Path, shrink: int) -> list[dict[str, Any]]:
    """Time one durable transition, and reading the queue."""
    folder.mkdir()
    amounts = (10, 1_000 // shrink)
    stores, flips = [], []
    for amount in amounts:
        store = QueueStore.open(Home(folder / str(amount)).create().queue_db)
        for number in range(amount):
            store.insert(Job(id=f"job{number:05d}", kind="train", rank=number))
        stores.append(store)
        flips.append(_flip(store))
    moved = _compare("change a job's state", "jobs", *amounts, (flips[0], flips[1]))
    listed = _compare("read the queue", "jobs", *amounts, (stores[0].jobs, stores[1].jobs))
    for store in stores:
        store.close()
    return [moved, listed]


def _flip(store: QueueStore) -> Callable[[], object]:
    """Hold and release the first job in turn."""
    job = store.jobs()[0]

    def one() -> None:
        nonlocal job
        to = State.HELD if job.state is State.QUEUED else State.QUEUED
        job = store.transition(job, [job.state], to, "bench")

    return one


def _once(what: str, unit: str, amount: int, seconds: float) -> dict[str, Any]:
    return {"what": what, "unit": unit, "large": amount, "large_s": seconds}
