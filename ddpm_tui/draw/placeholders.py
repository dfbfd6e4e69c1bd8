"""Real images in a terminal by kitty's unicode placeholders: ordinary text, so they survive tmux and overlap.

An image is sent once, identified by its content. It is shown by cells of one private character: their colour is the
image's number, their combining marks are the row and the column in it. Source: kitty's graphics protocol.
"""

import base64
import hashlib
import os
import unicodedata
import zlib
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from ddpm_tui.draw.colour import Pixels
from ddpm_tui.draw.terminal import Multiplexer

PLACEHOLDER = "\U0010eeee"
MOST_KEPT = 512
CHUNK = 4096
"""Characters of base64 in one escape sequence."""

# The marks by number. kitty derives its list in the same way from Unicode 6; up to here no later version added any.
_FUSED = frozenset(
    map(chr, (*range(0x300, 0x305), *range(0x306, 0x30D), 0x30F, 0x311, 0x313, 0x314, 0x342, 0x653, 0x654))
)
MARKS = tuple(
    mark
    for mark in map(chr, range(0x300, 0x82E))
    if unicodedata.combining(mark) == 230
    and unicodedata.category(mark) == "Mn"
    and unicodedata.bidirectional(mark) == "NSM"
    and not unicodedata.decomposition(mark)
    and mark not in _FUSED
)


class PlaceholderImages:
    """Sends images with `write` when they are first wanted; keeps the newest MOST_KEPT in the terminal."""

    def __init__(
        self, write: Callable[[str], object], multiplexer: Multiplexer | None = None, first: int | None = None
    ) -> None:
        """Make a drawer of images. first: the number of the first image, 1 … 2**24 - 1; by default one that another
        program is unlikely to use."""
        self._write = write
        self._tmux = multiplexer == "tmux"
        self._next = first if first is not None else 1 + (os.getpid() % 4093) * 4096
        self._ids: OrderedDict[tuple[bytes, int, int], int] = OrderedDict()

    def rows(self, pixels: Pixels, width: int, height: int) -> list[list[Segment]]:
        """Return uint8 (H, W, 3) as `height` rows of `width` cells, to which the terminal scales it.

        Raises ValueError if there are more cells a side than marks.
        """
        if width > len(MARKS) or height > len(MARKS):
            raise ValueError(f"{width}×{height} cells are more than {len(MARKS)} a side")
        number = self._number(pixels, width, height)
        style = Style(color=Color.from_rgb(number >> 16, number >> 8 & 255, number & 255))
        # A segment a cell, so that none is ever cut between a character and its marks.
        return [
            [Segment(f"{PLACEHOLDER}{MARKS[y]}{MARKS[x]}", style) for x in range(width)]
            for y in range(height)
        ]

    def _number(self, pixels: Pixels, width: int, height: int) -> int:
        content = np.ascontiguousarray(pixels).tobytes()
        key = (
            hashlib.sha1(content, usedforsecurity=False).digest() + str(pixels.shape).encode(),
            width,
            height,
        )
        known = self._ids.get(key)
        if known is not None:
            self._ids.move_to_end(key)
            return known
        number, self._next = self._next, self._next % 0xFFFFFF + 1
        self._ids[key] = number
        self._send(number, pixels.shape[1], pixels.shape[0], content, width, height)
        if len(self._ids) > MOST_KEPT:
            _, oldest = self._ids.popitem(last=False)
            self._command(f"a=d,d=I,i={oldest},q=2")
        return number

    def _send(self, number: int, wide: int, tall: int, content: bytes, columns: int, rows: int) -> None:
        data = base64.b64encode(zlib.compress(content, 6)).decode()
        head = f"a=T,U=1,q=2,i={number},f=24,o=z,s={wide},v={tall},c={columns},r={rows}"
        parts = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
        for place, part in enumerate(parts):
            more = f"m={int(place + 1 < len(parts))}"
            self._command(f"{head},{more}" if place == 0 else f"{more},q=2", part)

    def _command(self, keys: str, data: str = "") -> None:
        sequence = f"\x1b_G{keys}{';' if data else ''}{data}\x1b\\"
        if self._tmux:
            sequence = "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
        self._write(sequence)

    def close(self) -> None:
        """Take all of them out of the terminal."""
        for number in self._ids.values():
            self._command(f"a=d,d=I,i={number},q=2")
        self._ids.clear()
