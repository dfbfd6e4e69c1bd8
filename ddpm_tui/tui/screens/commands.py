"""`@`: past actions as commands for a shell, errors in full, and the effects of undo and redo."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import Dialog
from ddpm_tui.tui.widgets.rows import Line
from ddpm_tui.tui.widgets.sheet import Sheet, paragraph
from ddpm_tui.tui.widgets.table import Column, Row, Table
from ddpm_tui.words import clock


class CommandLog(Dialog[None]):
    """Newest first. Enter copies the line under the cursor by OSC 52, which ssh and tmux pass on."""

    BINDINGS = [*bindings("dialog", only=["dialog.close"]), *bindings("commands")]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide tall"):
            yield Static("The session as commands", classes="question", markup=False)
            yield Table([Column("", 5), Column("", 40, grow=1)], header=False)
            yield Sheet(id="whole")
            yield Sheet(id="undoes")
            keys = (
                ("commands.copy", "copy"),
                ("app.undo", "undo"),
                ("app.redo", "redo"),
                ("dialog.close", "back"),
            )
            yield Static(self.keys_line(*keys), classes="keys", markup=False)

    def on_mount(self) -> None:
        rows = [
            Row(str(place), ((clock(when), "dim"), (text, tone) if tone else ("$ " + text, "accent")))
            for place, (when, text, tone) in enumerate(self.ddpm.echoes)
        ]
        nothing: list[Line] = [[("nothing was changed in this session", "dim")]]
        self.query_one(Table).show(list(reversed(rows)), nothing)
        self.query_one(Table).focus()
        self.query_one("#undoes", Sheet).show(self._undoes)
        self._whole()

    def _undoes(self, width: int) -> list[Line]:
        undo, key = self.ddpm.undo, self.ddpm.key
        said = [("app.redo", undo.next_again), ("app.undo", undo.next)]
        return [[(key(key_id), "accent bold"), f" {words}"] for key_id, words in said if words]

    def on_table_moved(self) -> None:
        self._whole()

    def _whole(self) -> None:
        """Show the line under the cursor from its beginning to its end."""
        text, tone = self._chosen()
        self.query_one("#whole", Sheet).show(lambda width: paragraph(text, width, tone or "accent"))

    def _chosen(self) -> tuple[str, str]:
        key = self.query_one(Table).key
        return ("", "") if key is None else self.ddpm.echoes[int(key)][1:]

    def action_copy(self) -> None:
        text, _ = self._chosen()
        if text:
            self.app.copy_to_clipboard(text)
            self.ddpm.say("copied, if the terminal allows it")
            self.dismiss(None)
