"""The line above and the line below every screen, made of live state: screens, engine, keys, messages."""

import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from textual import events

from ddpm_tui.tui.keymap import BY_ID, SCREENS, shown
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.widgets.rows import Line, Piece, Rows, length, spread

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp

MOST_LINES = 4
"""Of a message."""
_SHORT = tuple({"checkpoints": "ckpts"}.get(name, name) for name in SCREENS)


class TopBar(Rows):
    """Screens by number, the shown one marked; at the right how the engine is."""

    def __init__(self, current: str) -> None:
        super().__init__(id="top")
        self.current = current
        self.snapshot = Snapshot()
        self._places: list[tuple[int, int, str]] = []

    def show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.repaint()

    def lines(self, width: int, height: int) -> Iterator[Line]:
        right = self._engine(width)
        for names, gap in ((SCREENS, 1), (_SHORT, 0), (None, 0)):
            left = self._screens(names, gap)
            if length(left) + length(right) <= width:
                break
        yield spread(left, right, width)

    def _screens(self, names: tuple[str, ...] | None, gap: int) -> list[Piece]:
        pieces: list[Piece] = []
        self._places = []
        at = 0
        for number, screen in enumerate(SCREENS, 1):
            current = screen == self.current
            name = names[number - 1] if names else screen if current else ""
            text = f" {number} {name.capitalize()}".rstrip() + " " * (gap or current or not names)
            pieces += [(text, "cursor bold" if current else "dim"), " " * gap]
            self._places.append((at, at + len(text), screen))
            at += len(text) + gap
        return pieces

    def _engine(self, width: int) -> list[Piece]:
        engine = self.snapshot.engine
        if engine.link == "connected":
            running, waiting = len(self.snapshot.live), len(self.snapshot.waiting)
            if engine.problem:
                return [("● ", "bad"), ("engine in trouble " if width >= 90 else "trouble ", "bad")]
            if engine.old:
                return [("● ", "warn"), ("engine is older " if width >= 90 else "older ", "warn")]
            if engine.on_hold:
                return [("● ", "warn"), ("queue on hold " if width >= 90 else "on hold ", "warn")]
            if not running and not waiting:
                return [("● ", "good"), ("idle ", "dim")]
            if width < 90:  # in the signs of the queue
                more: list[Piece] = [("○ ", "dim"), (f"{waiting} ", "dim")] if waiting else []
                return [("● ", "good"), (f"{running} ", "dim"), *more]
            words = f"{running} running" + (f", {waiting} waiting" if waiting else "")
            return [("● ", "good"), (words + " ", "dim")]
        if engine.link == "starting":
            return [("◌ ", "warn"), ("engine starting " if width >= 90 else "starting ", "dim")]
        if engine.link == "stopped":
            return [("○ ", "warn"), ("engine stopped " if width >= 90 else "stopped ", "dim")]
        words = "engine away, retrying " if width >= 100 else "engine away " if width >= 90 else "away "
        return [("○ ", "bad"), (words, "bad")]

    def on_click(self, event: events.Click) -> None:
        for start, end, screen in self._places:
            if start <= event.x < end:
                self.app.call_later(self.app.run_action, f"app.go('{screen}')")


class FootBar(Rows):
    """The keys that work here; instead of them, for some seconds, a new message."""

    def __init__(self) -> None:
        super().__init__(id="foot")
        self._message: tuple[str, str] | None = None
        self._places: list[tuple[int, int, str]] = []

    def say(self, text: str, tone: str) -> None:
        self._message = (text, tone)
        self._fit()
        self.repaint()

    def quiet(self) -> None:
        if self._message is not None:
            self._message = None
            self._fit()
            self.repaint()

    def _fit(self) -> None:
        """Take as many lines as the message needs: an error ends with its remedy."""
        self.styles.height = max(1, len(self._wrapped(self.app.size.width)))

    def _wrapped(self, width: int) -> list[str]:
        text = self._message[0] if self._message else ""
        return textwrap.wrap(text, max(10, width - 2), max_lines=MOST_LINES, placeholder=" …")

    def on_resize(self) -> None:
        self._fit()

    def lines(self, width: int, height: int) -> Iterator[Line]:
        if self._message is not None:
            tone = self._message[1]
            for part in self._wrapped(width):
                said: Line = [" ", (part, tone)]
                yield said
            return
        keys = live_keys(self.screen)
        fixed = [k for k in keys if k[3] in ("app.help", "app.quit")]
        own = [k for k in keys if k not in fixed]
        line: list[Piece] = [" "]
        self._places = []
        room = width - 1 - sum(len(k[0]) + len(k[1]) + 3 for k in fixed)
        at = 1
        for key, label, action, _ in [*own, *fixed]:
            size = len(key) + 1 + len(label) + 2
            if (key, label, action, _) in own:
                if size > room:
                    continue
                room -= size
            line += [(key, "accent bold"), " ", (label, "dim"), "  "]
            self._places.append((at, at + size - 2, action))
            at += size
        yield [*line, *self._undo(at, width)]

    def _undo(self, at: int, width: int) -> list[Piece]:
        """Return the effects of the redo and undo keys, if there is room left for them."""
        app = cast("DdpmApp", self.app)
        line: list[Piece] = []
        for key_id, name, words in (
            ("app.redo", "redo", app.undo.next_again),
            ("app.undo", "undo", app.undo.next),
        ):
            key, said = app.key(key_id), f"{name}: {words}"
            size = len(key) + 1 + cell_len(said)
            if words and at + size <= width:
                self._places.append((at, at + size, key_id))
                line += [(key, "accent bold"), " ", (said, "dim"), "  "]
                at += size + 2
        return line

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.repaint())

    def on_click(self, event: events.Click) -> None:
        for start, end, action in self._places:
            if start <= event.x < end:
                self.app.call_later(self.app.run_action, action, self.screen)


def offered(node: object, key_id: str) -> bool:
    """Return whether a key of that screen or widget has an effect in its present state."""
    if key_id.startswith("app."):
        node = node.app  # type: ignore[attr-defined]
    if key_id.startswith("pane."):
        return node.offers_pane(key_id)  # type: ignore[attr-defined, no-any-return]
    offers: Callable[[str], bool] = getattr(node, "offers", lambda _: True)
    return offers(key_id)


def live_keys(screen: object) -> list[tuple[str, str, str, str]]:
    """Return (key as shown, label, action, id) of every binding of the footer that works now: those of the focused
    widget, then the screen's own, then the app's."""
    found: dict[str, tuple[str, str, str, str]] = {}
    rank: dict[str, int] = {}
    label: Callable[[str], str] = getattr(screen, "label", lambda name: "")
    for active in screen.active_bindings.values():  # type: ignore[attr-defined]
        binding = active.binding
        if not active.enabled or not binding.description or not binding.show:
            continue
        name = binding.id or binding.action
        if not offered(active.node, name):
            continue
        if name not in found:
            rank[name] = 2 if active.node is screen.app else int(active.node is screen)  # type: ignore[attr-defined]
            found[name] = (shown(binding.key), label(name) or binding.description, binding.action, name)
    # A remapped key does not change its place.
    order = {name: place for place, name in enumerate(BY_ID)}
    return sorted(
        found.values(),
        key=lambda k: (k[3].partition(".")[0] == "app", rank[k[3]], order.get(k[3], len(order))),
    )
