"""A screen of one line."""

from textual.app import ComposeResult
from textual.widgets import Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.state.snapshot import Snapshot


class NotesScreen(BaseScreen):
    """Says how many runs there are."""

    NAME = "notes"
    BINDINGS = bindings("notes")

    def body(self) -> ComposeResult:
        yield Static(id="note")

    def paint(self, snapshot: Snapshot) -> None:
        self.query_one("#note", Static).update(f"noted: {len(snapshot.runs)} runs")

    def action_shout(self) -> None:
        self.query_one("#note", Static).update("NOTED")
