"""Drawing with implicit shapes: a shape is a signed distance, and its edge is one pixel soft."""

import numpy as np
from numpy.typing import NDArray

from engine.data.faces.palette import Colour

Plane = NDArray[np.float32]


def mix(a: Colour, b: Colour, amount: float) -> Colour:
    """Interpolate from a (0) to b (1)."""
    return np.asarray(a + (b - a) * np.float32(amount), dtype=np.float32)


def ellipse(x: Plane, y: Plane, a: float, b: float) -> Plane:
    """Return the signed distance (accurate near the edge) to an ellipse of half-axes a, b around the origin."""
    k_0 = np.sqrt((x / a) ** 2 + (y / b) ** 2)
    k_1 = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2)
    return np.asarray(k_0 * (k_0 - 1) / np.maximum(k_1, 1e-4), dtype=np.float32)


def box(x: Plane, y: Plane, a: float, b: float, corner: float) -> Plane:
    """Return the signed distance to a rectangle of half-sides a, b with round corners."""
    dx, dy = np.abs(x) - (a - corner), np.abs(y) - (b - corner)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return np.asarray(outside + np.minimum(np.maximum(dx, dy), 0) - corner, dtype=np.float32)


def curve(x: Plane, y: Plane, width: float, rise: float, thick: float, taper: float = 0.0) -> Plane:
    """Return the signed distance to a brush stroke along y = rise·(1 − (x/width)²) for |x| ≤ width; `taper` thins its
    ends.
    """
    u = np.clip(x / width, -1, 1)
    slope = 2 * rise * u / width
    across = np.abs(y - rise * (1 - u * u)) / np.sqrt(1 + slope * slope)
    beyond = np.maximum(np.abs(x) - width, 0)
    return np.asarray(np.hypot(across, beyond) - thick * (1 - taper * u * u), dtype=np.float32)


def union(*shapes: Plane) -> Plane:
    return np.asarray(np.minimum.reduce(shapes), dtype=np.float32)


def both(*shapes: Plane) -> Plane:
    """Return the intersection of shapes."""
    return np.asarray(np.maximum.reduce(shapes), dtype=np.float32)


class Canvas:
    """A picture being drawn: `rgb` is (size, size, 3) float32 0…1; x to the right, y down, −1…1."""

    def __init__(self, size: int) -> None:
        axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
        self.x, self.y = np.meshgrid(axis, axis)
        self.pixel = 2 / size
        self.rgb = np.zeros((size, size, 3), np.float32)

    def cover(self, distance: Plane, soft: float = 0.0) -> Plane:
        """Return the fraction of each pixel that is inside; `soft` widens the edge, in face units."""
        return np.asarray(np.clip(0.5 - distance / max(self.pixel, soft), 0, 1), dtype=np.float32)

    def blend(self, amount: Plane, colour: Colour) -> None:
        """Blend `colour` (3,) or (size, size, 3) over the picture, with weight `amount` per pixel."""
        rows, columns = (np.flatnonzero(amount.max(axis=axis) > 1e-3) for axis in (1, 0))
        if not len(rows):
            return
        # Most shapes are small: computing only their part of the picture halves the time of a face.
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        below = self.rgb[part]
        below += amount[part][..., None] * ((colour[part] if colour.ndim == 3 else colour) - below)

    def fill(self, distance: Plane, colour: Colour, opacity: float = 1.0, soft: float = 0.0) -> None:
        self.blend(self.cover(distance, soft) * np.float32(opacity), colour)

    def glow(self, x: float, y: float, radius: float, colour: Colour, opacity: float) -> None:
        """Add a soft round spot."""
        distance = ((self.x - x) ** 2 + (self.y - y) ** 2) / radius**2
        self.blend(np.exp(-distance) * np.float32(opacity), colour)

    def glow_plane(self, x: Plane, y: Plane, radius: float, colour: Colour, opacity: float) -> None:
        """Add a soft spot at the origin of the given coordinates."""
        spot = np.exp(-(x * x + y * y) / np.float32(radius**2)) * np.float32(opacity)
        self.blend(np.asarray(spot, dtype=np.float32), colour)

    def bytes(self) -> NDArray[np.uint8]:
        return np.asarray(np.clip(self.rgb * 255 + 0.5, 0, 255), dtype=np.uint8)
