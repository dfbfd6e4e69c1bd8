"""A canvas of dots: braille, 2×4 dots a cell, or ASCII, 1×3, with one colour a cell. Knows no data and no axes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style

from ddpm_tui.draw.series import Reals

_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # Unicode 4.0, block 2800
# Which thirds of a cell are inked (1 top, 2 middle, 4 bottom): a thin line keeps its height, a tall one is a bar.
_ASCII = np.array([ord(c) for c in " '-'.:.|"])


class BrailleCanvas:
    """Cells (rows, columns) of dots. Later painting covers earlier painting, a whole cell at a time:

    a cell has one colour, so two curves in it could not be told apart in any case.
    """

    def __init__(self, columns: int, rows: int, braille: bool = True) -> None:
        self.columns, self.rows = columns, rows
        self.braille = braille
        self.dots_x, self.dots_y = (2, 4) if braille else (1, 3)
        self._code = np.full((rows, columns), ord(" "), dtype=np.int64)
        self._ink = np.full((rows, columns), -1, dtype=np.int64)

    @property
    def width(self) -> int:
        """Return the number of dots across."""
        return self.columns * self.dots_x

    @property
    def height(self) -> int:
        """Return the number of dots down."""
        return self.rows * self.dots_y

    def spans(self, top: Reals, bottom: Reals, ink: int, glyph: str | None = None, dash: int = 0) -> None:
        """Paint in each dot column (width,) from `top` to `bottom`, dot rows from 0 above; NaN paints nothing.

        With `dash`, that many dot columns on and as many off. `glyph` is for ASCII without colours.
        """
        seen = np.isfinite(top) & np.isfinite(bottom)
        if dash:
            seen &= np.arange(self.width) // dash % 2 == 0
        first = np.rint(np.where(seen, top, 0)).astype(np.int64)
        last = np.rint(np.where(seen, bottom, -1)).astype(np.int64)
        row = np.arange(self.height)[:, None]
        self.dots((row >= first) & (row <= last) & seen, ink, glyph)

    def dots(self, mask: NDArray[np.bool_], ink: int, glyph: str | None = None) -> None:
        """Paint the dots of a mask (height, width)."""
        parts = mask.reshape(self.rows, self.dots_y, self.columns, self.dots_x)
        if self.braille:
            code = 0x2800 + (parts * _BRAILLE[None, :, None, :]).sum(axis=(1, 3))
        else:
            code = _ASCII[(parts[..., 0] * np.array([1, 2, 4])[None, :, None]).sum(axis=1)]
        touched = parts.any(axis=(1, 3))
        self._code[touched] = ord(glyph) if glyph else code[touched]
        self._ink[touched] = ink

    def text(self, column: int, row: int, text: str, ink: int) -> None:
        """Write over the cells from (column, row) on; text outside is left out. One cell a character."""
        if not 0 <= row < self.rows:
            return
        for i, char in enumerate(text, start=column):
            if 0 <= i < self.columns:
                self._code[row, i], self._ink[row, i] = ord(char), ink

    def is_blank(self, column: int, row: int, width: int) -> bool:
        """Return whether those cells are empty (cells outside count as taken)."""
        if column < 0 or column + width > self.columns or not 0 <= row < self.rows:
            return False
        return bool((self._ink[row, column : column + width] == -1).all())

    def tint(self, column: int, ink: int, glyph: str) -> None:
        """Draw a line down the blank cells of a column; cells with something in them stay."""
        if 0 <= column < self.columns:
            blank = self._ink[:, column] == -1
            self._code[blank, column], self._ink[blank, column] = ord(glyph), ink

    def segments(self, style_of: Callable[[int], Style | None]) -> list[list[Segment]]:
        """Return the rows, equal inks joined; `style_of` gives an ink's style. Blanks join whatever they follow."""
        return [self._row(code, ink, style_of) for code, ink in zip(self._code, self._ink, strict=True)]

    @staticmethod
    def _row(
        code: NDArray[np.int64], ink: NDArray[np.int64], style_of: Callable[[int], Style | None]
    ) -> list[Segment]:
        starts = np.flatnonzero(np.r_[True, ink[1:] != ink[:-1]])
        ends = np.r_[starts[1:], len(ink)]
        out = []
        for start, end in zip(starts, ends, strict=True):
            text = "".join(map(chr, code[start:end]))
            kind = int(ink[start])
            out.append(Segment(text, None if kind == -1 else style_of(kind)))
        return out
