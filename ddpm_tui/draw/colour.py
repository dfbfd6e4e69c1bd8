"""Colours as numbers: sRGB, linear light, OKLab, and matching to the terminal's 256 or 16. Knows no glyphs.

Matching is by distance in OKLab (Ottosson 2020, https://bottosson.github.io/posts/oklab/), because nearest in
RGB turns skin grey or green; mixing (dithering, averaging) is done in linear light, as the eye does it.
"""

from functools import lru_cache
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet

from ddpm_tui.draw.terminal import Depth

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Dither = Literal["none", "ordered"]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=np.float32,
)
# xterm's own defaults. Themes change these sixteen, which is why nothing uses them while there are 256.
_XTERM_16 = [
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0),
    (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0),
    (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
]  # fmt: skip
_CUBE = (0, 95, 135, 175, 215, 255)
# Dithering patterns as orders 0…n-1 (Bayer): neighbours differ as much as they can.
_BAYER_2 = np.array([[0, 2], [3, 1]])
_BAYER_4 = np.block([[4 * _BAYER_2, 4 * _BAYER_2 + 2], [4 * _BAYER_2 + 3, 4 * _BAYER_2 + 1]])
_NEIGHBOURS = 6  # palette entries tried in pairs
_COARSENESS = 0.1  # cost of a pair's distance, of its squared error's weight; chosen by looking at faces
_ERROR_SHARE = 0.75


def to_linear(pixels: Pixels) -> Floats:
    """Convert sRGB bytes (…, 3) to linear light in [0, 1], float32 (IEC 61966-2-1)."""
    table: Floats = _linear_table()[pixels]
    return table


def to_bytes(linear: Floats) -> Pixels:
    """Convert linear light (…, 3) to sRGB bytes, clamped then rounded."""
    clipped = np.clip(linear, 0.0, 1.0)
    encoded = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255.0).astype(np.uint8)


def to_oklab(linear: Floats) -> Floats:
    """Convert linear light (…, 3) to OKLab (…, 3): L in [0, 1], a and b about ±0.4."""
    lms = np.maximum(linear @ _TO_LMS.T, 0.0)
    lab: Floats = np.cbrt(lms) @ _TO_LAB.T
    return lab


def luminance(pixels: Pixels) -> Floats:
    """Return the perceived lightness of sRGB bytes (…, 3): OKLab L, 0 black to 1 white."""
    lightness: Floats = to_oklab(to_linear(pixels))[..., 0]
    return lightness


def palette(depth: Depth) -> tuple[NDArray[np.int64], Pixels]:
    """Return the colour numbers (n,) a picture may use at this depth, and their colours, sRGB bytes (n, 3).

    At 256 colours the first sixteen are left out, since a theme may have turned them into anything.
    """
    if depth is Depth.ANSI16:
        return np.arange(16), np.array(_XTERM_16, dtype=np.uint8)
    cube = [(r, g, b) for r in _CUBE for g in _CUBE for b in _CUBE]
    greys = [(8 + 10 * i,) * 3 for i in range(24)]
    return np.arange(16, 256), np.array(cube + greys, dtype=np.uint8)


def quantise(pixels: Pixels, depth: Depth, dither: Dither = "ordered") -> NDArray[np.int64]:
    """Return the colour numbers (H, W) that show sRGB bytes (H, W, 3) best at 256 or 16 colours.

    Ordered dithering depends on a pixel's value and place only, so an unchanged picture does not flicker when it is
    drawn again. "none" takes the nearest colour a pixel: calmer, but skin turns grey.
    """
    if depth not in (Depth.ANSI16, Depth.ANSI256):
        raise ValueError(f"quantise works at 16 or 256 colours, not {depth!r}")
    matcher = _matcher(depth, dither)
    height, width = pixels.shape[:2]
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    side = matcher.order.shape[0]
    return matcher.match(pixels, matcher.order[rows % side, columns % side])


@lru_cache(maxsize=65536)
def terminal_colour(number: int, depth: Depth) -> Color:
    """Return the Rich colour for palette entry `number`; at truecolor `number` is 0xRRGGBB.

    A palette colour carries its triplet as well: Textual turns palette colours without one into RGB, which
    Rich then matches back to the palette by another rule, and thirteen of the greys come back as other greys.
    """
    if depth is Depth.TRUECOLOR:
        return Color.from_rgb(number >> 16, number >> 8 & 255, number & 255)
    numbers, triplets = palette(depth)
    red, green, blue = (int(part) for part in triplets[number - int(numbers[0])])
    kind = ColorType.STANDARD if depth is Depth.ANSI16 else ColorType.EIGHT_BIT
    return Color(f"color({number})", kind, number=number, triplet=ColorTriplet(red, green, blue))


def nearest_colour(rgb: tuple[int, int, int], depth: Depth) -> Color | None:
    """Return one colour for text and lines at this depth: exact at truecolor, None if there are no colours."""
    if depth is Depth.NONE:
        return None
    if depth is Depth.TRUECOLOR:
        return Color.from_rgb(*rgb)
    numbers, _, _ = _palette_space(depth)
    return terminal_colour(
        int(numbers[_nearest(to_linear(np.array([rgb], dtype=np.uint8)), depth)[0]]), depth
    )


def pack(pixels: Pixels) -> NDArray[np.int64]:
    """Pack sRGB bytes (…, 3) as 0xRRGGBB (…)."""
    wide = pixels.astype(np.int64)
    packed: NDArray[np.int64] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed


