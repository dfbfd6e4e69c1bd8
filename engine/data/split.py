"""Division into training and held-out pictures: by the data set's own partition, or else by a hash of each picture's
name.

A picture's part depends on its name alone, so it does not change when others are added or left out. Works on names
only.
"""

import hashlib
from collections.abc import Callable, Sequence
from heapq import nsmallest
from typing import Final

from engine.data.partition import Partition

TRAIN: Final = 0
HELD_OUT: Final = 1
TEST: Final = 2

HELD_OUT_SHARE: Final = 0.02
FEWEST_HELD_OUT: Final = 2
"""The minimum for a score; held out even if that is more than the share, provided that as many are left for training.
"""


def assign(names: Sequence[str], partition: Partition | None) -> tuple[bytearray, bool]:
    """Return one of TRAIN, HELD_OUT, TEST for each name, and whether the partition decides which are held out.

    A partition that names none of the pictures is ignored. Pictures that it does not name are for training. About 2 %
    are held out if there is no partition (or it holds none of these out): at least two if two are left for training,
    else one; at least one is for training.

    Raises ValueError for fewer than two names.
    """
    if len(names) < 2:
        raise ValueError("at least two pictures are needed")
    codes = [partition.code(name) for name in names] if partition else []
    used = any(code is not None for code in codes)
    split = bytearray(code or TRAIN for code in codes) if used else bytearray(len(names))
    training = [index for index, code in enumerate(split) if code == TRAIN]
    by_partition = HELD_OUT in split
    if not by_partition and len(training) >= 2:
        for index in training:
            if _lot(names[index], b"held-out") < HELD_OUT_SHARE:
                split[index] = HELD_OUT
        fewest = FEWEST_HELD_OUT if len(training) >= 2 * FEWEST_HELD_OUT else 1
        if split.count(HELD_OUT) < fewest:
            for index in nsmallest(fewest, training, key=_key(names, b"held-out")):
                split[index] = HELD_OUT
    if TRAIN not in split and not used:
        split[max(range(len(names)), key=_key(names, b"held-out"))] = TRAIN
    return split, by_partition


def choose(names: Sequence[str], limit: int) -> list[int]:
    """Return the indices of `limit` pictures, chosen evenly by a hash of the name; ascending."""
    return sorted(nsmallest(limit, range(len(names)), key=_key(names, b"limit")))


def _key(names: Sequence[str], purpose: bytes) -> "Callable[[int], tuple[float, str]]":
    return lambda index: (_lot(names[index], purpose), names[index])


def _lot(name: str, purpose: bytes) -> float:
    """Return a number in [0, 1), uniformly distributed by name; independent for each purpose."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=6, person=purpose).digest()
    return int.from_bytes(digest, "big") / 2**48
