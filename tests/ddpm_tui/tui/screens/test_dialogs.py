"""Boxes over a screen say the keys that the keymap gives them."""

from pathlib import Path

import pytest

from ddpm_tui.tui.screens.base import Dialog
from ddpm_tui.tui.screens.dialogs import Ask, Confirm
from ddpm_tui.tui.screens.forms import TrainForm
from ddpm_tui.tui.screens.help import Help
from ddpm_tui.tui.screens.log import LogView
from engine.base.home import Home
from tests.ddpm_tui.fakes import empty, make_app
from tests.ddpm_tui.tui.test_app import screen_text

KEYMAP = """
[confirm]
yes = "o"
no = "x"
[dialog]
accept = "f2"
close = "f3"
"""


@pytest.mark.parametrize(
    ("dialog", "said"),
    [
        (Confirm("Really?", yes="delete it"), "o delete it   x change nothing"),
        (Ask("What name?"), "enter do it   f3 back"),
        (TrainForm(), "f2 do it   tab next field   f3 back"),
        (LogView(Home(Path("/nowhere")).job("000012"), "train"), "f3 back"),
        (None, "f3 back"),
    ],
    ids=["confirm", "ask", "form", "log", "help"],
)
async def test_a_box_says_the_keys_of_the_keymap(tmp_path: Path, dialog: Dialog[object], said: str) -> None:
    (tmp_path / "keymap.toml").write_text(KEYMAP)
    app = make_app(tmp_path, empty())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        app.push_screen(dialog or Help(app.screen))
        await pilot.pause(0.2)
        assert said in screen_text(app)
    assert not app.faults
