"""Matching colours, RGB in 0…1."""

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]


def _row(*codes: str) -> tuple[Colour, ...]:
    return tuple(
        np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)], dtype=np.float32) for code in codes
    )


SKINS = _row(
    "fbe0cc", "f6d0b1", "f0c19b", "e3ab80", "d1946a", "b97a52", "a56a48", "8f5a3f", "7a4a35", "66402f"
)
HAIRS = _row(
    "17131a",
    "2a1c18",
    "43291c",
    "5d3a22",
    "7c4f2c",
    "a06f3a",
    "cfa25b",
    "e6c98a",
    "a8482a",
    "b9b4b0",
    "8a4f7d",
)
EYES = _row("3b2417", "8f5f2c", "3f74a0", "4d7a55", "7d7a6c")
LIPS = _row("a9574f", "e08a90", "c8203c", "6a1f3c")
CLOTHES = _row(
    "2f4858",
    "33658a",
    "86bbd8",
    "f6ae2d",
    "f26419",
    "b5443a",
    "6a994e",
    "a7c957",
    "7f5a83",
    "d5bdaf",
    "e9e5dc",
    "3d3a4b",
)
BACKGROUNDS = tuple(
    _row(*pair)
    for pair in (
        ("cfe3ef", "8fb8d0"), ("f7e1c6", "e0a96d"), ("dfe7d3", "93b48b"), ("efd9dd", "c98a97"),
        ("e6e0ef", "9d90c2"), ("f3efe6", "c2b59b"), ("b7d8d6", "4f8a8b"), ("5a6b82", "2b3548"),
        ("8c5b4a", "4a2c2a"), ("ffe8a3", "f0a35e"),
    )
)  # fmt: skip
TEETH, WHITE_OF_EYE, INK = _row("fbf7ef", "f7f4ee", "231a1c")
METAL, LENS, GOLD = _row("3a3538", "1c2026", "e8c15a")
