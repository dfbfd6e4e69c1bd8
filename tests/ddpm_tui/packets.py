"""Bytes into the app as its driver gets them, in packets cut anywhere, and what came of them."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.events import Resize
from textual.geometry import Size
from textual.widgets import Input

from ddpm_tui.tui.keyboard import ALONE_S, Keyboard
from ddpm_tui.tui.keymap import KEYS
from ddpm_tui.tui.widgets.table import Table
from engine.base.home import Home
from tests.ddpm_tui.fakes import filled, make_app
from tests.ddpm_tui.tui.screens.homes import make_run, make_samples, snapshot, text

NAMED = {
    "up": b"\x1b[A", "down": b"\x1b[B", "right": b"\x1b[C", "left": b"\x1b[D", "home": b"\x1b[H", "end": b"\x1b[F",
    "pageup": b"\x1b[5~", "pagedown": b"\x1b[6~", "delete": b"\x1b[3~", "tab": b"\t", "shift+tab": b"\x1b[Z",
    "enter": b"\r", "escape": b"\x1b", "backspace": b"\x7f", "space": b" ", "question_mark": b"?", "slash": b"/",
    "plus": b"+", "minus": b"-", "equals_sign": b"=", "left_square_bracket": b"[", "right_square_bracket": b"]",
    "shift+up": b"\x1b[1;2A", "shift+down": b"\x1b[1;2B", "shift+left": b"\x1b[1;2D", "shift+right": b"\x1b[1;2C",
    "f1": b"\x1bOP",
}  # fmt: skip


def key(name: str) -> bytes:
    """What a terminal sends for a key as the keymap names it."""
    if name in NAMED:
        return NAMED[name]
    if name.startswith("ctrl+"):
        return bytes([ord(name[-1]) & 31])
    return name.encode()


def click(x: int, y: int) -> bytes:
    return f"\x1b[<0;{x};{y}M\x1b[<0;{x};{y}m".encode()


def paste(words: str) -> bytes:
    return b"\x1b[200~" + words.encode() + b"\x1b[201~"


# An escape and one of these in one packet are another key, or the beginning of a sequence: no program can tell.
AMBIGUOUS = tuple(b"bf\x7f[OP]_") + tuple(b"\x1b")

# They end the app, start an editor or a measuring, play a film, or say something whenever they are through.
LEFT_OUT = {
    "app.quit", "profiles.editor", "profiles.estimate", "form.estimate", "gallery.play", "gallery.nearest",
    "checkpoints.verify", "player.play", "app.palette",
}  # fmt: skip
EVERY_KEY = sorted(
    {k for entry in KEYS if entry.id not in LEFT_OUT for k in entry.keys.split(",")} - {"q", "v", "n"}
)


def make_home(at: Path) -> Path:
    home = Home(at).create()
    for name in ("celeba32-1", "celeba32-2"):
        make_run(home, name)
    make_samples(home.run("celeba32-1"))
    return at


class Machine:
    """One app on a copy of `home`. `send` is a packet, `resize` another size, `settle` waits for all of it."""

    def __init__(self, home: Path, at: Path) -> None:
        shutil.copytree(home, at)
        shown = filled(at / "pictures")
        real = snapshot(at)
        self.app = make_app(at, replace(shown, runs=real.runs))
        self.app.monotonic = lambda: 0.0
        self.app.store.link.answers = {
            "add": {"added": True, "job": {"id": "000020"}, "says": ["as asked"]},
            "train": {"added": True, "job": {"id": "000021"}, "says": ["as asked"]},
            "cancel": [{}], "pause": [{}], "resume": [{}], "retry": [{}],
        }  # fmt: skip
        self.app.turns.limit = 120.0  # a busy machine is no other order
        self.now = 0.0
        self.keyboard = Keyboard(clock=lambda: self.now)

    def send(self, packet: bytes) -> None:
        for message in self.keyboard.feed(packet):
            self.app._driver.process_message(message)

    def tick(self) -> None:
        self.now += 2 * ALONE_S
        for message in self.keyboard.tick():
            self.app._driver.process_message(message)

    def resize(self, width: int, height: int) -> None:
        size = Size(width, height)
        self.app._driver._size = size
        self.app._driver.process_message(Resize(size, size))

    async def settle(self) -> None:
        for _ in range(4000):
            await asyncio.sleep(0.005)
            busy = [w for w in self.app.workers if not w.is_finished]
            if not busy and self.app.turns.through and self.app.at_rest:
                return
        raise AssertionError(f"does not come to rest: {busy}\n{text(self.app)}")

    def state(self) -> dict[str, Any]:
        """All that a key could have changed, and what is on the screen."""
        app = self.app
        screens = list(app.all_screens)
        asked = [(do, {k: v for k, v in a.items() if k != "token"}) for do, a in app.store.link.requests]
        return {
            "stack": [type(screen).__name__ for screen in app.screen_stack],
            "focus": str(app.focused and (type(app.focused).__name__, app.focused.id)),
            "typed": [(i.id, i.value, i.cursor_position) for s in screens for i in s.query(Input)],
            "cursors": sorted((str(s.name), str(t.id), str(t.key)) for s in screens for t in s.query(Table)),
            "asked": [entry for entry in asked if not entry[1].get("dry_run")],
            "undo": [change.said for change in app.undo._changes],
            "faults": list(app.faults),
            "text": text(app),
        }


def packets(tokens: Sequence[bytes | tuple[int, int]], cuts: Sequence[bool]) -> list[bytes | tuple[int, int]]:
    """The tokens in as few packets as `cuts` (after each token) leaves, none with two meanings."""
    found: list[bytes | tuple[int, int]] = []
    for place, token in enumerate(tokens):
        before = found[-1] if found and not cuts[(place - 1) % len(cuts)] else None
        if isinstance(token, bytes) and isinstance(before, bytes) and not _two_meanings(before, token):
            found[-1] = before + token
        else:
            found.append(token)
    return found


def _two_meanings(before: bytes, token: bytes) -> bool:
    return before.endswith(b"\x1b") and token[0] in AMBIGUOUS


async def outcome(
    home: Path, at: Path, sent: Sequence[bytes | tuple[int, int]], expected: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What becomes of it. Without `expected`, everything rests before the next is sent; with it, nothing is waited for
    until all is sent."""
    machine = Machine(home, at)
    async with machine.app.run_test(size=(100, 30)):
        await machine.settle()
        for piece in sent:
            if isinstance(piece, bytes):
                machine.send(piece)
                if machine.keyboard.waiting:
                    machine.tick()
            else:
                machine.resize(*piece)
            if expected is None:
                await machine.settle()
        await machine.settle()
        return await _drawn(machine, expected)


async def _drawn(machine: Machine, expected: dict[str, Any] | None) -> dict[str, Any]:
    """The state once the screen is drawn: what is behind a dialog takes its own time. Without `expected`, the text has
    not changed for half a second; with it, the text is the expected one, or it is not within ten seconds."""
    same, state = 0, machine.state()
    for _ in range(100):
        if same >= 5 if expected is None else state["text"] == expected["text"]:
            break
        await asyncio.sleep(0.1)
        await machine.settle()
        before, state = state, machine.state()
        same = same + 1 if state["text"] == before["text"] else 0
    return state
