"""A list with columns, a cursor and a filter, that repaints only the cells that changed. Knows no runs or jobs.

2,000 rows cost as much as the visible ones: a row's cells are made by the caller, laid out only while in view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from textual import events
from textual.message import Message

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.widgets.rows import Line, Piece, Rows, cut, scrollbar


@dataclass(frozen=True)
class Column:
    """grow: its share of spare room · right: figures · drop: the larger, the sooner it gives way (0 stays)."""

    title: str
    width: int
    grow: int = 0
    right: bool = False
    drop: int = 0


@dataclass(frozen=True)
class Row:
    """key: the row's subject · cells: one a column, text or (text, ink) · search: the text a filter searches."""

    key: str
    cells: tuple[Piece, ...]
    search: str = field(default="", compare=False)

    @property
    def words(self) -> str:
        return (self.search or " ".join(c if isinstance(c, str) else c[0] for c in self.cells)).lower()


class Table(Rows, can_focus=True):
    """`show` gives it rows; the cursor stays on its key while rows come, go and move."""

    BINDINGS = bindings(
        "list", only=["list.up", "list.down", "list.page_up", "list.page_down", "list.first", "list.last"]
    )
    DEFAULT_CSS = "Table { height: 1fr; width: 1fr; }"

    class Moved(Message):
        """The cursor is on another row; key is None if there is none."""

        def __init__(self, table: "Table", key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "Table":
            return self.table

    class Chosen(Moved):
        """A row was clicked while the cursor was on it."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        header: bool = True,
        empty: Sequence[Line] = (),
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Make a table. empty: the text if there are no rows."""
        super().__init__(id=id, classes=classes)
        self.columns = tuple(columns)
        self.header = header
        self.empty = list(empty)
        self._all: list[Row] = []
        self._rows: list[Row] = []
        self._filter: list[str] = []
        self._at = 0
        self._top = 0

    # The contents.

    def show(self, rows: Sequence[Row], empty: Sequence[Line] | None = None) -> None:
        """Replace the rows. The cursor stays with its key, else at its place."""
        before = self.key
        self._all = list(rows)
        if empty is not None:
            self.empty = list(empty)
        self._apply(before)

    def filter(self, words: str) -> None:
        """Show only rows that have all these words."""
        before = self.key
        self._filter = words.lower().split()
        self._apply(before)

    def _apply(self, before: str | None) -> None:
        self._rows = (
            [r for r in self._all if all(w in r.words for w in self._filter)] if self._filter else self._all
        )
        keys = [row.key for row in self._rows]
        if before in keys:
            self._at = keys.index(before)
        self._at = max(0, min(self._at, len(self._rows) - 1))
        self.repaint()
        if self.key != before:
            self.post_message(self.Moved(self, self.key))

    @property
    def key(self) -> str | None:
        """Return the key of the row under the cursor."""
        return self._rows[self._at].key if self._rows else None

    @property
    def keys(self) -> list[str]:
        """Return the keys of all rows that the filter leaves, in order."""
        return [row.key for row in self._rows]

    def move_to(self, key: str | None, above: int | None = None) -> None:
        """Put the cursor on that row, if it is there. above: rows that stay in view over it, if there are more."""
        if key is not None and key in self.keys:
            index = self.keys.index(key)
            if above is not None:
                self._top = max(0, index - above)
            self._go(index)

    # Keys and mouse.

    def action_cursor(self, by: int) -> None:
        self._go(self._at + by)

    def action_page(self, by: int) -> None:
        self._go(self._at + by * max(1, self._room - 1))

    def action_edge(self, where: int) -> None:
        self._go(0 if where < 0 else len(self._rows) - 1)

    def _go(self, index: int) -> None:
        index = max(0, min(index, len(self._rows) - 1))
        if index != self._at:
            self._at = index
            self.repaint()
            self.post_message(self.Moved(self, self.key))

    def on_click(self, event: events.Click) -> None:
        index = self._top + event.y - self.header
        if event.y >= self.header and index < len(self._rows):
            again = index == self._at
            self._go(index)
            if again:
                self.post_message(self.Chosen(self, self.key))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._go(self._at + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._go(self._at - 3)

    def on_focus(self) -> None:
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()

    # Looks.

    @property
    def _room(self) -> int:
        return max(1, self.content_size.height - self.header)

    def lines(self, width: int, height: int) -> list[Line]:
        if not self._rows:
            text: list[Line] = self.empty
            if self._filter and self._all:
                text = [[("no line has all these words", "dim")]]
            above = max(0, (height - len(text)) // 3)
            return [[""] for _ in range(above)] + text
        room = max(1, height - self.header)
        # Scroll no further than the cursor asks, so that most moves change two rows only.
        if self._at < self._top:
            self._top = self._at
        elif self._at >= self._top + room:
            self._top = self._at - room + 1
        self._top = max(0, min(self._top, len(self._rows) - room))
        bar = scrollbar(len(self._rows), room, self._top)
        inner = width - bool(bar)
        shown = self._fit(inner - bool(bar))
        lines: list[Line] = []
        if self.header:
            titles = [(_aligned(c.title, w, c.right), "dim") for c, w, _ in shown]
            lines.append([p for t in titles for p in (t, " ")])
        for place, index in enumerate(range(self._top, min(len(self._rows), self._top + room))):
            line = self._line(self._rows[index], shown, index == self._at, inner)
            lines.append([*line, *bar[place : place + 1]])
        return lines

    def _line(self, row: Row, shown: list[tuple[Column, int, int]], current: bool, width: int) -> Line:
        ground = ("cursor" if self.has_focus else "resting") if current else ""
        line: list[Piece] = []
        for column, room, place in shown:
            cell = row.cells[place] if place < len(row.cells) else ""
            text, style = (cell, "") if isinstance(cell, str) else cell
            # The cursor's ground comes last, and its text colour gives way to the cell's own.
            style = f"{ground} {style}".strip() if ground else style
            line += [(_aligned(text, room, column.right), style), (" ", ground)]
        return [*line, (" " * max(0, width - sum(w + 1 for _, w, _ in shown)), ground)]

    def _fit(self, width: int) -> list[tuple[Column, int, int]]:
        """Return (column, its width, its place among the cells) of those that fit, growing ones with the spare room."""
        kept = list(enumerate(self.columns))
        while len(kept) > 1 and sum(c.width + 1 for _, c in kept) - 1 > width:
            worst = max(kept, key=lambda entry: (entry[1].drop, entry[0]))
            if worst[1].drop == 0:
                break
            kept.remove(worst)
        spare = width - sum(c.width + 1 for _, c in kept) + 1
        shares = sum(c.grow for _, c in kept)
        grown = max(0, spare)
        fitted = [(c, c.width + (grown * c.grow // shares if shares else 0), place) for place, c in kept]
        if spare < 0:
            column, room, place = fitted.pop()
            fitted.append((column, max(0, room + spare), place))
        return fitted


def _aligned(text: str, width: int, right: bool) -> str:
    if right and cell_len(text) < width:
        return " " * (width - cell_len(text)) + text
    return cut(text, width)
