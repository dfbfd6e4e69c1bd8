"""`/`: a text line whose words narrow a list. Knows only its listener."""

from collections.abc import Callable
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Static

from ddpm_tui.tui.widgets.line import TextLine


class FilterBar(Horizontal):
    """The line with its label and the key that closes it. Shown while the user types and as long as it holds words."""

    def __init__(self, filtered: Callable[[str], None]) -> None:
        super().__init__()
        self._filtered = filtered

    def compose(self) -> ComposeResult:
        yield Static("filter ", classes="label", markup=False)
        yield FilterLine(self._filtered)
        yield Static("esc clears it", classes="label", markup=False)


class FilterLine(TextLine):
    """Tells `filtered` at every change. Enter keeps the words, escape clears them."""

    def __init__(self, filtered: Callable[[str], None]) -> None:
        super().__init__(placeholder="words that must all appear", id="filter")
        self._filtered = filtered
        self._before: Any = None

    def open(self) -> None:
        """Show it and take the keys."""
        if not self.has_focus:
            self._before = self.screen.focused
        self._show(True)
        self.focus()

    def clear_words(self) -> None:
        """Show all lines again."""
        self.value = ""
        self._leave() if self.has_focus else self._show(False)

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
            self.clear_words()

    def _leave(self) -> None:
        self._show(bool(self.value))
        self.screen.set_focus(self._before)

    def _show(self, shown: bool) -> None:
        for bar in self.screen.query(FilterBar):
            bar.display = shown
