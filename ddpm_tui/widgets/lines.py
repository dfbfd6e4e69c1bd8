"""A widget that owns its rows and repaints only what changed in them. Knows nothing of what the rows show.

Textual sends a dirty region whole, cell by cell, with no regard for what is on the screen already, and it can cut
a dirty region only where a widget begins or ends. So the rows are shown through a dozen narrow child widgets:
what changed is found by comparing, and only the children it lies in are sent.
"""

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from textual.app import ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

Row = Strip | Sequence[Segment]


class LinesWidget(Widget):
    """Shows rows of Segments. Subclasses build them in `build_rows` and call `repaint`; others call `set_rows`."""

    SLABS = 12

    DEFAULT_CSS = """
    LinesWidget {
        layout: horizontal;
        overflow: hidden hidden;
    }
    LinesWidget > Slab { width: 1fr; height: 100%; }
    """

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.rows: list[Strip] = []
        self.cells_sent = 0

    def compose(self) -> ComposeResult:
        for _ in range(self.SLABS):
            yield Slab()

    def build_rows(self, width: int, height: int) -> Iterable[Row]:
        """The rows to show in that many cells. The default keeps what `set_rows` was given."""
        return self.rows

    def repaint(self) -> None:
        """Build the rows anew and send what changed. Does nothing while the widget has no size."""
        width, height = self.size
        if width and height and self.is_mounted:
            self.set_rows(self.build_rows(width, height))

    def set_rows(self, rows: Iterable[Row]) -> None:
        """Show these rows, from the top; the children that show a changed part of a row are repainted."""
        old = self.rows
        self.rows = [row if isinstance(row, Strip) else Strip(row) for row in rows]
        if not self.is_mounted:
            return
        changed = [y for y in range(max(len(old), len(self.rows))) if row_at(old, y) != row_at(self.rows, y)]
        if changed:
            for slab in self.query_children(Slab):
                slab.update_rows(old, self.rows, changed)

    def on_resize(self) -> None:
        self.repaint()

    def notify_style_update(self) -> None:
        """A new theme: the rows carry colours of the old one."""
        super().notify_style_update()
        self.repaint()


class Slab(Widget, can_focus=False):
    """The columns of its parent's rows that lie where it lies."""

    ALLOW_SELECT = False

    def render_line(self, y: int) -> Strip:
        parent = self.parent
        assert isinstance(parent, LinesWidget)
        start = self.column
        width = self.size.width
        cells = row_at(parent.rows, y).crop_extend(start, start + width, None)
        # Cells without a colour of their own get the theme's (Textual's filters choke on cells with no style at all).
        return cells.apply_style(self.rich_style)

    @property
    def column(self) -> int:
        """The first column it shows."""
        return self.virtual_region.x

    def update_rows(self, old: Sequence[Strip], new: Sequence[Strip], changed: Iterable[int]) -> None:
        """Repaint those of the changed rows that differ in this slab."""
        start, width = self.column, self.size.width
        if not width:
            return
        regions = [
            Region(0, y, width, 1)
            for y in changed
            if y < self.size.height
            and _cells(row_at(old, y), start, width) != _cells(row_at(new, y), start, width)
        ]
        if regions:
            assert isinstance(self.parent, LinesWidget)
            self.parent.cells_sent += width * len(regions)
            self.refresh(*regions)


def row_at(rows: Sequence[Strip], y: int) -> Strip:
    """That row, an empty one below the last."""
    return rows[y] if 0 <= y < len(rows) else _EMPTY


def _cells(row: Strip, start: int, width: int) -> Strip:
    return row.crop_extend(start, start + width, None).simplify()


_EMPTY = Strip([])
