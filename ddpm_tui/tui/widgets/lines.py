"""The base of our widgets: owns its rows as Segments and repaints only the changes in them. Knows nothing of their
contents; `rows.Rows` is this for lines of text.

Textual sends a dirty region again whole; a widget that calls `refresh()` at every update would cost kilobytes.
`frame.Frame` cuts the output further to single cells.
"""

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ddpm_tui.draw.terminal import Terminal

Row = Strip | Sequence[Segment]


class LinesWidget(Widget):
    """Shows rows of Segments. Subclasses build them in `build_rows` and call `repaint`; others call `set_rows`."""

    ALLOW_SELECT = False

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.rows: list[Strip] = []

    def build_rows(self, width: int, height: int) -> Iterable[Row]:
        """Return the rows to show in that many cells; by default those given to `set_rows`."""
        return self.rows

    def repaint(self) -> None:
        """Build the rows anew and repaint the changes. Does nothing while the widget has no size."""
        width, height = self.content_size
        if width and height and self.is_mounted:
            self.set_rows(self.build_rows(width, height))

    def set_rows(self, rows: Iterable[Row]) -> None:
        """Show these rows, from the top. The rest of a taller widget is blank."""
        old = self.rows
        width, height = self.content_size
        self.rows = [_of_width(row, width) for row in rows]
        if not self.is_mounted or not width:
            return
        blank = Strip.blank(width)
        regions = []
        for y in range(min(height, max(len(old), len(self.rows)))):
            before = old[y] if y < len(old) else blank
            after = self.rows[y] if y < len(self.rows) else blank
            start, end = changed_cells(before, after)
            if start < min(end, width):
                regions.append(Region(start, y, min(end, width) - start, 1))
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        row = self.rows[y] if y < len(self.rows) else Strip.blank(self.content_size.width)
        # Cells without colours of their own get the theme's; Textual's filters choke on cells with no style at all.
        return row.apply_style(self.rich_style)

    def on_resize(self) -> None:
        self.repaint()

    def terminal_is(self, terminal: Terminal) -> None:
        """Use a terminal that shows more than was thought when the widget was made."""
        self.repaint()

    def notify_style_update(self) -> None:
        """Draw anew for a new theme: the rows have colours of the old one."""
        super().notify_style_update()
        self.repaint()


def _of_width(row: Row, width: int) -> Strip:
    strip = row if isinstance(row, Strip) else Strip(row)
    return strip if strip.cell_length == width else strip.crop_extend(0, width, None)


def changed_cells(a: Strip, b: Strip) -> tuple[int, int]:
    """Return the first and one past the last cell in which two strips of one width differ; (0, 0) if none does."""
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
    """Return the cells of the shared beginning. Characters of other widths than one end it, to stay in step."""
    cells = 0
    for x, y in zip(a, b, strict=False):
        if x != y or ord(x) > 0x2E7F:
            break
        cells += 1
    return cells
