"""The app and a terminal that answers: what it shows is what the terminal has."""

from pathlib import Path

from rich.color import ColorSystem

from ddpm_tui.draw.asking import Answers
from ddpm_tui.draw.placeholders import PLACEHOLDER
from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui.textual_private import TerminalAnswer
from ddpm_tui.tui.widgets.chart import LossChart
from ddpm_tui.tui.widgets.face_grid import FaceGrid
from tests.ddpm_tui.fakes import filled, make_app
from tests.ddpm_tui.tui.screens.homes import until
from tests.ddpm_tui.tui.screens.shown import settled
from tests.ddpm_tui.tui.test_app import screen_text

FEW = Terminal(Depth.ANSI256, True, True, True)


async def test_faces_get_the_colours_that_the_terminal_says_it_has(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path), FEW)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, LossChart, FaceGrid)
        grid = app.screen.query_one(FaceGrid)
        assert grid.depth is Depth.ANSI256
        app._learned(Answers("foot", (1, 16), keeps_colours=True, closed=2))
        await pilot.pause()
        assert grid.depth is Depth.TRUECOLOR
        assert app.screen.query_one(LossChart).look().depth is Depth.TRUECOLOR
        assert app._frame._system is ColorSystem.TRUECOLOR
    assert not app.faults


async def test_a_light_ground_gets_the_light_theme_unless_somebody_chose(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        app._learned(Answers("xterm", background=(255, 255, 255), closed=2))
        await pilot.pause()
        assert app.theme == "ddpm-light"
        await pilot.press("ctrl+t")
        chosen = app.theme
        app._learned(Answers("xterm", background=(255, 255, 255), closed=2))
        assert app.theme == chosen


async def test_real_images_where_the_terminal_has_them(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    sent: list[str] = []
    app.write_raw = sent.append  # type: ignore[method-assign]
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, LossChart, FaceGrid)
        app._learned(Answers("kitty", (0, 32), keeps_colours=True, closed=2))
        await until(pilot, lambda: PLACEHOLDER in screen_text(app))
        assert "▀" not in screen_text(app)
        assert any("a=T,U=1" in part for part in sent)
        at = len(sent)
        app.screen.query_one(FaceGrid).repaint()
        await pilot.press("question_mark", "escape")
        await pilot.pause()
        assert not any("a=T" in part for part in sent[at:]), "what was sent is not sent again"
    assert any("a=d" in part for part in sent[at:])
    assert not app.faults


async def test_an_answer_that_nobody_asked_for_is_nothing(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(TerminalAnswer("\x1bP>|kitty(0.32.2)\x1b\\"))
        app.post_message(TerminalAnswer("\x1b[?62c"))
        await pilot.pause()
        assert app.placeholders is None
