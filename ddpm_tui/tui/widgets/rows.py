"""Lines of text in the theme's inks, the base of our lists and bars. Knows nothing of runs or jobs."""

import textwrap
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import islice, zip_longest

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from ddpm_tui.tui.themes import ink
from ddpm_tui.tui.widgets.abstract import Abstract
from ddpm_tui.tui.widgets.lines import LinesWidget
from engine.base.text import visible

Piece = str | tuple[str, str]
"""Text, or (text, ink): see `themes.ink` for the names."""
Line = Sequence[Piece]


class Rows(LinesWidget, Abstract):
    """Subclasses give `lines`; `repaint` shows the changes.

    Lines longer than the widget are cut with "…", shorter ones filled up.
    """

    DEFAULT_CSS = "Rows { height: 1; width: 1fr; }"

    @abstractmethod
    def lines(self, width: int, height: int) -> Iterable[Line]:
        """Return the lines to show in width×height cells, from the top; missing lines are blank."""

    def build_rows(self, width: int, height: int) -> list[Strip]:
        theme = self.app.theme
        return [to_strip(line, width, theme) for line in islice(self.lines(width, height), height)]

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return 1


def to_strip(line: Line, width: int, theme: str) -> Strip:
    """Return one line in exactly `width` cells, control characters written out."""
    segments: list[Segment] = []
    room = width
    for piece in line:
        text, style = (piece, "") if isinstance(piece, str) else piece
        text = visible(text)
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
    """Return the style of the rest of a line: if its last piece has a ground of its own (the cursor), that ground."""
    if line and not isinstance(line[-1], str) and {"cursor", "resting"} & set(line[-1][1].split()):
        return ink(theme, line[-1][1])
    return None


def spread(left: Line, right: Line, width: int) -> Line:
    """Put `left` and `right` at the two edges of a line; the right one gives way if both do not fit."""
    used = length(left) + length(right)
    if used > width:
        return left
    return [*left, " " * (width - used), *right]


def beside(left: Sequence[Line], right: Sequence[Line], width: int) -> list[Line]:
    """Join two columns of lines, the left one in `width` cells. Its lines have to fit in them."""
    return [
        [*one, " " * max(0, width - length(one)), *other]
        for one, other in zip_longest(left, right, fillvalue=())
    ]


def length(line: Line) -> int:
    return sum(cell_len(visible(piece if isinstance(piece, str) else piece[0])) for piece in line)


def scrollbar(count: int, room: int, top: int) -> list[Piece]:
    """Return one piece for each of the `room` lines in view of `count`, from line `top`; as Textual's own scrollbars
    look.

    Empty if all are in view. It is at an end only if there is no more that way.
    """
    if count <= room:
        return []
    size = max(1, room * room // count)
    place = round((room - size) * top / (count - room))
    if 0 < top < count - room and size + 2 <= room:
        place = min(max(1, place), room - size - 1)
    return [(" ", "reverse faint") if place <= y < place + size else " " for y in range(room)]


def entitle(widget: Widget, title: str) -> None:
    """Put `title` into the border: as it is, for Textual takes a plain string for markup."""
    widget.border_title = Content(visible(title))


def cut(text: str, width: int) -> str:
    """Return `text` in exactly `width` cells, with "…" if it was longer."""
    if width <= 0:
        return ""
    text = visible(text)
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def fact_lines(facts: Sequence[tuple[str, str]], width: int, label: int = 14) -> list[Line]:
    """Return names and values, the name in `label` cells; a long value on as many lines as it needs.

    A name that needs more cells takes them from the first line of its value.
    """
    lines: list[Line] = []
    for name, value in ((visible(name), value) for name, value in facts):
        over = max(0, cell_len(name) + 1 - label)
        parts = textwrap.wrap(visible(value), max(10 + over, width - label), initial_indent=" " * over) or [
            ""
        ]
        lines.append([(f"{name:<{label - 1}} ", "dim"), parts[0][over:]])
        lines += [[(" " * label, "dim"), part] for part in parts[1:]]
    return lines
