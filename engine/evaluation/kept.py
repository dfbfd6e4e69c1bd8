"""The partial results of a stopped or killed evaluation: its finished measures and the samples drawn so far.

evaluations/.kept-<digest>/ beside the future scores, named by everything that decides the figures, so that only the
same request finds it. Its loss costs time alone: unwritable parts are not kept, unreadable ones are made again.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.base.errors import DamagedError, DdpmError
from engine.base.files import FileLock, write_json
from engine.base.records import read_json
from engine.runs.evaluations import KEPT, Score, score_from_wire, score_to_wire


class KeptEvaluation:
    """scores: by measure · pairs: uint8 (H, W, 3), the picture of memorisation · samples: uint8 (n, size, size, 3),
    the first n to be drawn · seconds: the time of drawing them."""

    def __init__(self, size: int, folder: Path | None = None, lock: FileLock | None = None) -> None:
        """Make one. size: pixels of a sample's edge. Without a folder nothing is kept."""
        self.scores: dict[str, Score] = {}
        self.pairs: NDArray[np.uint8] | None = None
        self.samples: NDArray[np.uint8] = np.empty((0, size, size, 3), np.uint8)
        self.seconds = 0.0
        self._folder, self._lock = folder, lock
        if folder is not None:
            self._read(folder)

    @classmethod
    def open(cls, evaluations: Path, identity: Mapping[str, Any], size: int) -> "KeptEvaluation":
        """Open the partial results of this request; if another process uses them at this moment, return an empty
        one."""
        text = json.dumps(identity, sort_keys=True, default=str)
        folder = evaluations / f"{KEPT}{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        with contextlib.suppress(OSError, DdpmError):
            evaluations.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(exist_ok=True)
            if (lock := FileLock.try_acquire(folder / "lock")) is not None:
                return cls(size, folder, lock)
        return cls(size)

    def add_score(self, measure: str, score: Score, pairs: NDArray[np.uint8] | None) -> None:
        """Keep a finished measure's score; `pairs`: the pairs so far."""
        self.scores[measure] = score
        if self._folder is None:
            return
        with contextlib.suppress(OSError, DdpmError):
            if pairs is not None:
                np.save(self._folder / "pairs.npy", pairs)
            wire = {name: score_to_wire(one) for name, one in self.scores.items()}
            write_json(self._folder / "scores.json", wire, durable=False)

    def add_samples(self, pictures: NDArray[np.uint8], seconds: float) -> None:
        """Keep the next samples, uint8 (n, size, size, 3), and their seconds. The caller holds them in memory."""
        self.seconds += seconds
        if self._folder is None:
            return
        with contextlib.suppress(OSError, DdpmError):
            with open(self._folder / "samples.u8", "ab") as file:
                file.write(pictures.tobytes())
            write_json(self._folder / "seconds.json", self.seconds, durable=False)

    def clear(self) -> None:
        """Delete everything, as all of it is stored in its final place."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let other processes use the partial results; delete them if they are empty."""
        if self._folder is not None and not self.scores and not self.seconds:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.release()

    def _read(self, folder: Path) -> None:
        with contextlib.suppress(OSError, ValueError, TypeError, DamagedError):
            self.samples = _whole(folder / "samples.u8", self.samples.shape[1:])
            self.seconds = float(read_json(folder / "seconds.json", "the seconds"))
        with contextlib.suppress(OSError, ValueError, EOFError):
            self.pairs = np.load(folder / "pairs.npy", allow_pickle=False)
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, DamagedError):
            found = read_json(folder / "scores.json", "the scores")
            self.scores = {measure: score_from_wire(wire["name"], wire) for measure, wire in found.items()}
        if self.pairs is None:
            self.scores.pop("memorisation", None)


def _whole(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the pictures of `shape` that a file holds.

    The rest of one cut short by a kill is cut off, as others are appended."""
    each = int(np.prod(shape))
    count = path.stat().st_size // each
    os.truncate(path, count * each)
    return np.fromfile(path, np.uint8).reshape(count, *shape)
