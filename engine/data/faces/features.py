"""Facial features: eyes, brows, nose, mouth, beard, glasses, cheeks, lines."""

import numpy as np

from engine.data.faces.canvas import Plane, both, box, curve, ellipse, mix, union
from engine.data.faces.palette import EYES, HAIRS, INK, LENS, LIPS, METAL, TEETH, WHITE_OF_EYE, Colour
from engine.data.faces.portrait import Portrait

EYE_X, EYE_Y = 0.205, -0.02
MOUTH_Y = 0.35
SHADOW = np.array([0.55, 0.33, 0.32], np.float32)
WHITE = np.ones(3, np.float32)


def eyes(p: Portrait) -> None:
    a, c = p.a, p.canvas
    wide = 0.128 * a.eye_size
    high = {"almond": 0.068, "round": 0.088, "narrow": 0.046, "drooping": 0.064}[a.eyes] * a.eye_size
    slant = {"almond": -0.12, "round": 0.0, "narrow": -0.06, "drooping": 0.22}[a.eyes]
    laugh = 0.8 if a.mouth in ("laugh", "grin") else 1.0
    for side in (-1, 1):
        x = p.fx - np.float32(side * EYE_X)
        y = p.y - np.float32(EYE_Y) - np.float32(slant * side) * x
        # A soft shadow of the socket, so that the eye lies inside the head.
        c.glow_plane(x, y + 0.03, 0.16, p.skin * SHADOW, 0.28)
        white = ellipse(x, y, wide, high * laugh)
        c.fill(white, mix(WHITE_OF_EYE, p.skin, 0.08))
        ix, iy = x - np.float32(a.gaze[0] * 0.035), y - np.float32(a.gaze[1] * 0.02)
        iris = EYES[a.eye_tone]
        c.fill(both(white, ellipse(ix, iy, 0.064, 0.064)), iris)
        c.fill(both(white, ellipse(ix, iy - 0.012, 0.04, 0.04)), mix(iris, WHITE, 0.25), 0.6)
        c.fill(both(white, ellipse(ix, iy, 0.033, 0.033)), INK)
        spark = float(np.sign(a.light)) * 0.024
        c.fill(ellipse(ix - np.float32(spark), iy + 0.026, 0.02, 0.02), WHITE, 0.95)
        lid = curve(x, y + 0.004, wide * 1.05, -high * laugh, 0.02, 0.5)
        c.fill(lid, mix(INK, p.skin, 0.12), 0.95)
        c.fill(curve(x, y, wide, high * laugh, 0.007), p.skin * SHADOW, 0.5)


def brows(p: Portrait) -> None:
    a = p.a
    hair = HAIRS[a.hair_tone]
    colour = mix(hair, INK, 0.25) if hair.mean() < 0.6 else mix(hair, SHADOW, 0.45)
    height = {"arched": 0.165, "straight": 0.15, "raised": 0.215, "stern": 0.125, "soft": 0.16}[a.brow]
    rise = {"arched": -0.05, "straight": -0.005, "raised": -0.06, "stern": -0.012, "soft": -0.03}[a.brow]
    slant = {"arched": 0.0, "straight": 0.0, "raised": -0.05, "stern": 0.26, "soft": 0.12}[a.brow]
    slant = slant if a.brow == "stern" else -slant
    thick = {"soft": 0.02}.get(a.brow, 0.027) * a.brow_weight
    for side in (-1, 1):
        x = p.fx - np.float32(side * EYE_X)
        y = p.y - np.float32(EYE_Y - height) + np.float32(slant * side) * x
        p.canvas.fill(curve(x, y, 0.135, rise, thick, 0.45), colour, 0.92)


