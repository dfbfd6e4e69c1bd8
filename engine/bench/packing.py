"""Packing against Pillow alone: the same JPEGs, the same number of processes, in turns.

`python -m engine.bench.packing FOLDER FIRST EVERY WAY RECIPE SIZE` is one process that only decodes: every EVERY-th
file from FIRST, read before the clock starts.
"""

import io
import os
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from PIL import Image

from engine.base.home import Home
from engine.bench.options import Options
from engine.bench.timing import Timings
from engine.data.catalog import add_source
from engine.data.packing import pack
from engine.data.pool import available_cores
from engine.data.recipes import crop_box
from engine.jobs.context import Work

COUNT, MANY = 40_000, 200_000
"""Pictures that are packed and decoded in turns, and pictures packed once to see what memory they take."""
DIFFERENT = 64
WIDTH, HEIGHT = 178, 218
GRAIN = 4.0
"""Noise that brings a drawn face to about the 6.6 kB that CelebA's JPEGs have on average."""

WAYS: Final = {
    "decoded": "decoded whole",
    "reduced": "decoded as packing does it",
    "scaled": "decoded, cropped and scaled as packing does it",
}
"""What Pillow alone is asked for, from memory, the pixels thrown away."""


def measure_packing(work: Work, scratch: Path, size: int, recipe: str, options: Options) -> dict[str, Any]:
    """Return pictures a second: packed at `size`, and by Pillow alone; memory for few pictures and for many."""
    count, many = (1000, 4000) if options.quick else (COUNT, MANY)
    folder = scratch / "jpegs"
    work.report("packing", text="bench: writing JPEGs")
    mean = write_jpegs(folder, count)
    cores = available_cores()
    times = {what: Timings() for what in ("packed", *WAYS)}
    with _memory() as few_peak:  # not while it is timed: looking at memory takes time of its own
        _pack(work, scratch / "packing-few", folder, size, recipe)
    for number in range(1 if options.quick else 3):
        for way in WAYS:
            work.raise_if_stopping()
            work.report("packing", text=f"bench: {WAYS[way]}")
            times[way].add(*_decode_all(folder, count, cores, way, recipe, size))
        work.report("packing", text="bench: packing")
        times["packed"].add(*_pack(work, scratch / f"packing-{number}", folder, size, recipe))
    work.report("packing", text=f"bench: packing {many:,}")
    write_jpegs(folder, many)
    with _memory() as many_peak:
        many_seconds, _ = _pack(work, scratch / "packing-many", folder, size, recipe)
    return {
        "pictures": count,
        "bytes_per_picture": mean,
        "processes": cores,
        "size": size,
        "recipe": recipe,
        "rows": [
            {
                "what": WAYS.get(what, what),
                "pictures_per_s": count / series.seconds,
                "pictures_per_cpu_s": count / series.cpu_seconds,
                "share_reached": series.seconds / times["packed"].seconds,
                "share_reached_cpu": series.cpu_seconds / times["packed"].cpu_seconds,
            }
            for what, series in times.items()
        ],
        "peak_bytes": few_peak[0],
        "many": many,
        "many_packed_per_s": many / many_seconds,
        "many_peak_bytes": many_peak[0],
    }


def _pack(work: Work, root: Path, folder: Path, size: int, recipe: str) -> tuple[float, float]:
    """Pack a folder in a home of its own, removed again; return seconds, and CPU seconds of all processes."""
    home = Home(root).create()
    add_source(home, folder, "bench")
    started, cpu = time.perf_counter(), _cpu_seconds()
    pack(home, "bench", size, recipe, should_stop=lambda: work.stopping is not None)
    seconds, cpu_seconds = time.perf_counter() - started, _cpu_seconds() - cpu
    shutil.rmtree(root)
    return seconds, cpu_seconds


def _cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


@contextmanager
def _memory(every: float = 0.25) -> Iterator[list[int]]:
    """Yield a list that gets one figure: the peak of this process's and its children's own bytes, above the start."""
    me, over, peak = psutil.Process(), threading.Event(), [0]

    def own() -> int:
        total = 0
        for process in (me, *me.children(recursive=True)):
            with suppress(psutil.Error):
                # Pages of the packed file that are shared with the kernel's cache are not counted.
                total += process.memory_full_info().uss
        return total

    def watch() -> None:
        while not over.wait(every):
            peak[0] = max(peak[0], own() - before)

    before = own()
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def write_jpegs(folder: Path, count: int) -> float:
    """Write `count` JPEGs of CelebA's shape and size: a few drawn faces with grain, under many names. Return mean
    bytes."""
    from engine.data.faces import faces

    folder.mkdir(parents=True, exist_ok=True)
    grain = np.random.default_rng(0)
    contents = []
    for face in faces(0, 0, min(DIFFERENT, count), WIDTH):
        tall = np.pad(face, ((HEIGHT - WIDTH, 0), (0, 0), (0, 0)), mode="edge").astype(np.float32)
        noisy = np.clip(tall + grain.normal(0, GRAIN, tall.shape), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=75)
        contents.append(file.getvalue())
    for number in range(count):
        (folder / f"{number:06d}.jpg").write_bytes(contents[number % len(contents)])
    return sum(map(len, contents)) / len(contents)


def _decode_all(
    folder: Path, count: int, processes: int, way: str, recipe: str, size: int
) -> tuple[float, float]:
    """Return the seconds in which `processes` processes do all: pictures over the sum of their speeds; and their CPU
    seconds."""
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "engine.bench.packing", str(folder), str(i), str(processes), way, recipe, str(size)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for i in range(processes)
    ]  # fmt: skip
    speed = cpu = 0.0
    for child in children:
        said, _ = child.communicate()
        pictures, seconds, cpu_seconds = map(float, said.split())
        speed += pictures / seconds
        cpu += cpu_seconds
    return count / speed, cpu


def decode_some(
    folder: Path, first: int, every: int, way: str, recipe: str, size: int
) -> tuple[int, float, float]:
    """Return pictures, seconds and CPU seconds of this process alone."""
    contents = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))[first::every]]
    random.Random(0).shuffle(contents)
    box = crop_box(recipe, WIDTH, HEIGHT)
    factor = 2 if way != "decoded" and box.side >= 4 * size else 1
    left, top, right, bottom = map(round, box.divided(factor))
    started, cpu = time.perf_counter(), time.process_time()
    for content in contents:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as picture:
            if factor > 1:
                picture.draft("RGB", (WIDTH // factor, HEIGHT // factor))
            picture.load()
            if way == "scaled":
                square = picture.crop((left, top, right, bottom))
                square.resize((size, size), Image.Resampling.BICUBIC).tobytes()
    return len(contents), time.perf_counter() - started, time.process_time() - cpu


if __name__ == "__main__":
    where, start, step, how, crop, pixels = sys.argv[1:]
    print(*decode_some(Path(where), int(start), int(step), how, crop, int(pixels)))
