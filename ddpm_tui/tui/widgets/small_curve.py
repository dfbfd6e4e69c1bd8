"""One curve with its end values: a profile's schedule at a glance. Is given numbers."""

import numpy as np
from rich.segment import Segment

from ddpm_tui.draw.braille import BrailleCanvas
from ddpm_tui.draw.palettes import text_style
from ddpm_tui.draw.series import Reals
from ddpm_tui.draw.terminal import Terminal
from ddpm_tui.tui.widgets.chart import theme_ink
from ddpm_tui.tui.widgets.lines import LinesWidget
from ddpm_tui.tui.widgets.pictures import centred


class SmallCurve(LinesWidget):
    """Values at even distances from left to right, from 0 or their least to their greatest."""

    DEFAULT_CSS = "SmallCurve { height: 6; width: 1fr; }"

    def __init__(self, *, terminal: Terminal, id: str | None = None) -> None:
        super().__init__(id=id)
        self._terminal = terminal
        self.values: Reals = np.empty(0)
        self.title = ""

    def show(self, values: Reals, title: str) -> None:
        """Show values. title: the curve's name and ends."""
        self.values, self.title = values, title
        self.repaint()

    def terminal_is(self, terminal: Terminal) -> None:
        self._terminal = terminal
        super().terminal_is(terminal)

    def build_rows(self, width: int, height: int) -> list[list[Segment]]:
        ink = theme_ink(self.app.theme, self.app.theme_variables)
        depth = self._terminal.depth
        title = centred(self.title, width, text_style(ink.muted, depth, dim=True))
        if not len(self.values) or height < 2:
            return [title]
        canvas = BrailleCanvas(width, height - 1, self._terminal.braille and self._terminal.unicode)
        places = np.linspace(0, len(self.values) - 1, canvas.width)
        y = np.interp(places, np.arange(len(self.values)), self.values)
        low, high = min(0.0, float(y.min())), float(y.max())
        row = (high - y) / ((high - low) or 1.0) * (canvas.height - 1)
        # From each column to the next one, so that a steep line is not torn.
        following = np.append(row[1:], row[-1])
        glyph = None if canvas.braille else "*"
        canvas.spans(np.minimum(row, following), np.maximum(row, following), 0, glyph)
        return [title, *canvas.segments(lambda _: text_style(ink.bright(0), depth))]
