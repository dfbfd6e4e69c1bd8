"""Screen 1."""

from textual.app import ComposeResult

from ddpm_tui.keymap import bindings
from ddpm_tui.screens.base import BaseScreen
from ddpm_tui.state.snapshot import Snapshot
from ddpm_tui.widgets.table import Column, Row, Table


class DashboardScreen(BaseScreen):
    NAME = "dashboard"
    BINDINGS = bindings("dashboard", "app")

    def body(self) -> ComposeResult:
        yield Table([Column("job", 6), Column("what", 20, grow=1), Column("state", 12)])

    def paint(self, snapshot: Snapshot) -> None:
        self.query_one(Table).show([Row(j.id, (j.id, j.title, str(j.state))) for j in snapshot.jobs])
