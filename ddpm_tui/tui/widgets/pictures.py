"""The base of the face widgets: pictures given as arrays or as files, loaded in a thread, drawn once, kept a while."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import work

from ddpm_tui.draw.colour import Pixels
from ddpm_tui.draw.halfblock import half_block_rows
from ddpm_tui.draw.layout import resize
from ddpm_tui.draw.show import load_picture
from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui.widgets.lines import LinesWidget
from engine.base.errors import DdpmError

if TYPE_CHECKING:
    from ddpm_tui.draw.placeholders import PlaceholderImages

Picture = NDArray[np.uint8] | Path
Rows = list[list[Segment]]
_KEPT_PICTURES, _KEPT_TILES = 512, 512
MOST_CELLS = 128
"""A side, of a real image."""


class PictureWidget(LinesWidget):
    """A widget that shows pictures, uint8 (H, W, 3) arrays or paths of files.

    A file is read in a thread; until then its place says so, and a file that cannot be read is one line of
    text in the picture's place. `low_colours` draws with 256 colours even in truecolor: fewer bytes.
    """

    def __init__(
        self,
        *,
        terminal: Terminal | None = None,
        low_colours: bool = False,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._low_colours = low_colours
        self.depth = self._depth(terminal)
        self.unicode = terminal is None or terminal.unicode
        self._files: OrderedDict[Path, Pixels | str] = OrderedDict()
        self._asked: set[Path] = set()
        self._tiles: OrderedDict[tuple[object, int, int], Rows] = OrderedDict()

    def _depth(self, terminal: Terminal | None) -> Depth:
        depth = Depth.TRUECOLOR if terminal is None else terminal.depth
        return min(depth, Depth.ANSI256) if self._low_colours else depth

    def terminal_is(self, terminal: Terminal) -> None:
        self.depth = self._depth(terminal)
        self.unicode = terminal.unicode
        self._tiles.clear()
        super().terminal_is(terminal)

    @property
    def _images(self) -> "PlaceholderImages | None":
        """Return the drawer of real images here."""
        return None if self._low_colours else getattr(self.app, "placeholders", None)

    def pixels_of(self, picture: Picture) -> Pixels | str | None:
        """Return the picture's pixels; a sentence if it cannot be read; None while it is being read."""
        if not isinstance(picture, Path):
            return picture
        found = self._files.get(picture)
        if found is not None:
            self._files.move_to_end(picture)
        return found

    def want(self, pictures: Iterable[Picture]) -> None:
        """Have those of these files read that are not loaded yet."""
        missing = [
            p for p in pictures if isinstance(p, Path) and p not in self._files and p not in self._asked
        ]
        if missing:
            self._asked.update(missing)
            self._read(missing)

    @work(thread=True, exit_on_error=False)
    def _read(self, paths: Sequence[Path]) -> None:
        for path in paths:
            try:
                found: Pixels | str = load_picture(path)
            except DdpmError as error:
                found = error.what.replace(str(path), path.name)  # a tile is narrow
            if not self.is_attached:
                return
            self.app.call_from_thread(partial(self._arrived, path, found, path is paths[-1]))

    def _arrived(self, path: Path, found: Pixels | str, last: bool) -> None:
        self._asked.discard(path)
        self._files[path] = found
        while len(self._files) > _KEPT_PICTURES:
            self._files.popitem(last=False)
        # One repaint for a page of files: a picture that is sent twice costs twice.
        if last:
            self.pictures_came()

    def pictures_came(self) -> None:
        """Act on wanted files that are loaded now."""
        self.repaint()

    def tile(self, picture: Picture, width: int, height: int) -> Rows:
        """Return the picture at width×height pixels as ⌈height/2⌉ rows of `width` cells, or a notice as large."""
        found = self.pixels_of(picture)
        if found is None or isinstance(found, str):
            return self.notice(
                "…" if found is None and self.unicode else found or "...", width, (height + 1) // 2
            )
        key = (picture if isinstance(picture, Path) else id(picture), width, height)
        rows = self._tiles.get(key) if isinstance(picture, Path) else None
        if rows is None:
            rows = self._drawn(found, width, height)
            if isinstance(picture, Path):  # an array's identity may be given to another one later
                self._tiles[key] = rows
                while len(self._tiles) > _KEPT_TILES:
                    self._tiles.popitem(last=False)
        return rows

    def _drawn(self, pixels: Pixels, width: int, height: int) -> Rows:
        tall = (height + 1) // 2
        if self._images is not None and max(width, tall) <= MOST_CELLS:
            return self._images.rows(pixels, width, tall)
        return half_block_rows(resize(pixels, width, height), self.depth, self.unicode)

    def notice(self, text: str, width: int, height: int) -> Rows:
        """Return one line of text in the middle of that many cells, cut to fit."""
        rows: Rows = [blank(width) for _ in range(height)]
        if height:
            rows[height // 2] = centred(text, width, self.muted())
        return rows

    def muted(self) -> Style:
        """Return the style of captions and notices."""
        return Style(dim=True) if self.depth is Depth.NONE else self.rich_style + Style(dim=True)


def blank(width: int) -> list[Segment]:
    """Return that many empty cells."""
    return [Segment(" " * width)] if width > 0 else []


def centred(text: str, width: int, style: Style | None = None) -> list[Segment]:
    """Return the text in the middle of `width` cells, cut on the right if it is longer."""
    length = cell_len(text)
    if length > width:
        return [Segment(set_cell_size(text, max(0, width)), style)]
    before = (width - length) // 2
    return [*blank(before), Segment(text, style), *blank(width - before - length)]


def framed(rows: Rows, used: int, width: int, height: int) -> Rows:
    """Return the rows (each `used` cells) in the middle of width×height cells."""
    left, above = max(0, (width - used) // 2), max(0, (height - len(rows)) // 2)
    out: Rows = [blank(width) for _ in range(above)]
    out += [[*blank(left), *row, *blank(width - used - left)] for row in rows]
    return [*out, *(blank(width) for _ in range(height - len(out)))][:height]
