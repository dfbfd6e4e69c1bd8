"""`@` lists what was done as commands, `z` fills the screen, `[` hides the list, `ctrl+g` goes to names."""

from pathlib import Path

import pytest

from ddpm_tui.tui.screens.commands import CommandLog
from ddpm_tui.tui.screens.go_to import GoTo
from ddpm_tui.tui.widgets.chart import LossChart
from ddpm_tui.tui.widgets.face_grid import FaceGrid
from ddpm_tui.tui.widgets.table import Table
from engine.base.errors import UserError
from engine.base.home import Home
from tests.ddpm_tui.fakes import filled, make_app
from tests.ddpm_tui.tui.screens.homes import make_run, make_samples, until
from tests.ddpm_tui.tui.screens.homes import snapshot as read_home
from tests.ddpm_tui.tui.screens.shown import Opened, settled
from tests.ddpm_tui.tui.test_app import screen_text


async def test_what_was_done_is_listed_as_commands_and_copied(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path), (110, 30)) as it:
        copied: list[str] = []
        it.app.copy_to_clipboard = copied.append  # type: ignore[method-assign]
        await it.press("space", "j", "x")
        it.link.answers["cancel"] = UserError("the queue is locked", "wait for it")
        await it.press("x")
        text = await it.press("at")
        assert isinstance(it.app.screen, CommandLog)
        assert "$ ddpm-tui queue pause 12" in text
        assert "$ ddpm-tui queue cancel 13" in text
        assert "the queue is locked — wait for it" in text or "the queue is locked" in text
        assert "u job 13 is queued again" in text
        await it.press("G", "enter")
        assert copied == ["ddpm-tui queue pause 12"]
        assert not isinstance(it.app.screen, CommandLog)


async def test_changes_on_the_disk_have_their_commands_too(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    make_run(home, "faces-1")
    app = make_app(tmp_path, read_home(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: app.screen.query_one("#steps", Table).key == "300")
        await pilot.press("t", *"good", "enter")
        await until(pilot, lambda: bool(app.echoes))
        assert app.echoes[-1][1] == "ddpm-tui checkpoints tag faces-1@300 good"
        await pilot.press("d")
        await until(pilot, lambda: app.echoes[-1][1] == "ddpm-tui checkpoints delete faces-1@300")


@pytest.mark.parametrize("number", ["1", "3", "4", "7"])
async def test_one_pane_fills_the_screen_and_goes_back(tmp_path: Path, number: str) -> None:
    home = Home(tmp_path).create()
    make_samples(make_run(home, "faces-1"))
    app = make_app(tmp_path, filled(tmp_path) if number == "1" else read_home(tmp_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(number)
        await until(pilot, lambda: bool(app.screen.query(FaceGrid)))
        await until(pilot, lambda: "▀" in screen_text(app))
        pane = app.screen.pane_to_zoom()  # type: ignore[attr-defined]
        before = pane.size
        await pilot.press("z")
        await pilot.pause(0.2)
        assert pane.size.width >= 97
        assert pane.size.height >= 25
        await pilot.press("z")
        await pilot.pause(0.2)
        assert pane.size == before
    assert not app.faults


async def test_the_list_gives_its_room_to_the_faces(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    make_samples(make_run(home, "faces-1"))
    app = make_app(tmp_path, read_home(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.view.mode == "grid")  # type: ignore[attr-defined]
        assert app.screen.view.size.width < 50  # type: ignore[attr-defined]
        await pilot.press("left_square_bracket")
        await pilot.pause(0.2)
        assert app.screen.view.size.width == 80  # type: ignore[attr-defined]
        assert app.screen.focused is app.screen.query_one("#grid")
        await pilot.press("left_square_bracket")
        await pilot.pause(0.2)
        assert app.screen.view.size.width < 50  # type: ignore[attr-defined]


async def test_a_name_is_enough_to_go_there(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    make_run(home, "faces-1")
    make_run(home, "others-1")
    app = make_app(tmp_path, read_home(tmp_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, LossChart)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: isinstance(app.screen, GoTo) and bool(app.screen.query_one(Table).keys))
        await pilot.press(*"others", "enter")
        await until(pilot, lambda: app.screen.name == "checkpoints")
        await until(pilot, lambda: app.screen.query_one("#runs", Table).key == "others-1")
    assert not app.faults