def nose(p: Portrait) -> None:
    a, c = p.a, p.canvas
    tip, wide = {
        "straight": (0.17, 0.062),
        "button": (0.13, 0.045),
        "broad": (0.175, 0.105),
        "long": (0.235, 0.062),
        "snub": (0.12, 0.085),
    }[a.nose]
    away = -float(np.sign(a.light))
    x = p.fx - np.float32(0.03 * a.yaw)
    dark, light = p.skin * SHADOW, mix(p.skin, WHITE, 0.55)
    ridge = np.exp(-(((x - away * 0.062) / 0.035) ** 2)) * np.clip((p.y + 0.1) * 4, 0, 1)
    c.blend(ridge * c.cover(p.y - np.float32(tip), 0.06) * np.float32(0.42), dark)
    c.glow_plane(x + away * 0.012, p.y - 0.05, 0.05, light, 0.3)
    c.glow_plane(x + away * 0.015, p.y - np.float32(tip - 0.03), 0.05, light, 0.55)
    c.fill(curve(x, p.y - np.float32(tip), wide, 0.035, 0.016, 0.6), dark, 0.75)
    for side in (-1, 1):
        c.fill(ellipse(x - side * wide * 0.6, p.y - np.float32(tip + 0.012), 0.02, 0.014), SHADOW * 0.5, 0.55)


def mouth(p: Portrait) -> None:
    a, c = p.a, p.canvas
    x, y = p.fx - np.float32(0.015 * a.yaw), p.y - np.float32(MOUTH_Y)
    lips = mix(LIPS[a.lip_tone], p.skin * np.array([0.85, 0.55, 0.52], np.float32), 0.15)
    line = lips * np.float32(0.42)
    inside = np.array([0.32, 0.09, 0.1], np.float32)
    if a.mouth == "smile":
        _lips(p, x, y, 0.185, 0.075, 0.035, lips)
        c.fill(curve(x, y, 0.2, 0.06, 0.016, 0.4), line)
    elif a.mouth == "grin":
        _lips(p, x, y, 0.215, 0.12, 0.045, lips)
        c.fill(_between(x, y, 0.2, 0.015, 0.115), TEETH)
        c.fill(curve(x, y, 0.205, 0.015, 0.011), line, 0.8)
    elif a.mouth == "laugh":
        _lips(p, x, y + 0.02, 0.205, 0.19, 0.045, lips)
        opened = _between(x, y + 0.02, 0.19, 0.005, 0.185)
        c.fill(opened, inside)
        c.fill(both(opened, np.asarray(y - 0.055, np.float32)), TEETH)
        c.fill(both(opened, ellipse(x, y - 0.19, 0.1, 0.06)), np.array([0.75, 0.36, 0.38], np.float32))
    elif a.mouth == "pout":
        c.fill(ellipse(x, y - 0.02, 0.115, 0.036), lips)
        c.fill(ellipse(x, y - 0.065, 0.1, 0.045), mix(lips, WHITE, 0.12))
        c.fill(curve(x, y - 0.035, 0.105, -0.012, 0.012), line)
    elif a.mouth == "wry":
        tilted = y + np.float32(0.22 * a.hair_side) * x
        _lips(p, x, tilted, 0.16, 0.055, 0.03, lips)
        c.fill(curve(x, tilted, 0.175, 0.03, 0.016, 0.4), line)
    else:
        _lips(p, x, y, 0.155, 0.055, 0.035, lips)
        c.fill(curve(x, y - 0.008, 0.165, 0.006, 0.014, 0.3), line)


def _lips(p: Portrait, x: Plane, y: Plane, wide: float, low: float, high: float, colour: Colour) -> None:
    p.canvas.fill(_between(x, y, wide, -high * 0.75, low + 0.02), colour, 0.9)
    p.canvas.glow_plane(x, y - np.float32(low), 0.06, mix(colour, WHITE, 0.5), 0.4)


def _between(x: Plane, y: Plane, wide: float, top: float, bottom: float) -> Plane:
    """Return the crescent between two arcs that meet at x = ±wide."""
    u = np.clip(1 - (x / wide) ** 2, 0, 1)
    return np.asarray(np.maximum.reduce([top * u - y, y - bottom * u, np.abs(x) - wide]), dtype=np.float32)


