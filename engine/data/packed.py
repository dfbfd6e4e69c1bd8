"""Reading a packed data set: memory-mapped pictures and their split. Knows nothing about packing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.base.errors import DamagedError
from engine.base.folders import PackedFolder
from engine.data.manifest import PackedManifest, load_manifest, quick_problems
from engine.data.split import HELD_OUT, TEST, TRAIN


@dataclass(frozen=True)
class Packed:
    """A packed data set, open for reading."""

    folder: PackedFolder
    manifest: PackedManifest
    pictures: NDArray[np.uint8]
    """(N, 3, size, size), 0…255, read-only and memory-mapped: only used parts are read"""
    split: NDArray[np.uint8]
    """(N,): 0 train, 1 held out, 2 test"""
    train: NDArray[np.int64]
    """indices into `pictures`, ascending; the same for the next two"""
    held_out: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def size(self) -> int:
        return self.manifest.size

    def __len__(self) -> int:
        return self.manifest.count


def open_packed(folder: PackedFolder) -> Packed:
    """Open the data without reading the pictures. Raises DamagedError that names a missing file or one with a wrong
    length.
    """
    manifest = load_manifest(folder)
    problems = quick_problems(folder, manifest)
    if problems:
        raise DamagedError(problems[0], f"delete {folder.path}; it is packed again when needed")
    shape = (manifest.count, 3, manifest.size, manifest.size)
    pictures = np.memmap(folder.pictures, np.uint8, "r", shape=shape)
    split = np.fromfile(folder.split, np.uint8)
    train, held_out, test = (np.flatnonzero(split == code) for code in (TRAIN, HELD_OUT, TEST))
    return Packed(folder, manifest, pictures, split, train, held_out, test)
