"""Every screen on a home whose texts are poisoned: what is drawn has no control character and obeys no markup."""

import ast
import sys
from pathlib import Path

import pytest
from rich.segment import Segment

from ddpm_tui.tui.app import DdpmApp
from ddpm_tui.tui.frame import Frame
from ddpm_tui.tui.keymap import SCREENS
from ddpm_tui.tui.screens.log import LogView
from ddpm_tui.tui.state.store import LiveStore
from ddpm_tui.tui.widgets.rows import cut, length, to_strip
from engine.base.text import visible
from engine.client.asynchronous import AsyncClient
from tests.ddpm_tui.fakes import FULL, FakeEstimator, empty, make_app
from tests.ddpm_tui.tui.screens.homes import text, until
from tests.engine.service.support import Service
from tests.poisoned import HARMFUL, POISON, poisoned_home

KEYS = {
    "dashboard": ("enter", "escape", "c", "escape"),
    "queue": ("e", "G", "enter", "escape", "g", "enter", "escape", "a", "escape", "x", "escape"),
    "checkpoints": ("j", "enter", "escape", "t", "escape", "b", "escape", "d", "escape"),
    "gallery": ("j", "enter", "n", "escape", "d", "escape"),
    "profiles": ("j", "enter", "escape", "space", "j", "n", "escape", "G", "d", "escape"),
    "compare": ("space", "j", "space", "v", "v", "v", "v", "v"),
    "data": ("j", "enter", "escape", "a", "escape", "v", "d", "escape", "at", "escape", "ctrl+g", "escape"),
}


@pytest.mark.parametrize("every", [False, True], ids=["taken as it is", "damaged by it"])
async def test_no_screen_draws_control_characters(tmp_path: Path, every: bool) -> None:
    home = poisoned_home(tmp_path / "home", every)
    service = Service(home, [sys.executable, "-c", "import sys; sys.exit(3)"])
    drawn: dict[str, str] = {}
    try:
        with service.surroundings():
            service.request("status")
            store = LiveStore(home, AsyncClient(home))
            app = DdpmApp(home, store, terminal=FULL, estimator=FakeEstimator())
            async with app.run_test(size=(120, 40)) as pilot:
                await until(pilot, lambda: app.snapshot.loaded)
                for number, name in enumerate(SCREENS, 1):
                    await pilot.press(str(number))
                    await until(pilot, lambda name=name: app.screen.name == name)
                    for key in ("", *KEYS[name], "question_mark", "escape"):
                        if key:
                            await pilot.press(key)
                        await pilot.pause(0.05)
                        shown = text(app)
                        found = HARMFUL.search(shown)
                        assert not found, (name, key, shown[max(0, found.start() - 80) :][:200])
                        drawn[name] = drawn.get(name, "") + shown
    finally:
        service.close()
    assert not app.faults
    assert "[red]" in "".join(drawn.values()), "what looks like markup is shown as it is"


async def test_a_log_is_followed_with_its_control_characters_written_out(tmp_path: Path) -> None:
    home = poisoned_home(tmp_path / "home", False)
    app = make_app(home.root, empty())
    async with app.run_test(size=(120, 40)) as pilot:
        await app.push_screen(LogView(home.job("000001"), POISON))
        await until(pilot, lambda: "52;c;aGk" in text(app))
        shown = text(app)
    assert not HARMFUL.search(shown)
    assert visible("\x1b]0;PWNED\x07\x1b]52;c;aGk=\x07\x1b[31m\x9b31m") + "[red]" in shown


def test_a_line_has_its_width_whatever_is_in_it() -> None:
    for width in range(1, 90):
        strip = to_strip([POISON, (POISON, "bad")], width, "ddpm-dark")
        assert sum(segment.cell_length for segment in strip) == width
        assert length([cut(POISON, width)]) == width
        assert not HARMFUL.search(strip.text + cut(POISON, width))


def test_the_last_stage_writes_none_either() -> None:
    frame = Frame(None)
    frame.resize(80, 1)
    frame.update(0, 0, [Segment(f"a{POISON}b\x85\x9d0;title\x9c")])
    rest = frame.flush()
    assert "\x9b" not in rest
    assert "\x9d" not in rest
    assert "\x1b]" not in rest


def test_no_text_of_a_widget_is_taken_for_markup() -> None:
    for path in Path("ddpm_tui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Static", "Label"):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert given.get("markup") == "False", (path, node.lineno)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("border_title"):
                assert path.name == "rows.py", (path, node.lineno)
