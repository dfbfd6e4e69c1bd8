"""`/`: a line in which one types words that narrow a list. Knows only whom to tell."""

from collections.abc import Callable
from typing import Any

from textual import events
from textual.widgets import Input


class FilterLine(Input):
    """Tells `filtered` at every change. Enter keeps the words, escape takes them away."""

    def __init__(self, filtered: Callable[[str], None]) -> None:
        super().__init__(placeholder="words that must all appear", id="filter", compact=True)
        self.cursor_blink = False
        self._filtered = filtered
        self._before: Any = None

    def open(self) -> None:
        """Show it and take the keys."""
        if not self.has_focus:
            self._before = self.screen.focused
        self.display = True
        self.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._filtered(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._leave()

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self.value = ""
            self._leave()

    def _leave(self) -> None:
        self.display = bool(self.value)
        self.screen.set_focus(self._before)
