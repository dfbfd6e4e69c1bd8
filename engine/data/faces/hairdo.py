"""Hair behind and in front of the head, and hats."""

import numpy as np
from numpy.typing import NDArray

from engine.data.faces.canvas import Plane, both, box, ellipse, mix, union
from engine.data.faces.palette import CLOTHES, HAIRS, INK
from engine.data.faces.portrait import Portrait

WHITE = np.ones(3, np.float32)
WARM_SHINE = np.array([1.0, 0.93, 0.85], np.float32)
COVERING = ("beanie", "cap", "brim")


def behind(p: Portrait) -> None:
    """Draw the hair behind the shoulders and the neck."""
    x, y, w = p.x, p.y, p.a.head_width
    style = p.a.hair
    if style == "long":
        shape = union(ellipse(x, y + 0.12, w + 0.13, 0.62), box(x, y - 0.45, w + 0.12, 0.7, 0.2))
    elif style == "wavy":
        wave = x + 0.045 * np.sin(9.0 * y) * np.sign(x)
        shape = union(ellipse(wave, y + 0.12, w + 0.15, 0.63), box(wave, y - 0.4, w + 0.15, 0.62, 0.25))
    elif style == "bob":
        shape = union(ellipse(x, y + 0.12, w + 0.13, 0.6), box(x, y - 0.12, w + 0.12, 0.42, 0.2))
    elif style == "afro":
        shape = _bumpy(ellipse(x, y + 0.16, 0.8, 0.74), x, y, 0.03, 17)
    elif style == "bun":
        shape = ellipse(x, y + 0.1, w + 0.03, 0.6)
    else:
        return
    p.canvas.fill(shape, _strands(p) * np.float32(0.72))


def front(p: Portrait) -> None:
    """Draw the hair over the skull, with the face cut out."""
    a, x, y, w = p.a, p.x, p.y, p.a.head_width
    style, side = a.hair, a.hair_side
    if style == "bald":
        p.canvas.glow_plane(p.x - np.float32(0.16 * np.sign(a.light)), p.y + 0.42, 0.12, WHITE, 0.35)
        return
    skull = ellipse(x, y + 0.12, w + 0.045, 0.585)
    face = ellipse(p.fx, y - 0.16, w * 0.88, 0.55)
    above = np.asarray(y - 0.02, np.float32)
    if style == "crop":
        shape = both(ellipse(x, y + 0.12, w + 0.02, 0.565), -box(p.fx, y - 0.2, w * 0.86, 0.56, 0.16), above)
    elif style == "side":
        part = ellipse(p.fx + side * 0.2, y - 0.2, w * 1.05, 0.56)
        shape = both(ellipse(x, y + 0.15, w + 0.06, 0.6), -both(part, face - 0.06), above)
    elif style == "quiff":
        tuft = ellipse(x - side * 0.06, y + 0.56, 0.4, 0.23)
        shape = union(both(ellipse(x, y + 0.12, w + 0.025, 0.57), -face, above), both(tuft, -face))
    elif style == "curly":
        mass = _bumpy(ellipse(x, y + 0.2, w + 0.12, 0.62), x, y, 0.06, 11)
        shape = both(mass, -_bumpy(face, x, y, 0.04, 13), np.asarray(y - 0.06, np.float32))
    elif style == "afro":
        shape = both(_bumpy(ellipse(x, y + 0.16, 0.78, 0.72), x, y, 0.025, 17), -_bumpy(face, x, y, 0.02, 15))
        shape = both(shape, np.asarray(y - 0.25, np.float32))
    elif style == "fringe":
        window = box(p.fx, y - 0.35, w * 0.86, 0.55, 0.1)
        shape = both(skull, -window, np.asarray(y - 0.25, np.float32))
    elif style in ("long", "wavy"):
        wave = 0.04 * np.sin(9.0 * y) if style == "wavy" else np.float32(0)
        # Two parts that divide above the brow, off the middle.
        middle = p.fx - np.float32(0.07 * side)
        curtain = ellipse(middle + wave, y - 0.26, w * 0.8, 0.72)
        peak = np.asarray(np.abs(middle) * 0.9 - (y + 0.44), np.float32)
        outer = union(ellipse(x, y + 0.13, w + 0.12, 0.63), box(x, y - 0.3, w + 0.11, 0.55, 0.2))
        shape = both(outer, -both(curtain, peak), np.asarray(y - 0.72, np.float32))
    elif style == "bob":
        window = box(p.fx + side * 0.05, y - 0.38, w * 0.82, 0.62, 0.14)
        outer = union(ellipse(x, y + 0.13, w + 0.12, 0.61), box(x, y - 0.1, w + 0.11, 0.4, 0.2))
        shape = both(outer, -window)
    elif style == "bun":
        knot = _bumpy(ellipse(x, y + 0.78, 0.2, 0.17), x, y, 0.01, 12)
        shape = union(
            knot, both(skull, -ellipse(p.fx, y - 0.16, w * 0.92, 0.58), np.asarray(y - 0.05, np.float32))
        )
    else:  # a receding hairline
        crown = union(face, ellipse(p.fx, y + 0.28, w * 0.62, 0.36))
        shape = both(ellipse(x, y + 0.1, w + 0.025, 0.55), -crown, np.asarray(y - 0.04, np.float32))
    if a.hat in COVERING:
        shape = both(shape, np.asarray(-0.42 - y, np.float32))
    # A soft shadow on the brow makes the hair look thick.
    p.canvas.fill(
        both(shape - 0.05, p.head), p.skin * np.array([0.55, 0.36, 0.34], np.float32), 0.3, soft=0.1
    )
    p.canvas.fill(shape, _strands(p))


