"""Drawing a portrait from attributes: scene, shoulders, head, features, hair, from back to front."""

import numpy as np
from numpy.typing import NDArray

from engine.data.faces import features, hairdo
from engine.data.faces.attributes import Attributes
from engine.data.faces.canvas import box, ellipse, mix
from engine.data.faces.palette import BACKGROUNDS, CLOTHES, GOLD, INK
from engine.data.faces.portrait import WARM_DARK, Portrait


def draw_face(attributes: Attributes, size: int) -> NDArray[np.uint8]:
    """Return the portrait, uint8 (size, size, 3). The same attributes and size give the same bytes on one machine."""
    p = Portrait(attributes, size)
    _scene(p)
    hairdo.behind(p)
    _neck_and_clothes(p)
    _ears(p)
    p.canvas.fill(p.head, p.lit(p.skin))
    features.beard(p)
    features.mouth(p)
    features.nose(p)
    features.eyes(p)
    features.cheeks_and_lines(p)
    hairdo.front(p)
    features.brows(p)
    features.glasses(p)
    hairdo.hat(p)
    return p.canvas.bytes()


def _scene(p: Portrait) -> None:
    c, (bright, deep) = p.canvas, BACKGROUNDS[p.a.scene_tone]
    c.rgb[:] = mix(bright, deep, 0.25)
    if p.a.scene == "gradient":
        c.blend(np.clip(0.5 + 0.35 * c.y + 0.3 * c.x * np.sign(-p.a.light), 0, 1), deep)
    elif p.a.scene == "glow":
        c.rgb[:] = deep
        c.glow(0.5 * float(np.sign(p.a.light)), -0.4, 1.1, bright, 1.0)
    elif p.a.scene == "horizon":
        c.rgb[:] = bright
        c.fill(np.asarray(0.05 - c.y + 0.05 * np.sin(2.5 * c.x + p.a.scene_tone), np.float32), deep)
    elif p.a.scene == "bokeh":
        c.rgb[:] = mix(bright, deep, 0.6)
        for k in range(7):
            # A golden-angle spiral, whose spots never align.
            angle, radius = 2.4 * k + p.a.scene_tone, 0.35 + 0.12 * k
            cx, cy = radius * np.cos(angle), radius * np.sin(angle) - 0.1
            c.fill(ellipse(c.x - cx, c.y - cy, 0.2 + 0.02 * k, 0.2 + 0.02 * k), bright, 0.45, soft=0.08)
    c.blend(np.clip(0.22 * (c.x**2 + c.y**2) - 0.12, 0, 0.3), mix(deep, INK, 0.6))


def _neck_and_clothes(p: Portrait) -> None:
    c, x, y = p.canvas, p.x * 0.5 + p.canvas.x * 0.5, p.canvas.y - np.float32(p.a.shift[1])
    width = p.a.head_width * 0.46
    c.fill(box(x, y - 0.72, width, 0.42, 0.06), p.lit(p.skin))
    # The chin's shadow on the neck.
    c.blend(
        c.cover(box(x, y - 0.72, width, 0.42, 0.06)) * np.clip(1.35 - 1.25 * y, 0, 0.55), p.skin * WARM_DARK
    )
    cloth = CLOTHES[p.a.clothing_tone]
    body = ellipse(x, y - 1.2, 0.9, 0.46)
    fabric = p.lit(cloth, 0.7)
    if p.a.clothing == "stripes":
        stripe = np.sin(p.canvas.y * 26) > 0.1
        other = mix(cloth, np.ones(3, np.float32), 0.65 if cloth.mean() < 0.6 else -0.35)
        fabric = np.where(stripe[..., None], fabric, p.lit(np.clip(other, 0, 1), 0.7))
    opening = ellipse(x, y - 0.76, width * 1.15, 0.13)
    if p.a.clothing in ("v", "collar"):
        opening = np.asarray(np.maximum(np.abs(x) * 1.6 + y - 1.05, 0.6 - y), np.float32)
    cover = c.cover(body) * (1 - c.cover(opening) * (p.a.clothing != "scarf"))
    c.blend(cover, fabric)
    if p.a.clothing == "collar":
        for side in (-1, 1):
            wing = box(x - side * (width + 0.02) - (y - 0.84) * side * 0.3, y - 0.84, 0.085, 0.13, 0.02)
            c.fill(wing, p.lit(mix(cloth, np.ones(3, np.float32), 0.55), 0.6))
    if p.a.clothing == "scarf":
        for k, offset in enumerate((0.0, 0.13)):
            roll = ellipse(x, y - 0.78 - offset, width * 1.5 + 0.06 * k, 0.11)
            c.fill(roll, p.lit(mix(cloth, INK, 0.15 * k), 0.9))


def _ears(p: Portrait) -> None:
    c = p.canvas
    for side in (-1, 1):
        # The cheek hides the ear on the side to which the face turns.
        reach = p.a.head_width * (0.99 if p.a.head != "long" else 0.9) - 0.05 * max(0.0, side * p.a.yaw)
        ear = ellipse(p.x - side * reach, p.y - 0.03, 0.075, 0.125)
        c.fill(ear, p.lit(p.skin))
        c.fill(ellipse(p.x - side * (reach + 0.01), p.y - 0.03, 0.035, 0.07), p.skin * WARM_DARK, 0.45)
        if p.a.earring == "stud":
            c.fill(ellipse(p.x - side * (reach + 0.03), p.y - 0.16, 0.045, 0.045), GOLD)
        elif p.a.earring == "hoop":
            ring = np.abs(ellipse(p.x - side * (reach + 0.035), p.y - 0.25, 0.075, 0.1)) - 0.02
            c.fill(np.asarray(ring, np.float32), GOLD)
