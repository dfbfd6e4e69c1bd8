"""The attributes of built-in faces that a person would ask for, as labels."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.data.faces.attributes import Attributes, attributes

LABELS: Final[dict[str, Callable[[Attributes], bool]]] = {
    "smiling": lambda a: a.mouth in ("smile", "grin", "laugh"),
    "eyeglasses": lambda a: a.glasses in ("round", "square"),
    "sunglasses": lambda a: a.glasses == "sun",
    "hat": lambda a: a.hat != "none",
    "beard": lambda a: a.beard in ("goatee", "full"),
    "earrings": lambda a: a.earring != "none",
    "long_hair": lambda a: a.hair in ("long", "wavy"),
    "bald": lambda a: a.hair == "bald",
    "fair_hair": lambda a: a.hair_tone in (6, 7),
    "scarf": lambda a: a.clothing == "scarf",
}
"""Each name with whether a face has it. Mirrored, a face has the same ones."""

NAMES: Final = tuple(LABELS)


def face_labels(seed: int, count: int) -> NDArray[np.int8]:
    """int8 (count, K): +1 present, −1 absent, of faces 0 … count−1 of the set `seed`, in the order of NAMES."""
    found = np.empty((count, len(LABELS)), np.int8)
    for index in range(count):
        face = attributes(seed, index)
        found[index] = [1 if has(face) else -1 for has in LABELS.values()]
    return found
