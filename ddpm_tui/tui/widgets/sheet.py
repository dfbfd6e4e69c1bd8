"""Lines of text as high as they need to be at their width. Knows nothing of their content."""

import textwrap
from collections.abc import Callable

from ddpm_tui.tui.widgets.rows import Line, Rows
from engine.base.text import visible


class Sheet(Rows):
    """Shows the lines that a function makes for the present width."""

    DEFAULT_CSS = "Sheet { height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draw: Callable[[int], list[Line]] = lambda width: []

    def show(self, draw: Callable[[int], list[Line]]) -> None:
        """Show lines. draw: returns them for a width in cells."""
        before = len(self._draw(self.content_size.width))
        self._draw = draw
        if len(draw(self.content_size.width)) == before:
            self.repaint()
        else:
            self.refresh(layout=True)
            self.call_after_refresh(self.repaint)

    def lines(self, width: int, height: int) -> list[Line]:
        return self._draw(width)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._draw(width))


def paragraph(text: str, width: int, ink: str, indent: str = "  ") -> list[Line]:
    """Break `text` into as many lines as it needs, all but the first indented; "" is an empty line."""
    parts = textwrap.wrap(visible(text), max(20, width), subsequent_indent=indent)
    return [[(part, ink)] for part in parts] or [[""]]
