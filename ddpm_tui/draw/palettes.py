"""Colours of curves: distinct for all common kinds of colour vision, in a bright and a dim form, on dark and light
ground. Knows no Textual."""

from dataclasses import dataclass

import numpy as np
from rich.style import Style

from ddpm_tui.draw.colour import nearest_colour, terminal_colour, to_bytes, to_linear, to_oklab
from ddpm_tui.draw.terminal import Depth

RGB = tuple[int, int, int]

# Okabe & Ito (2008), "Color universal design": safe with every common kind of colour blindness. Black and yellow
# are left out: one cannot be seen on dark ground, the other on light.
OKABE_ITO: tuple[RGB, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
_ANSI_HUES = (6, 3, 2, 5, 4, 1)  # cyan, yellow, green, magenta, blue, red
_LEAST_CONTRAST = 0.5  # of OKLab lightness, between a curve and its ground


@dataclass(frozen=True)
class Ink:
    """The chart's colours: one RGB a curve slot, and the ground, text and muted colours of the theme."""

    curves: tuple[RGB, ...] = OKABE_ITO
    ground: RGB = (18, 18, 18)
    text: RGB = (224, 224, 224)
    muted: RGB = (128, 128, 128)

    def bright(self, slot: int) -> RGB:
        """Return a slot's colour, moved away from the ground until it can be seen on it."""
        return legible(self.curves[slot % len(self.curves)], self.ground)

    def dim(self, slot: int) -> RGB:
        """Return the same colour mixed half with the ground: for lines below a smoother one."""
        # Light is mixed, so half of a white ground leaves less of a colour than half of a black one.
        return blend(self.bright(slot), self.ground, 0.3 if lightness(self.ground) > 0.6 else 0.5)


def curve_style(ink: Ink, slot: int, depth: Depth, dim: bool = False) -> Style:
    """Return the style of a run's line, bright or dim, at this depth.

    With 16 colours the six hues are given out in both their strengths, since the nearest to a dim colour is grey.
    """
    if depth is not Depth.ANSI16:
        return text_style(
            ink.dim(slot) if dim else ink.bright(slot), depth, bold=depth is Depth.NONE and not dim, dim=dim
        )
    light_ground = lightness(ink.ground) > 0.6
    hue = _ANSI_HUES[slot % len(_ANSI_HUES)]
    return Style(color=terminal_colour(hue + (8 if dim == light_ground else 0), depth))


def blend(colour: RGB, other: RGB, part: float) -> RGB:
    """Return `colour` with that part of `other`, mixed in linear light."""
    a, b = (to_linear(np.array(c, dtype=np.uint8)) for c in (colour, other))
    return _rgb(to_bytes(a * np.float32(1 - part) + b * np.float32(part)))


def legible(colour: RGB, ground: RGB) -> RGB:
    """Return the colour itself, or a lighter or darker one of its hue that stands off the ground."""
    light = lightness(ground)
    towards: RGB = (0, 0, 0) if light > 0.6 else (255, 255, 255)
    for part in (0.0, 0.15, 0.3, 0.45, 0.6, 0.75):
        tried = blend(colour, towards, part)
        if abs(lightness(tried) - light) >= _LEAST_CONTRAST:
            return tried
    return towards


def lightness(colour: RGB) -> float:
    """Return the OKLab L of an sRGB colour, 0 to 1."""
    return float(to_oklab(to_linear(np.array(colour, dtype=np.uint8)))[0])


def text_style(colour: RGB, depth: Depth, bold: bool = False, dim: bool = False) -> Style:
    """Return a Rich style in that colour at this depth. Without colours, bold and dim have to do."""
    nearest = nearest_colour(colour, depth)
    if nearest is None:
        return Style(bold=bold or None, dim=dim or None)
    return Style(color=nearest)


def _rgb(values: np.ndarray) -> RGB:
    red, green, blue = (int(v) for v in values)
    return red, green, blue
