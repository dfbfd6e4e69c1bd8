"""The base of our widgets: a picture of rows that are compared with the last ones, so that only changed cells go
over the link. Knows nothing of runs or jobs.

Textual sends a dirty region again whole; a widget that says `refresh()` at every update would cost kilobytes.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ddpm_tui.themes import ink

Piece = str | tuple[str, str]
"""Text, or (text, ink): see `themes.ink` for the names."""
Line = Sequence[Piece]


class Rows(Widget):
    """Subclasses give `lines`; `repaint` shows what changed.

    Lines longer than the widget are cut with "…", shorter ones filled up.
    """

    DEFAULT_CSS = "Rows { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []

    def lines(self, width: int, height: int) -> Iterable[Line]:
        """What to show in width×height cells, from the top; missing lines are blank."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again and send what differs. Cheap where nothing does."""
        size = self.content_size
        if not size.width or not size.height or not self.is_attached:
            return
        theme = self.app.theme
        strips = [
            to_strip(line, size.width, theme)
            for line, _ in zip(self.lines(size.width, size.height), range(size.height), strict=False)
        ]
        strips += [Strip.blank(size.width)] * (size.height - len(strips))
        old, self._strips = self._strips, strips
        if len(old) != len(strips):
            self.refresh()
            return
        regions = [
            Region(start, y, end - start, 1)
            for y, (a, b) in enumerate(zip(old, strips, strict=True))
            if a is not b
            for start, end in [changed_cells(a, b)]
            if end > start
        ]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        row = self._strips[y] if 0 <= y < len(self._strips) else Strip.blank(self.content_size.width)
        # Cells without a ground of their own get the theme's.
        return row.apply_style(self.rich_style)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return 1

    def on_resize(self) -> None:
        self._strips = []
        self.repaint()

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._on_theme, init=False)

    def _on_theme(self) -> None:
        self._strips = []
        self.repaint()


def to_strip(line: Line, width: int, theme: str) -> Strip:
    """One line in exactly `width` cells."""
    segments: list[Segment] = []
    room = width
    for piece in line:
        text, style = (piece, "") if isinstance(piece, str) else piece
        length = cell_len(text)
        if length > room:
            text = set_cell_size(text, max(0, room - 1)) + "…" if room else ""
            length = room
        if text:
            segments.append(Segment(text, ink(theme, style)))
        room -= length
        if room <= 0:
            break
    if room > 0:
        segments.append(Segment(" " * room, _fill_style(line, theme)))
    return Strip(segments, width)


def _fill_style(line: Line, theme: str) -> Style | None:
    """A line whose last piece has a ground of its own (the cursor) keeps it to the edge."""
    if line and not isinstance(line[-1], str) and "cursor" in line[-1][1].split():
        return ink(theme, line[-1][1])
    return None


def changed_cells(a: Strip, b: Strip) -> tuple[int, int]:
    """The first and one past the last cell in which two strips of one width differ; (0, 0) where none does."""
    left, right = list(a), list(b)
    start = 0
    while left and right and left[0] == right[0]:
        start += left[0].cell_length
        del left[0], right[0]
    if not left and not right:
        return 0, 0
    end = max(a.cell_length, b.cell_length)
    while left and right and left[-1] == right[-1]:
        end -= left[-1].cell_length
        del left[-1], right[-1]
    if left and right and left[0].style == right[0].style:
        start += _common(left[0].text, right[0].text)
    if left and right and left[-1].style == right[-1].style:
        end -= _common(left[-1].text[::-1], right[-1].text[::-1])
    return start, max(end, start + 1)


def _common(a: str, b: str) -> int:
    """Cells of the shared beginning. Characters of other widths than one end it, to stay in step."""
    cells = 0
    for x, y in zip(a, b, strict=False):
        if x != y or ord(x) > 0x2E7F:
            break
        cells += 1
    return cells


def spread(left: Line, right: Line, width: int) -> Line:
    """`left` and `right` at the two edges of a line; the right one gives way where both do not fit."""
    used = length(left) + length(right)
    if used > width:
        return left
    return [*left, " " * (width - used), *right]


def length(line: Line) -> int:
    return sum(cell_len(piece if isinstance(piece, str) else piece[0]) for piece in line)


def cut(text: str, width: int) -> str:
    """`text` in exactly `width` cells, with "…" where it was longer."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def fact_lines(facts: Sequence[tuple[str, str]], width: int, label: int = 14) -> list[Line]:
    """Name and value, the name in `label` cells; a long value on as many lines as it needs."""
    import textwrap

    lines: list[Line] = []
    for name, value in facts:
        parts = textwrap.wrap(value, max(10, width - label)) or [""]
        lines += [
            [(f"{name if place == 0 else '':<{label - 1}} ", "dim"), part] for place, part in enumerate(parts)
        ]
    return lines
