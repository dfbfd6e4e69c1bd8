"""The terminal's present contents, cell by cell, so that only cells that differ are written. Knows no
widgets.

Textual sends every dirty region again whole; over ssh that is most of the traffic. Here each update is
compared with the last frame, unchanged cells are skipped, and colours are named only when they change.
"""

from collections.abc import Iterable
from functools import lru_cache

from rich.cells import get_character_cell_size
from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style

from ddpm_tui.tui.textual_private import CompositorUpdate

Look = tuple[str, str, str]
"""SGR parameters of a cell: attributes, foreground, background."""
Cell = tuple[str, Look]

PLACEHOLDER = "\U0010eeee"
"""See `draw.placeholders`, which is imported only when it is needed."""
_PLAIN: Look = ("", "39", "49")
_UNKNOWN: Cell = ("\0", _PLAIN)
_SKIP = 3
"""Unchanged cells in a row that are cheaper to write again than to jump over."""


class Frame:
    """The cells on the terminal. `update` takes parts of a new picture, `flush` returns the bytes that show them."""

    def __init__(
        self,
        system: ColorSystem | None,
        marks: frozenset[str] = frozenset(),
        resting: frozenset[str] = frozenset(),
    ) -> None:
        """Make an empty frame.

        system: the terminal's colours; None leaves colours out, and cells on a ground of `marks` (#rrggbb:
        the cursor's) are reversed instead, those of `resting` (a cursor's without the focus) underlined.
        """
        self._system = system
        self._marks = (marks, resting)
        self._size = (0, 0)
        self._rows: list[list[Cell]] = []
        self._changed: dict[int, set[int]] = {}

    def resize(self, width: int, height: int) -> None:
        """Take the terminal's new size and forget its contents."""
        if (width, height) != self._size:
            self._size = (width, height)
            self.forget()

    def forget(self) -> None:
        """Forget the contents: another program wrote to the terminal or cleared it."""
        width, height = self._size
        self._rows = [[_UNKNOWN] * width for _ in range(height)]
        self._changed = {}

    def colours(self, system: ColorSystem | None) -> None:
        """Change the terminal's colours and draw everything anew."""
        self._system = system
        self.forget()

    def forget_rows(self, first: int, count: int) -> None:
        """Forget these rows: something else may have written there."""
        width, height = self._size
        for y in range(first, min(first + count, height)):
            self._rows[y] = [_UNKNOWN] * width

    def update(self, x: int, y: int, segments: Iterable[Segment], until: int | None = None) -> None:
        """Show these segments from cell (x, y) on, up to column `until`."""
        width, height = self._size
        if not 0 <= y < height:
            return
        row = self._rows[y]
        end = width if until is None else min(until, width)
        changed = self._changed.setdefault(y, set())
        for text, style, control in segments:
            if control:
                continue
            look = _look(style, self._system, self._marks)
            for character in _characters(text):
                cells = 1 if " " <= character < "\x7f" else get_character_cell_size(character[0])
                if cells == 0:
                    continue
                if x + cells > end:
                    return
                for offset in range(cells):
                    cell = (character if offset == 0 else "", look)
                    if row[x + offset] != cell:
                        row[x + offset] = cell
                        changed.add(x)
                x += cells

    def flush(self) -> str:
        """Return the output that shows everything `update` was told; "" if it is shown already."""
        out: list[str] = []
        pen = _Pen()
        for y in sorted(self._changed):
            row = self._rows[y]
            at = -1  # column of the terminal's cursor in this row; -1: in another row
            for x in sorted(self._changed[y]):
                if x < at:
                    continue
                if at < 0:
                    out.append(f"\x1b[{y + 1};{x + 1}H")
                elif x - at > _SKIP or any(not c[0] or c[0] == "\0" for c in row[at:x]):
                    out.append(f"\x1b[{x - at}C" if x > at else "")
                else:
                    for character, look in row[at:x]:
                        out.append(pen.to(look) + character)
                character, look = row[x]
                if not character:
                    at = x
                    continue
                out.append(pen.to(look) + character)
                at = x + 1
                while at < len(row) and not row[at][0]:
                    at += 1
        self._changed = {}
        if pen.look is not None:
            out.append("\x1b[0m")
        return "".join(out)


def _characters(text: str) -> Iterable[str]:
    """Yield the characters one by one; an image's placeholder with the marks that say which cell of the image
    it is.
    """
    if PLACEHOLDER not in text:
        return text
    return (
        [PLACEHOLDER + marks[:2] for marks in text.split(PLACEHOLDER)[1:]] if text[0] == PLACEHOLDER else text
    )


class _Pen:
    """The terminal's current colours. Starts unknown, so the first cell names all of its own."""

    def __init__(self) -> None:
        self.look: Look | None = None

    def to(self, look: Look) -> str:
        """Return the escape sequence that changes only the differing attributes."""
        old, self.look = self.look, look
        if old == look:
            return ""
        if old is None or old[0] != look[0]:
            parts = ["0", look[0], look[1] if look[1] != "39" else "", look[2] if look[2] != "49" else ""]
        else:
            parts = [look[1] if old[1] != look[1] else "", look[2] if old[2] != look[2] else ""]
        return "\x1b[" + ";".join(p for p in parts if p) + "m"


_ATTRIBUTES = (
    ("bold", "1"),
    ("dim", "2"),
    ("italic", "3"),
    ("underline", "4"),
    ("blink", "5"),
    ("reverse", "7"),
    ("strike", "9"),
)


@lru_cache(maxsize=65536)
def _look(
    style: Style | None, system: ColorSystem | None, marks: tuple[frozenset[str], frozenset[str]]
) -> Look:
    if style is None:
        return _PLAIN
    codes = [code for name, code in _ATTRIBUTES if getattr(style, name)]
    if system is None and style.bgcolor and style.bgcolor.triplet:
        ground = style.bgcolor.triplet.hex
        codes += ["7"] * (ground in marks[0]) + ["4"] * (ground in marks[1])
    attributes = ";".join(codes)
    if system is None:
        return attributes, "39", "49"
    return attributes, _code(style.color, system, True), _code(style.bgcolor, system, False)


def _code(color: Color | None, system: ColorSystem, foreground: bool) -> str:
    if color is None:
        return "39" if foreground else "49"
    return ";".join(color.downgrade(system).get_ansi_codes(foreground))


class WrittenUpdate(CompositorUpdate):
    """An update that is bytes already, in the shape in which Textual takes one."""

    def __init__(self, text: str) -> None:
        self.text = text

    def render_segments(self, console: object) -> str:
        return self.text