def hat(p: Portrait) -> None:
    a, x, y, w = p.a, p.x, p.y, p.a.head_width
    if a.hat == "none":
        return
    cloth = CLOTHES[a.hat_tone]
    dark = mix(cloth, INK, 0.35)
    c = p.canvas
    dome = ellipse(x, y + 0.24, w + 0.1, 0.56)
    if a.hat == "beanie":
        c.fill(both(dome, np.asarray(y + 0.24, np.float32)), p.lit(cloth, 0.9))
        ribs = 0.5 + 0.5 * np.sin(46 * x)
        band = box(x, y + 0.3, w + 0.09, 0.085, 0.05)
        c.fill(band, p.lit(mix(cloth, WHITE, 0.18), 0.9))
        c.blend(c.cover(band) * np.asarray(0.25 * ribs, np.float32), dark)
        c.fill(ellipse(x, y + 0.84, 0.11, 0.1), mix(cloth, WHITE, 0.45))
    elif a.hat == "cap":
        c.fill(both(dome, np.asarray(y + 0.3, np.float32)), p.lit(cloth, 0.9))
        c.fill(ellipse(x - np.float32(0.12 * a.hair_side), y + 0.29, w + 0.08, 0.085), p.lit(dark, 0.7))
    elif a.hat == "brim":
        crown = both(ellipse(x, y + 0.3, w * 0.95, 0.52), np.asarray(y + 0.32, np.float32))
        c.fill(crown, p.lit(cloth, 0.9))
        c.fill(both(crown, np.asarray(-0.47 - y, np.float32)), dark)
        c.fill(ellipse(x, y + 0.34, 0.86, 0.1), p.lit(cloth, 0.9))
    else:
        arc = y + np.float32(0.42) - 0.35 * (x * x)
        over = ellipse(x, y + 0.14, w + 0.09, 0.62)
        c.fill(both(np.asarray(np.abs(arc) - 0.06, np.float32), over), p.lit(cloth, 0.8))


def _bumpy(shape: Plane, x: Plane, y: Plane, depth: float, count: int) -> Plane:
    """Return a shape with curls along its edge."""
    angle = np.arctan2(y + 0.1, x)
    return np.asarray(shape + depth * np.abs(np.sin(count * angle / 2)) - depth, dtype=np.float32)


def _strands(p: Portrait) -> NDArray[np.float32]:
    """Return the hair's colour per pixel: light, a band of shine, and strands that follow the skull."""
    base = HAIRS[p.a.hair_tone]
    lit = p.lit(base, 0.8)
    angle = np.arctan2(p.y + 0.05, p.x)
    radius = np.hypot(p.x, p.y + 0.05)
    if p.a.hair in ("curly", "afro"):
        texture = 0.5 * np.sin(34 * p.x + 9 * np.sin(21 * p.y)) * np.sin(31 * p.y)
    elif p.a.hair in ("long", "wavy", "bob"):
        texture = 0.6 * np.sin(52 * p.x + 6 * np.sin(5 * p.y))
    else:
        texture = 0.6 * np.sin(38 * angle + 4 * radius)
    shine = np.exp(-(((radius - 0.52) / 0.07) ** 2)) * np.clip(0.6 + p.a.light * p.x - 0.6 * p.y, 0, 1)
    bright = mix(base, WARM_SHINE, 0.2 + 0.25 * float(base.mean()))
    amount = np.clip(0.09 * texture + 0.42 * shine, -0.15, 0.6)[..., None]
    return np.asarray(np.clip(lit + (bright - base) * amount * 1.6, 0, 1), dtype=np.float32)
