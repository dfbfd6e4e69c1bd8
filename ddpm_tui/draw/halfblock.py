"""Pictures as rows of rich Segments: two pixels a cell with the upper half block, or the nearest thing to it.

Without half blocks a cell is one coloured blank; without colours, a character of an ASCII ramp.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style

from ddpm_tui.draw.colour import (
    Dither,
    Pixels,
    luminance,
    pack,
    quantise,
    terminal_colour,
    to_bytes,
    to_linear,
)
from ddpm_tui.draw.terminal import Depth

# Dark to light on a dark screen, about even to the eye. Ten ASCII levels show a face better than the five of ░▒▓.
RAMP = " .:-=+*#%@"
_CLEAR = -1


def half_block_rows(
    pixels: NDArray[np.uint8], depth: Depth, unicode: bool = True, dither: Dither = "ordered"
) -> list[list[Segment]]:
    """Return a picture, uint8 (H, W, 3) or (H, W, 4), as ⌈H/2⌉ rows of Segments, each W cells wide.

    With alpha, pixels below 128 show the terminal's own background. Equal neighbours share a Segment.
    Truecolor is exact; 256 and 16 colours as `quantise` does it; without colours characters make the picture.
    """
    pixels, opaque = _split_alpha(_even(pixels))
    if depth is Depth.NONE:
        return [[Segment(line)] for line in _ramp_lines(pixels, opaque)]
    if not unicode:
        pixels, opaque = _pair_mean(pixels), opaque[0::2] | opaque[1::2]
        return [_blank_cells(row, depth) for row in _numbers(pixels, opaque, depth, dither)]
    numbers = _numbers(pixels, opaque, depth, dither)
    return [_cells(top, bottom, depth) for top, bottom in zip(numbers[0::2], numbers[1::2], strict=True)]


def _numbers(pixels: Pixels, opaque: NDArray[np.bool_], depth: Depth, dither: Dither) -> NDArray[np.int64]:
    """Return each pixel's colour number in the terminal: 0xRRGGBB or a palette number, −1 for transparent ones."""
    numbers = pack(pixels) if depth is Depth.TRUECOLOR else quantise(pixels, depth, dither)
    return np.where(opaque, numbers, _CLEAR)


def _cells(top: NDArray[np.int64], bottom: NDArray[np.int64], depth: Depth) -> list[Segment]:
    starts = np.flatnonzero(np.r_[True, (top[1:] != top[:-1]) | (bottom[1:] != bottom[:-1])])
    lengths = np.diff(np.r_[starts, len(top)])
    return [
        _cell_run(int(top[start]), int(bottom[start]), int(length), depth)
        for start, length in zip(starts, lengths, strict=True)
    ]


def _blank_cells(row: NDArray[np.int64], depth: Depth) -> list[Segment]:
    return _cells(row, row, depth)


def _cell_run(top: int, bottom: int, length: int, depth: Depth) -> Segment:
    # A blank needs one colour only, half the bytes of a block.
    if top == bottom:
        return Segment(" " * length, None if top == _CLEAR else _style(_CLEAR, top, depth))
    if top == _CLEAR:
        return Segment("▄" * length, _style(bottom, _CLEAR, depth))
    return Segment("▀" * length, _style(top, bottom, depth))


@lru_cache(maxsize=16384)
def _style(foreground: int, background: int, depth: Depth) -> Style:
    return Style.from_color(
        None if foreground == _CLEAR else terminal_colour(foreground, depth),
        None if background == _CLEAR else terminal_colour(background, depth),
    )


def _ramp_lines(pixels: Pixels, opaque: NDArray[np.bool_]) -> list[str]:
    level = np.rint(luminance(_pair_mean(pixels)) * (len(RAMP) - 1)).astype(np.int64)
    level = np.where(opaque[0::2] | opaque[1::2], np.clip(level, 0, len(RAMP) - 1), 0)
    return ["".join(RAMP[i] for i in row) for row in level]


def _even(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert (H, W, 3|4) to RGBA with an even number of rows: a missing half cell is transparent."""
    height, width, channels = pixels.shape
    out = np.zeros((height + height % 2, width, 4), dtype=np.uint8)
    out[:height, :, :channels] = pixels
    if channels == 3:
        out[:height, :, 3] = 255
    if height % 2:
        out[height, :, :3] = out[height - 1, :, :3]  # so that a mean over the pair is the pixel itself
    return out


def _split_alpha(rgba: NDArray[np.uint8]) -> tuple[Pixels, NDArray[np.bool_]]:
    return rgba[..., :3], rgba[..., 3] >= 128


def _pair_mean(pixels: Pixels) -> Pixels:
    linear = to_linear(pixels)
    return to_bytes((linear[0::2] + linear[1::2]) * np.float32(0.5))
