"""Many faces: a grid that uses its room, with a cursor and pages, and a film of the same seeds through the epochs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.message import Message
from textual.reactive import reactive

from ddpm_tui.draw.colour import Pixels
from ddpm_tui.draw.layout import SMALLEST_FACE, GridLayout, grid_layout
from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.widgets.pictures import Picture, PictureWidget, Rows, blank, centred

_UNKNOWN_SIZE = (64, 64)  # of a file that has not been read yet


class FaceGrid(PictureWidget, can_focus=True):
    """Pictures of one size, as large as lets all of them in, else in pages. The cursor moves by key."""

    DEFAULT_CSS = """
    FaceGrid { width: 1fr; height: 1fr; }
    """

    BINDINGS = bindings("faces")

    selected: reactive[int] = reactive(0, layout=False, repaint=False)

    class Moved(Message):
        """The cursor is on another picture: its index."""

        def __init__(self, grid: "FaceGrid", index: int) -> None:
            super().__init__()
            self.grid, self.index = grid, index

        @property
        def control(self) -> "FaceGrid":
            return self.grid

    class Chosen(Moved):
        """Enter on a picture."""

    def __init__(
        self,
        *,
        empty: str = "no pictures yet",
        terminal: Terminal | None = None,
        low_colours: bool = False,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(terminal=terminal, low_colours=low_colours, name=name, id=id, classes=classes)
        self.pictures: Sequence[Picture] = ()
        self.labels: Sequence[str] = ()
        self.empty = empty
        self._edge: int | None = None

    def show(self, pictures: Sequence[Picture], labels: Sequence[str] = (), selected: int = 0) -> None:
        """Show other pictures, all of one size; `labels` below them, one each."""
        self.pictures, self.labels, self._edge = pictures, labels, None
        self.selected = self._inside(selected)
        self.repaint()

    def change(self, pictures: Sequence[Picture]) -> None:
        """Show the same pictures at another moment: cursor and size stay."""
        self.pictures = pictures
        self.repaint()

    def layout_now(self) -> GridLayout:
        """Return the layout of the pictures in the widget's present size."""
        return self._layout(*self.size)

    def build_rows(self, width: int, height: int) -> Rows:
        if not self.pictures:
            return self.notice(self.empty, width, height)
        layout = self._layout(width, height)
        start = self.selected // layout.per_page * layout.per_page
        page = range(start, min(start + layout.per_page, len(self.pictures)))
        self.want(self.pictures[i] for i in page)
        rows: Rows = []
        for first in range(page.start, page.stop, layout.columns):
            if rows and layout.row_gap:
                rows.append(blank(width))
            rows += self._band(range(first, min(first + layout.columns, page.stop)), layout)
        rows = rows[: height - 1 if layout.pages(len(self.pictures)) > 1 else height]
        rows += [blank(width) for _ in range(height - len(rows))]
        pages = layout.pages(len(self.pictures))
        if pages > 1:
            shown = f"{page.start + 1}-{page.stop} of {len(self.pictures)}"
            here = f"page {page.start // layout.per_page + 1}/{pages}"
            rows[-1] = centred(f"{shown}, {here}", width, self.muted())
        return rows

    def pictures_came(self) -> None:
        # The first file tells the size, and with it the layout and which files the page needs.
        self.repaint()

    def watch_selected(self, old: int, new: int) -> None:
        self.repaint()
        if self.pictures and old != new:
            self.post_message(self.Moved(self, new))

    def action_move(self, across: int, down: int) -> None:
        self.selected = self._inside(self.selected + across + down * self.layout_now().columns)

    def action_page(self, pages: int) -> None:
        self.selected = self._inside(self.selected + pages * self.layout_now().per_page)

    def action_jump(self, to: int) -> None:
        self.selected = self._inside(to if to >= 0 else len(self.pictures) - 1)

    def action_zoom(self, steps: int) -> None:
        """Zoom one step in or out: by a whole multiple above the pictures' own size, by halves below it."""
        own = self._picture_size()[0]
        now = self.layout_now().width
        if steps > 0:
            edge = min(own, now * 2) if now < own else now + own
        else:
            edge = now - own if now > own else max(8, now // 2)
        before, self._edge = self._edge, edge
        if steps > 0 and self.layout_now().width <= now:  # no room for that
            self._edge = before
        self.repaint()

    def action_fit(self) -> None:
        self._edge = None
        self.repaint()

    def action_choose(self) -> None:
        if self.pictures:
            self.post_message(self.Chosen(self, self.selected))

    def _layout(self, width: int, height: int) -> GridLayout:
        n = max(1, len(self.pictures))
        # A column on either side for the cursor, and a line for the page if there are pages.
        room, labels = max(1, width - 2), 1 if self.labels else 0
        layout = grid_layout(n, self._picture_size(), room, height, label_rows=labels, edge=self._edge)
        if layout.pages(n) == 1:
            return layout
        return grid_layout(
            n, self._picture_size(), room, max(1, height - 1), label_rows=labels, edge=self._edge
        )

    def _picture_size(self) -> tuple[int, int]:
        for picture in self.pictures:
            found = self.pixels_of(picture)
            if found is not None and not isinstance(found, str):
                return found.shape[1], found.shape[0]
        return _UNKNOWN_SIZE

    def _band(self, indices: range, layout: GridLayout) -> Rows:
        """Return the cell rows of one row of pictures, with the cursor in the gaps beside the selected one."""
        left, right = ("▐", "▌") if self.unicode else ("[", "]")
        rows: Rows = []
        chosen = self.selected if self.can_focus else -1  # a grid that takes no keys has no cursor
        tiles = [self.tile(self.pictures[i], layout.width, layout.height) for i in indices]
        width = self.size.width
        for y in range(layout.tile_cells[1]):
            row: list[Segment] = []
            for slot, i in enumerate(indices):
                before = right if i - 1 == chosen and slot else left if i == chosen else " "
                row.append(Segment(before, self._cursor_style() if before != " " else None))
                picture_row = y < len(tiles[slot])
                row += tiles[slot][y] if picture_row else self._label(i, layout.width)
            end = bool(indices) and indices[-1] == chosen
            row.append(Segment(right if end else " ", self._cursor_style() if end else None))
            used = 1 + len(indices) * (layout.width + 1)
            rows.append([*row, *blank(width - used)])
        return rows

    def _label(self, index: int, width: int) -> list[Segment]:
        text = self.labels[index] if index < len(self.labels) else ""
        return centred(text, width, self._cursor_style() if index == self.selected else self.muted())

    def _cursor_style(self) -> Style:
        if self.depth is Depth.NONE:
            return Style(bold=True)
        variable = self.app.theme_variables.get("accent", "#ffa62b")
        return self.rich_style + Style.parse(variable if variable.startswith("#") else "bright_yellow")

    def _inside(self, index: int) -> int:
        return max(0, min(index, len(self.pictures) - 1))


@dataclass(frozen=True)
class FilmFrame:
    """One moment of the film: a sheet of faces as a preview is stored, its label, and a shorter one for small faces."""

    sheet: Picture
    label: str = ""
    short: str = ""


def split_sheet(sheet: Pixels, size: tuple[int, int]) -> list[Pixels]:
    """Return the faces of `size` (wide, tall) pixels in a sheet uint8 (H, W, 3), row by row."""
    wide, tall = size
    rows, columns = max(1, sheet.shape[0] // tall), max(1, sheet.shape[1] // wide)
    return [
        sheet[y * tall : (y + 1) * tall, x * wide : (x + 1) * wide]
        for y in range(rows)
        for x in range(columns)
    ]


class Filmstrip(PictureWidget, can_focus=True):
    """The same seeds through time: a column a moment, a row a seed. Moments that find no room are thinned evenly; few
    moments on a wide terminal show several seeds in a row."""

    DEFAULT_CSS = """
    Filmstrip { width: 1fr; height: 1fr; }
    """

    BINDINGS = bindings("film")

    selected: reactive[int] = reactive(0, layout=False, repaint=False)

    class Moved(Message):
        """Another moment is selected: its index."""

        def __init__(self, film: "Filmstrip", index: int) -> None:
            super().__init__()
            self.film, self.index = film, index

        @property
        def control(self) -> "Filmstrip":
            return self.film

    class Chosen(Moved):
        """Enter on a moment."""

    def __init__(
        self,
        face: tuple[int, int] | None = None,
        *,
        empty: str = "no previews yet",
        terminal: Terminal | None = None,
        low_colours: bool = False,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Make an empty film. `face`: pixels (wide, tall) of one face in a sheet; None: a sheet is one picture."""
        super().__init__(terminal=terminal, low_colours=low_colours, name=name, id=id, classes=classes)
        self.face, self.empty = face, empty
        self.frames: Sequence[FilmFrame] = ()

    def show(self, frames: Sequence[FilmFrame], selected: int | None = None) -> None:
        """Show another film, with the last moment selected unless said otherwise."""
        self.frames = frames
        self.selected = self._inside(len(frames) - 1 if selected is None else selected)
        self.repaint()

    def build_rows(self, width: int, height: int) -> Rows:
        if not self.frames:
            return self.notice(self.empty, width, height)
        edge, columns, seeds, across = self._plan(width, height)
        moments = thinned(len(self.frames), columns, self.selected)
        self.want(self.frames[i].sheet for i in moments)
        strips = [self._column(self.frames[i], edge, (across, seeds), height - 1) for i in moments]
        wide = across * edge[0]
        rows: Rows = []
        for y in range(height - 1):
            rows.append([s for strip in strips for s in (*strip[y], Segment(" "))])
        labels: list[Segment] = []
        for i in moments:
            style = self.muted() if i != self.selected else Style(bold=True, reverse=self.depth is Depth.NONE)
            frame = self.frames[i]
            label = frame.label if len(frame.label) <= wide or not frame.short else frame.short
            labels += [*centred(label, wide, style), Segment(" ")]
        return [*rows, labels]

    def watch_selected(self, old: int, new: int) -> None:
        self.repaint()
        if self.frames and old != new:
            self.post_message(self.Moved(self, new))

    def action_move(self, moments: int) -> None:
        self.selected = self._inside(self.selected + moments)

    def action_jump(self, to: int) -> None:
        self.selected = self._inside(to if to >= 0 else len(self.frames) - 1)

    def action_choose(self) -> None:
        if self.frames:
            self.post_message(self.Chosen(self, self.selected))

    def _faces(self, frame: FilmFrame) -> list[Pixels] | None:
        found = self.pixels_of(frame.sheet)
        if found is None or isinstance(found, str):
            return None
        return [found] if self.face is None else split_sheet(found, self.face)

    def _plan(self, width: int, height: int) -> tuple[tuple[int, int], int, int, int]:
        """Return the pixels of a face as shown, moments across, seeds down, and seeds in a row of each moment.

        As many moments and seeds as leave faces worth looking at. If all moments leave room, a moment shows several
        seeds in a row."""
        faces = next((f for frame in self.frames if (f := self._faces(frame))), None)
        size = self.face or ((faces[0].shape[1], faces[0].shape[0]) if faces else _UNKNOWN_SIZE)
        n = len(faces) if faces else 1
        best: tuple[float, tuple[int, int], int, int] | None = None
        for seeds, wanted in product(range(1, n + 1), range(1, 4)):
            # As large as the height allows, and smaller if two or three moments have no room otherwise.
            room = min(2 * ((height - 1) // seeds), size[1] * ((width + 1) // wanted - 1) // size[0])
            tall = size[1] * (room // size[1]) if room >= size[1] else room - room % 2
            wide = max(1, round(size[0] * tall / size[1])) if tall else 0
            if wide < SMALLEST_FACE or wide > width:
                continue
            columns = min(len(self.frames), (width + 1) // (wide + 1))
            # Moments count most, a few seeds are enough, and a small face says less. Weights chosen by looking.
            worth = columns * min(seeds, 3) ** 0.5 * min(1.0, wide / 28) ** 1.2
            if best is None or worth > best[0]:
                best = worth, (wide, tall), columns, seeds
        if best is None:
            tall = max(2, min(2 * (height - 1), width))
            return (min(width, tall), tall), 1, 1, 1
        _, edge, columns, seeds = best
        across = 1
        if columns == len(self.frames):
            across = max(1, min(-(-n // seeds), ((width + 1) // columns - 1) // edge[0]))
        return edge, columns, seeds, across

    def _column(self, frame: FilmFrame, edge: tuple[int, int], seeds: tuple[int, int], height: int) -> Rows:
        """Draw one moment. seeds: how many in a row, and rows."""
        wide, tall = edge
        across, down = seeds
        faces = self._faces(frame)
        if faces is None:
            return self.tile(frame.sheet, across * wide, 2 * height)[:height]
        rows: Rows = []
        for first in range(0, min(len(faces), across * down), across):
            tiles = [self.tile(face, wide, tall) for face in faces[first : first + across]]
            empty = blank((across - len(tiles)) * wide)
            rows += [[*(s for part in parts for s in part), *empty] for parts in zip(*tiles, strict=True)]
        return [*rows[:height], *(blank(across * wide) for _ in range(height - len(rows)))]

    def _inside(self, index: int) -> int:
        return max(0, min(index, len(self.frames) - 1))


def thinned(n: int, room: int, keep: int) -> list[int]:
    """Return at most `room` of 0…n−1, evenly spread with both ends, `keep` among them."""
    if n <= room:
        return list(range(n))
    if room <= 1:
        return [keep]
    spread = np.unique(np.rint(np.linspace(0, n - 1, room)).astype(int)).tolist()
    if keep not in spread:
        spread[int(np.argmin([abs(i - keep) for i in spread]))] = keep
    return sorted(spread)