def beard(p: Portrait) -> None:
    a, c = p.a, p.canvas
    if a.beard == "none":
        return
    x, y = p.fx, p.y
    colour = mix(HAIRS[a.hair_tone], INK, 0.12)
    moustache = curve(x, y - 0.29, 0.17, -0.05, 0.045, 0.55)
    clear = ellipse(x, y - 0.06, p.a.head_width * 0.8, 0.33)
    jaw = both(p.head, np.asarray(0.1 - y, np.float32), -clear)
    chin = both(p.head, np.asarray(0.44 - y + 0.6 * x * x, np.float32))
    full = union(jaw, chin, moustache)
    if a.beard == "stubble":
        c.fill(full, mix(colour, p.skin, 0.25), 0.38, soft=0.12)
    elif a.beard == "full":
        c.fill(union(full, both(p.head - 0.045, np.asarray(0.3 - y, np.float32), -clear)), p.lit(colour, 0.8))
    elif a.beard == "goatee":
        c.fill(union(moustache, both(p.head, ellipse(x, y - 0.53, 0.17, 0.13))), p.lit(colour, 0.8))
    else:
        c.fill(moustache, p.lit(colour, 0.8))


def cheeks_and_lines(p: Portrait) -> None:
    a, c = p.a, p.canvas
    rosy = mix(p.skin, np.array([0.9, 0.32, 0.3], np.float32), 0.55)
    dark = p.skin * SHADOW
    for side in (-1, 1):
        c.glow_plane(p.fx - side * 0.29, p.y - 0.17, 0.13, rosy, 0.95 * a.blush)
        if a.age > 0.45:
            x = (p.fx - side * 0.235) * side
            fold = curve(p.y - 0.27, x - 0.0, 0.11, 0.035, 0.012, 0.6)
            c.fill(fold, dark, 0.6 * (a.age - 0.3))
            under = curve(p.fx - side * EYE_X, p.y - 0.075, 0.1, 0.03, 0.01, 0.6)
            c.fill(under, dark, 0.5 * (a.age - 0.35))
    if a.age > 0.6:
        for row in (-0.32, -0.26):
            c.fill(curve(p.fx, p.y - np.float32(row), 0.2, -0.02, 0.009, 0.5), dark, 0.9 * (a.age - 0.5))
    if a.freckles:
        spots = np.random.Generator(np.random.Philox(key=a.scene_tone))
        for fx, fy in spots.uniform(-1, 1, (16, 2)):
            c.glow_plane(p.fx - np.float32(0.32 * fx), p.y - np.float32(0.14 + 0.09 * fy), 0.02, dark, 0.75)


def glasses(p: Portrait) -> None:
    a, c = p.a, p.canvas
    if a.glasses == "none":
        return
    lenses = []
    for side in (-1, 1):
        x, y = p.fx - np.float32(side * 0.215), p.y - np.float32(EYE_Y + 0.01)
        round_ones = a.glasses == "round"
        lenses.append(ellipse(x, y, 0.175, 0.17) if round_ones else box(x, y, 0.18, 0.135, 0.05))
    both_lenses = union(*lenses)
    bridge = curve(p.fx, p.y - np.float32(EYE_Y + 0.0), 0.05, -0.025, 0.015)
    arms = box(p.x, p.y - np.float32(EYE_Y - 0.03), p.a.head_width * 1.0, 0.016, 0.01)
    arms = both(arms, np.asarray(0.36 - np.abs(p.fx), np.float32))
    if a.glasses == "sun":
        c.fill(union(both_lenses, bridge, arms), LENS)
        shine = np.clip(0.35 - 1.6 * (p.y - EYE_Y) + 0.5 * p.fx, 0, 0.35)
        c.blend(
            c.cover(both_lenses + 0.03) * np.asarray(shine, np.float32),
            np.array([0.6, 0.72, 0.85], np.float32),
        )
        return
    c.fill(both_lenses, WHITE, 0.1)
    rim = np.asarray(np.abs(both_lenses) - 0.017, np.float32)
    c.fill(union(rim, bridge, arms), METAL, 0.95)
