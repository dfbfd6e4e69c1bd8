"""The attributes of a built-in face: independent, each a pure function of (seed, index)."""

from dataclasses import dataclass, fields
from typing import get_args

import numpy as np

from engine.data.faces.palette import BACKGROUNDS, CLOTHES, EYES, HAIRS, LIPS, SKINS
from engine.data.faces.words import (
    Beard,
    Brow,
    Clothing,
    Earring,
    EyeShape,
    Glasses,
    HairStyle,
    Hat,
    HeadShape,
    Mouth,
    Nose,
    Scene,
)


@dataclass(frozen=True)
class Attributes:
    """The attributes of one picture. Numbers named `*_tone` index a palette; the others are fractions, or in face
    units, in which the picture is 2 high and wide with its centre at 0.
    """

    head: HeadShape = "oval"
    head_width: float = 0.5
    skin_tone: int = 2
    hair: HairStyle = "side"
    hair_tone: int = 2
    hair_side: int = 1
    eyes: EyeShape = "almond"
    eye_tone: int = 0
    eye_size: float = 1.0
    gaze: tuple[float, float] = (0.0, 0.0)
    brow: Brow = "arched"
    brow_weight: float = 1.0
    nose: Nose = "straight"
    mouth: Mouth = "smile"
    lip_tone: int = 0
    beard: Beard = "none"
    glasses: Glasses = "none"
    hat: Hat = "none"
    hat_tone: int = 3
    earring: Earring = "none"
    clothing: Clothing = "crew"
    clothing_tone: int = 1
    scene: Scene = "gradient"
    scene_tone: int = 0
    light: float = -0.6
    blush: float = 0.4
    freckles: bool = False
    age: float = 0.2
    tilt: float = 0.0
    yaw: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)


NAMES = tuple(field.name for field in fields(Attributes))


def attributes(seed: int, index: int) -> Attributes:
    """Return the attributes of face `index` of the set `seed`, independent of all other faces."""
    draw = np.random.Generator(np.random.Philox(key=[seed & (2**64 - 1), index]))

    def one_of(kind: object, weights: tuple[float, ...] | None = None) -> str:
        words = get_args(kind)
        p = np.array(weights or [1.0] * len(words))
        return str(words[draw.choice(len(words), p=p / p.sum())])

    def tone(palette: object, weights: tuple[float, ...] | None = None) -> int:
        count = len(palette)  # type: ignore[arg-type]
        p = np.array(weights or [1.0] * count)
        return int(draw.choice(count, p=p / p.sum()))

    def near(middle: float, spread: float, limit: float) -> float:
        return float(np.clip(draw.normal(middle, spread), middle - limit, middle + limit))

    # A beard rarely goes together with long hair or earrings; all other attributes are independent.
    masculine = draw.random() < 0.5
    hair = one_of(HairStyle, (3, 3, 2, 2, 1, 2, 0.3, 0.3, 0.2, 0.3, 1.4, 1.4) if masculine
                  else (0.6, 1, 1, 1, 1, 1.3, 3, 3, 2.5, 2, 0.1, 0.15))  # fmt: skip
    values = {
        "head": one_of(HeadShape),
        "head_width": near(0.5, 0.025, 0.05),
        "skin_tone": tone(SKINS),
        "hair": hair,
        "hair_tone": tone(HAIRS, (3, 3, 3, 2.5, 2, 2, 1.5, 1.5, 1, 0.5, 0.35)),
        "hair_side": int(draw.choice([-1, 1])),
        "eyes": one_of(EyeShape),
        "eye_tone": tone(EYES, (4, 3, 2, 2, 1.5)),
        "eye_size": near(1.0, 0.08, 0.18),
        "gaze": (near(0, 0.4, 1.0), near(0, 0.2, 0.6)),
        "brow": one_of(Brow),
        "brow_weight": near(1.15 if masculine else 0.85, 0.15, 0.35),
        "nose": one_of(Nose),
        "mouth": one_of(Mouth, (3, 3, 2, 1.2, 1, 0.7)),
        "lip_tone": tone(LIPS, (5, 3, 0.3, 0.2) if masculine else (2, 2, 2, 1.5)),
        "beard": one_of(Beard, (4, 1.5, 1, 1, 1.6) if masculine else (1, 0, 0, 0, 0)),
        "glasses": one_of(Glasses, (6, 1, 1, 0.5)),
        "hat": one_of(Hat, (8, 0.8, 0.7, 0.6, 0.5)),
        "hat_tone": tone(CLOTHES),
        "earring": one_of(Earring, (8, 0.7, 0.3) if masculine else (3, 1.5, 1.2)),
        "clothing": one_of(Clothing),
        "clothing_tone": tone(CLOTHES),
        "scene": one_of(Scene),
        "scene_tone": tone(BACKGROUNDS),
        "light": float(draw.choice([-1, 1])) * near(0.6, 0.2, 0.4),
        "blush": float(draw.uniform(0.1, 0.9)),
        "freckles": bool(draw.random() < 0.12),
        "age": float(draw.beta(1.2, 2.2)),
        "tilt": near(0, 0.06, 0.15),
        "yaw": near(0, 0.35, 0.9),
        "shift": (near(0, 0.03, 0.07), near(0, 0.025, 0.06)),
    }
    return Attributes(**values)  # type: ignore[arg-type]
