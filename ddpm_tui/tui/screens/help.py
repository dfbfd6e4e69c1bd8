"""`?`: every key that works on the screen below, as the keymap has it now."""

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from ddpm_tui.tui.keymap import BY_ID, bindings, shown
from ddpm_tui.tui.screens.base import Dialog
from ddpm_tui.tui.widgets.bars import offered

_TITLES = {"list": "Lists", "pane": "Panes", "app": "Everywhere", "chart": "Chart"}


class Help(Dialog[None]):
    """Keys by group: the screen's own, lists, everywhere."""

    BINDINGS = bindings("dialog", only=["dialog.close"])

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._groups = key_groups(about)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box tall"):
            with VerticalScroll(can_focus=True):
                for name, keys in self._groups.items():
                    yield Static(_TITLES.get(name, name.capitalize()), classes="heading", markup=False)
                    for key, text in keys:
                        for which, words in (
                            ("app.undo", self.ddpm.undo.next),
                            ("app.redo", self.ddpm.undo.next_again),
                        ):
                            if text == BY_ID[which].help and words:
                                text = f"{text}: {words}"
                        yield Static(f"  {key:<12} {text}", markup=False)
            back = self.keys_line(("dialog.close", "back"))
            yield Static(
                f"{back}    other keys: keymap.toml in the data folder", classes="keys", markup=False
            )


def key_groups(screen: Screen[object]) -> dict[str, list[tuple[str, str]]]:
    """Return {group: [(keys, sentence)]} of the keys on a screen, by the live bindings."""
    live: dict[str, list[str]] = {}
    for active in screen.active_bindings.values():
        if active.binding.id in BY_ID and active.enabled and offered(active.node, active.binding.id):
            live.setdefault(active.binding.id, []).append(shown(active.binding.key))
    groups: dict[str, list[tuple[str, str]]] = {}
    for key_id, key in BY_ID.items():
        if key_id in live:
            groups.setdefault(key.group, []).append((" ".join(live[key_id]), key.help))
    shared = ("list", "pane", "app")
    own = [g for g in groups if g not in shared]
    return {name: groups[name] for name in [*own, *(g for g in shared if g in groups)]}
