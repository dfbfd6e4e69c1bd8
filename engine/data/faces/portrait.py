"""A face while it is drawn: the position of the head, its light, and the canvas."""

import numpy as np
from numpy.typing import NDArray

from engine.data.faces.attributes import Attributes
from engine.data.faces.canvas import Canvas, Plane, box, ellipse
from engine.data.faces.palette import SKINS, Colour

ZOOM = np.float32(0.9)
"""Below 1, the head is larger in the picture than in the coordinates."""
WARM_DARK = np.array([0.60, 0.44, 0.42], np.float32)
WARM_LIGHT = np.array([1.0, 0.95, 0.86], np.float32)


class Portrait:
    """The state of a portrait. `x`, `y` are turned and moved with the head; `fx` also with its yaw, for features of
    the face; `in_shadow` and `in_light` are the lighting of a head-shaped solid.
    """

    def __init__(self, attributes: Attributes, size: int) -> None:
        self.a = attributes
        self.canvas = c = Canvas(size)
        dx, dy = attributes.shift
        x, y = c.x - np.float32(dx), c.y - np.float32(dy)
        cos, sin = np.float32(np.cos(attributes.tilt)), np.float32(np.sin(attributes.tilt))
        # Turned about the neck.
        self.x = ZOOM * (cos * x + sin * (y - 0.5))
        self.y = ZOOM * (-sin * x + cos * (y - 0.5)) + np.float32(0.46)
        self.fx = self.x - np.float32(0.075 * attributes.yaw)
        self.skin = SKINS[attributes.skin_tone]
        self.head = _head_shape(self)
        shade = self._light()
        self.in_shadow = np.clip(0.62 - shade, 0, 1)[..., None] * np.float32(0.85)
        self.in_light = np.clip(shade - 0.72, 0, 1)[..., None] * np.float32(0.6)

    def _light(self) -> Plane:
        nx = np.clip(self.x / (self.a.head_width * 1.25), -1, 1)
        ny = np.clip((self.y - 0.02) / 0.8, -1, 1)
        nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0, 1))
        lx, ly, lz = self.a.light, -0.45, 0.75
        return np.asarray((nx * lx + ny * ly + nz * lz) / np.sqrt(lx**2 + ly**2 + lz**2), dtype=np.float32)

    def lit(self, colour: Colour, depth: float = 1.0) -> NDArray[np.float32]:
        """Return `colour` in this portrait's light, per pixel: warm in the shadow, pale in the light."""
        depth_32 = np.float32(depth)
        lit = colour + (colour * WARM_DARK - colour) * (depth_32 * self.in_shadow)
        lit += (WARM_LIGHT - lit) * (depth_32 * self.in_light)
        return np.asarray(lit, dtype=np.float32)


def _head_shape(p: Portrait) -> Plane:
    """Return the signed distance to the head's outline."""
    x, y, w = p.x, p.y, p.a.head_width
    skull = ellipse(x, y + 0.1, w, 0.54)
    if p.a.head == "round":
        jaw = ellipse(x, y - 0.1, w * 1.04, 0.47)
    elif p.a.head == "square":
        jaw = box(x, y - 0.1, w * 0.94, 0.5, 0.27)
    elif p.a.head == "heart":
        jaw = ellipse(x, y - 0.13, w * 0.7, 0.5)
        skull = ellipse(x, y + 0.1, w * 1.05, 0.5)
    elif p.a.head == "long":
        jaw = ellipse(x, y - 0.15, w * 0.8, 0.58)
        skull = ellipse(x, y + 0.1, w * 0.9, 0.55)
    else:
        jaw = ellipse(x, y - 0.11, w * 0.86, 0.52)
    # A smooth union of cheeks and skull.
    blend = np.float32(0.16)
    h = np.clip(0.5 + 0.5 * (jaw - skull) / blend, 0, 1)
    return np.asarray(jaw + (skull - jaw) * h - blend * h * (1 - h), dtype=np.float32)