def _nearest(linear: Floats, depth: Depth) -> NDArray[np.int64]:
    """Return the index into the palette (n,) of the OKLab-nearest colour of linear (n, 3)."""
    _, _, lab = _palette_space(depth)
    # |p − q|² less |p|², which is the same for every q: one matrix product for the whole picture.
    scores = (lab * lab).sum(axis=1) - 2.0 * (to_oklab(linear) @ lab.T)
    nearest: NDArray[np.int64] = np.argmin(scores, axis=1)
    return nearest


class _Matcher:
    """A table from colour to the palette entries that show it, filled in as colours turn up.

    The table is by the top `bits` bits of each channel: fine enough that no entry's own colour is mistaken,
    small enough to keep, and a film of faces meets each colour once. Entry k is for places of order k.
    """

    def __init__(self, depth: Depth, dither: Dither) -> None:
        coarse = depth is Depth.ANSI16
        self.order = (
            np.zeros((1, 1), dtype=np.int64) if dither == "none" else _BAYER_4 if coarse else _BAYER_2
        )
        self._numbers = palette(depth)[0]
        self._bits = 5 if coarse else 6
        self._table = np.zeros((1 << 3 * self._bits, self.order.size), dtype=np.uint8)
        self._known = np.zeros(len(self._table), dtype=np.bool_)
        self._lock = Lock()
        # A colour of the palette is drawn as itself, whatever its bucket's centre would be mixed from.
        own = self._keys(palette(depth)[1])
        self._table[own] = np.arange(len(own))[:, None]
        self._known[own] = True
        self._depth = depth

    def match(self, pixels: Pixels, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the colour numbers (H, W) for bytes (H, W, 3) at places (H, W) of the dithering order."""
        bits, keys = self._bits, self._keys(pixels)
        with self._lock:
            new = np.unique(keys[~self._known[keys]])
            if len(new):
                levels = np.stack([new >> 2 * bits, new >> bits, new], axis=-1) & ((1 << bits) - 1)
                centre = np.rint(levels * (255.0 / ((1 << bits) - 1))).astype(np.uint8)
                self._table[new] = self._mix(to_linear(centre))
                self._known[new] = True
        numbers: NDArray[np.int64] = self._numbers[self._table[keys, places]]
        return numbers

    def _keys(self, pixels: Pixels) -> NDArray[np.int64]:
        wide = (pixels >> (8 - self._bits)).astype(np.int64)
        keys: NDArray[np.int64] = wide[..., 0] << 2 * self._bits | wide[..., 1] << self._bits | wide[..., 2]
        return keys

    def _mix(self, target: Floats) -> NDArray[np.int64]:
        if self.order.size == 1:
            return _nearest(target, self._depth)[:, None]
        mix = _mix_many if self._depth is Depth.ANSI16 else _mix_two
        return mix(target, self._depth, self.order.size)


@lru_cache(maxsize=4)
def _matcher(depth: Depth, dither: Dither) -> _Matcher:
    return _Matcher(depth, dither)


def _mix_two(target: Floats, depth: Depth, count: int) -> NDArray[np.int64]:
    """Return, for linear (n, 3) colours, `count` entries of at most two kinds with the nearest mean, dark to light.

    Kinds far apart have a penalty: a checker of red and green makes brown, but looks bad on a face.
    """
    _, linear, lab = _palette_space(depth)
    wanted = to_oklab(target)
    distance = (lab * lab).sum(axis=1) - 2.0 * (wanted @ lab.T)
    near = np.argpartition(distance, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    best = np.full(len(target), np.inf, dtype=np.float32)
    chosen = np.zeros((len(target), count), dtype=np.int64)
    for a in range(_NEIGHBOURS):
        for b in range(a, _NEIGHBOURS):
            first, second = near[:, a], near[:, b]
            apart = ((lab[first] - lab[second]) ** 2).sum(axis=1)
            for share in range(1, count) if b > a else (0,):
                part = share / count
                mean = to_oklab(linear[first] * (1.0 - part) + linear[second] * part)
                cost = ((mean - wanted) ** 2).sum(axis=1) + _COARSENESS * apart
                better = cost < best
                best[better] = cost[better]
                chosen[better, : count - share] = first[better, None]
                chosen[better, count - share :] = second[better, None]
    return _dark_to_light(chosen, lab)


def _mix_many(target: Floats, depth: Depth, count: int) -> NDArray[np.int64]:
    """Return, for linear (n, 3) colours, `count` entries, each correcting the errors before it, dark to light.

    Pattern dithering after Knoll (US 6,606,166). The error counts in part, which keeps stray colours away.
    """
    _, linear, lab = _palette_space(depth)
    error = np.zeros_like(target)
    chosen = np.empty((len(target), count), dtype=np.int64)
    for k in range(count):
        chosen[:, k] = _nearest(np.clip(target + _ERROR_SHARE * error, 0.0, 1.0), depth)
        error += target - linear[chosen[:, k]]
    return _dark_to_light(chosen, lab)


def _dark_to_light(chosen: NDArray[np.int64], lab: Floats) -> NDArray[np.int64]:
    light = np.argsort(lab[chosen, 0], axis=1, kind="stable")
    return np.take_along_axis(chosen, light, axis=1)


@lru_cache(maxsize=2)
def _palette_space(depth: Depth) -> tuple[NDArray[np.int64], Floats, Floats]:
    numbers, colours = palette(depth)
    linear = to_linear(colours)
    return numbers, linear, to_oklab(linear)


@lru_cache(maxsize=1)
def _linear_table() -> Floats:
    encoded = np.arange(256, dtype=np.float64) / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)
