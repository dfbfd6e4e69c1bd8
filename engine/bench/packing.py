"""Packing against bare decoding: the same JPEGs, the same number of processes, in turns.

`python -m engine.bench.packing FOLDER FIRST EVERY REDUCE` is one process that only decodes: every EVERY-th file
from FIRST, read before the clock starts, with the decoder asked for 1/REDUCE of the size.
"""

import io
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from engine.bench.options import Options
from engine.bench.timing import Series
from engine.data.catalog import add_source
from engine.data.packing import pack
from engine.data.pool import available_cores
from engine.home import Home
from engine.work import Work

COUNT, MANY = 12_000, 200_000
"""Pictures that are packed and decoded in turns, and pictures packed once to see what memory they take."""
DIFFERENT = 64
WIDTH, HEIGHT = 178, 218
GRAIN = 4.0
"""Noise that brings a drawn face to about the 6.6 kB that CelebA's JPEGs have on average."""


def measure_packing(work: Work, scratch: Path, size: int, recipe: str, options: Options) -> dict[str, Any]:
    """Pictures a second: packed at `size`, and decoded and thrown away; memory for few pictures and for many."""
    count, many = (1000, 4000) if options.quick else (COUNT, MANY)
    folder = scratch / "jpegs"
    work.report("packing", text="bench: writing JPEGs")
    mean = write_jpegs(folder, count)
    cores = available_cores()
    packed, decoded, reduced = Series(), Series(), Series()
    for number in range(1 if options.quick else 3):
        work.raise_if_stopping()
        work.report("packing", text="bench: decoding")
        decoded.wall.append(_decode_all(folder, count, cores, 1))
        reduced.wall.append(_decode_all(folder, count, cores, 2))
        work.report("packing", text="bench: packing")
        seconds, few_bytes = _pack(work, scratch / f"packing-{number}", folder, size, recipe)
        packed.wall.append(seconds)
    work.report("packing", text=f"bench: packing {many:,}")
    write_jpegs(folder, many)
    many_seconds, many_bytes = _pack(work, scratch / "packing-many", folder, size, recipe)
    return {
        "pictures": count,
        "bytes_per_picture": mean,
        "processes": cores,
        "size": size,
        "recipe": recipe,
        "packed_per_s": count / packed.seconds,
        "decoded_per_s": count / decoded.seconds,
        "decoded_half_per_s": count / reduced.seconds,
        "share_of_decode": decoded.seconds / packed.seconds,
        "share_of_half_decode": reduced.seconds / packed.seconds,
        "peak_bytes": few_bytes,
        "many": many,
        "many_packed_per_s": many / many_seconds,
        "many_peak_bytes": many_bytes,
    }


def _pack(work: Work, root: Path, folder: Path, size: int, recipe: str) -> tuple[float, int]:
    """Pack a folder in a home of its own, removed again: seconds, and peak memory above what there was before."""
    home = Home(root).create()
    add_source(home, folder, "bench")
    with _memory() as peak:
        started = time.perf_counter()
        pack(home, "bench", size, recipe, should_stop=lambda: work.stopping is not None)
        seconds = time.perf_counter() - started
    shutil.rmtree(root)
    return seconds, peak[0]


@contextmanager
def _memory(every: float = 0.25) -> Iterator[list[int]]:
    """The most that this process and its children had to themselves meanwhile, above the start: one figure, bytes."""
    me, over, peak = psutil.Process(), threading.Event(), [0]

    def own() -> int:
        total = 0
        for process in (me, *me.children(recursive=True)):
            with suppress(psutil.Error):
                # Pages of the packed file that are shared with the kernel's cache are nobody's own.
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
    """`count` JPEGs of CelebA's shape and weight: a few drawn faces with grain, under many names. Mean bytes."""
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


def _decode_all(folder: Path, count: int, processes: int, reduce: int) -> float:
    """Seconds in which `processes` processes decode everything: pictures over the sum of their speeds."""
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "engine.bench.packing", str(folder), *map(str, (i, processes, reduce))],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for i in range(processes)
    ]
    speed = 0.0
    for child in children:
        said, _ = child.communicate()
        speed += float(said)
    return count / speed


def decode_some(folder: Path, first: int, every: int, reduce: int) -> float:
    """Pictures a second of this process alone."""
    contents = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))[first::every]]
    random.Random(0).shuffle(contents)
    started = time.perf_counter()
    for content in contents:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as picture:
            if reduce > 1:
                picture.draft("RGB", (picture.width // reduce, picture.height // reduce))
            picture.load()
    return len(contents) / (time.perf_counter() - started)


if __name__ == "__main__":
    print(decode_some(Path(sys.argv[1]), *map(int, sys.argv[2:5])))
