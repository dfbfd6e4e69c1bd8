"""The commands of the palette."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

from ddpm_tui.tui import themes
from ddpm_tui.tui.keymap import BY_ID, shown

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp


def commands(app: "DdpmApp", screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Yield the commands that have a key on `screen`, each once with all its keys, then the themes."""
    found: dict[str, list[Any]] = {}
    for active in screen.active_bindings.values():
        key = BY_ID.get(active.binding.id or "")
        if key is not None and active.enabled and key.group != "list" and key.id != "app.palette":
            found.setdefault(key.id, []).append(active)
    for key_id, actives in found.items():
        key, first = BY_ID[key_id], actives[0]
        keys = " ".join(shown(active.binding.key) for active in actives)
        title = f"{key.label[:1].upper()}{key.label[1:]} ({keys})"
        yield SystemCommand(title, key.help, _runner(app, first.binding.action, first.node))
    for name in themes.NAMES:
        yield SystemCommand(f"Theme {name.removeprefix('ddpm-')}", "colours", _themer(app, name))


def _runner(app: "DdpmApp", action: str, target: Any) -> Callable[[], None]:
    def use() -> None:
        app.call_later(app.run_action, action, target)

    return use


def _themer(app: "DdpmApp", name: str) -> Callable[[], None]:
    def use() -> None:
        app.theme = name

    return use
