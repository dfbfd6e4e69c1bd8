"""The layout of pictures on a terminal page: sizes, grids, contact sheets. Pixels are half a cell tall, so square.

A picture of W×H pixels takes W cells by ⌈H/2⌉ cells. Knows no colours and no glyphs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddpm_tui.draw.colour import Pixels, to_bytes, to_linear

SMALLEST_FACE = 16  # pixels: below this a face is no longer one


@dataclass(frozen=True)
class GridLayout:
    """A page of equal pictures. `width`, `height`: pixels of one as shown; `gap`, `label_rows`: cells."""

    columns: int
    rows: int
    width: int
    height: int
    gap: int = 1
    label_rows: int = 0

    @property
    def tile_cells(self) -> tuple[int, int]:
        """Return the cells (wide, tall) of one picture with its label and without the gap."""
        return self.width, (self.height + 1) // 2 + self.label_rows

    @property
    def cells(self) -> tuple[int, int]:
        """Return the cells (wide, tall) of the whole page."""
        wide, tall = self.tile_cells
        return self.columns * (wide + self.gap) - self.gap, self.rows * (tall + self.row_gap) - self.row_gap

    @property
    def row_gap(self) -> int:
        """Return the empty cell rows between pictures; a label already sets them apart."""
        return 0 if self.label_rows else min(self.gap, 1)

    @property
    def per_page(self) -> int:
        return self.columns * self.rows

    def pages(self, n: int) -> int:
        """Return the pages that n pictures take; at least one."""
        return max(1, -(-n // self.per_page))

    def place(self, slot: int) -> tuple[int, int]:
        """Return the cell (x, y) of the top left corner of the picture in this slot of its page."""
        wide, tall = self.tile_cells
        row, column = divmod(slot, self.columns)
        return column * (wide + self.gap), row * (tall + self.row_gap)


def shown_size(size: tuple[int, int], cells_w: int, cells_h: int) -> tuple[int, int]:
    """Return the pixels (wide, tall) a picture of `size` pixels gets in that room: a whole multiple if one fits."""
    width, height = size
    room_w, room_h = max(1, cells_w), max(1, 2 * cells_h)
    scale = min(room_w // width, room_h // height)
    if scale >= 1:
        return width * scale, height * scale
    shrink = min(room_w / width, room_h / height)
    return max(1, int(width * shrink)), max(1, int(height * shrink))


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Resize the picture to exactly width×height: repeat pixels for whole multiples, else average areas."""
    old_h, old_w = pixels.shape[:2]
    if (old_w, old_h) == (width, height):
        return pixels
    if width % old_w == 0 and height % old_h == 0:
        return pixels.repeat(height // old_h, axis=0).repeat(width // old_w, axis=1)
    linear = to_linear(pixels)
    across = np.einsum("yxc,ox->yoc", linear, _area_weights(old_w, width), optimize=True)
    return to_bytes(np.einsum("yxc,oy->oxc", across, _area_weights(old_h, height), optimize=True))


def grid_layout(
    n: int,
    size: tuple[int, int],
    width_cells: int,
    height_cells: int,
    *,
    gap: int = 1,
    label_rows: int = 0,
    edge: int | None = None,
    smallest: int = SMALLEST_FACE,
) -> GridLayout:
    """Return the layout of n pictures of `size` (wide, tall) pixels in that room.

    The largest whole multiple at which all fit; if not even the pictures' own size does, the largest smaller
    size (down to `smallest` pixels wide) at which all fit, and pages of that size otherwise. `edge` sets the
    width in pixels instead (a zoom). There is always room for one picture, cut down to the page if need be.
    """
    n = max(1, n)
    own = size[0]
    for candidate in [edge] if edge else _edges(own, min(smallest, own), width_cells):
        layout = _packed(n, size, candidate, width_cells, height_cells, gap, label_rows)
        if layout is not None and (layout.per_page >= n or edge):
            return layout
    pages = _packed(n, size, min(smallest, own), width_cells, height_cells, gap, label_rows)
    if pages is not None:
        # As large as they can be without there being fewer of them on a page.
        for larger in range(pages.width + 1, own + 1):
            grown = _packed(n, size, larger, width_cells, height_cells, gap, label_rows)
            if grown is None or grown.per_page < pages.per_page:
                break
            pages = grown
        return pages
    width, height = shown_size(size, width_cells, max(1, height_cells - label_rows))
    return GridLayout(1, 1, width, height, gap, label_rows)


def contact_sheet(pictures: Sequence[Pixels], layout: GridLayout, page: int = 0) -> NDArray[np.uint8]:
    """Return one page as a picture, RGBA bytes (H, W, 4): gaps, labels and empty places are transparent."""
    wide, tall = layout.cells
    sheet = np.zeros((2 * tall, wide, 4), dtype=np.uint8)
    start = page * layout.per_page
    for slot, picture in enumerate(pictures[start : start + layout.per_page]):
        x, y = layout.place(slot)
        sheet[2 * y : 2 * y + layout.height, x : x + layout.width, :3] = resize(
            picture, layout.width, layout.height
        )
        sheet[2 * y : 2 * y + layout.height, x : x + layout.width, 3] = 255
    return sheet


def _edges(own: int, smallest: int, width_cells: int) -> list[int]:
    """Return the widths to try, best first: whole multiples, then every smaller width down to the smallest."""
    multiples = [own * k for k in range(max(1, width_cells // own), 0, -1)]
    return multiples + list(range(own - 1, smallest - 1, -1))


def _packed(
    n: int, size: tuple[int, int], width: int, width_cells: int, height_cells: int, gap: int, label_rows: int
) -> GridLayout | None:
    """Return the page of pictures this wide, or None if no picture fits."""
    height = max(1, round(size[1] * width / size[0]))
    one = GridLayout(1, 1, width, height, gap, label_rows)
    wide, tall = one.tile_cells
    columns = (width_cells + gap) // (wide + gap)
    rows = (height_cells + one.row_gap) // (tall + one.row_gap)
    if columns < 1 or rows < 1:
        return None
    columns = min(columns, n)
    return GridLayout(columns, min(rows, -(-n // columns)), width, height, gap, label_rows)


def _area_weights(old: int, new: int) -> NDArray[np.float32]:
    """Return the (new, old) weights of a box filter: the part of a new pixel that each old one covers."""
    edges = np.arange(new + 1) * (old / new)
    cells = np.arange(old)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights = np.clip(overlap, 0.0, None)
    normal: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normal
