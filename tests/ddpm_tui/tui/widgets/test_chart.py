import numpy as np
import pytest
from textual.app import App, ComposeResult

from ddpm_tui.draw.series import Mark, Points, Series
from ddpm_tui.draw.terminal import Terminal, detect
from ddpm_tui.tui import themes
from ddpm_tui.tui.widgets.chart import LossChart, theme_ink


def run(name: str = "one", slot: int = 0, n: int = 1000) -> Series:
    steps = np.arange(1, n + 1) * 5
    return Series(name, slot, Points(steps, steps / 100, steps * 64, 0.03 + np.exp(-steps / 500)))


class Host(App[None]):
    def __init__(self, terminal: Terminal | None = None, rate: float = 4.0) -> None:
        super().__init__()
        self.chart = LossChart(terminal=terminal, rate=rate, unit="steps")

    def compose(self) -> ComposeResult:
        yield self.chart

    def on_mount(self) -> None:
        self.chart.show([run()], [Mark(2500, 25, 160_000, "25 epochs")])
        self.chart.focus()


def lines(chart: LossChart) -> list[str]:
    return [row.text for row in chart.rows]


async def test_zoom_fit_and_pan_by_key() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        chart = app.chart
        whole = chart.view.range(chart.plot)
        await pilot.press("plus")
        left, right = chart.view.range(chart.plot)
        assert right - left == pytest.approx((whole[1] - whole[0]) / 2)
        await pilot.press("h")
        assert chart.view.range(chart.plot)[0] == pytest.approx(left - (right - left) / 8)
        assert not chart.view.follow
        await pilot.press("l", "right")
        await pilot.press("f")
        assert chart.view.follow
        assert chart.view.range(chart.plot)[1] >= 5000
        await pilot.press("left", "H", "shift+left", "home")
        assert chart.view.range(chart.plot)[0] == 0
        await pilot.press("L", "shift+right", "end")
        assert chart.view.follow
        await pilot.press("equals_sign", "minus", "minus", "minus")
        assert chart.view.range(chart.plot) == whole
        await pilot.press("plus", "plus", "0")
        assert chart.view.range(chart.plot) == whole


async def test_inspecting_by_key_shows_values_and_tells_others() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        chart = app.chart
        assert "smoothed" in lines(chart)[0]
        await pilot.press("i")
        assert chart.view.cursor == 5000
        assert lines(chart)[0].startswith("step 5,000  epoch 50.00")
        await pilot.press("h", "h", "l")
        assert chart.view.cursor is not None
        assert 4800 < chart.view.cursor < 5000
        await pilot.press("home")
        assert chart.view.cursor == 5
        await pilot.press("end")
        assert chart.view.cursor == 5000
        await pilot.press("escape")
        assert chart.view.cursor is None
        await pilot.press("i", "i")
        assert chart.view.cursor is None
        await pilot.pause()


async def test_axis_unit_raw_and_smoothing_by_key() -> None:
    app = Host()
    async with app.run_test(size=(100, 24)) as pilot:
        chart = app.chart
        log = lines(chart)
        await pilot.press("y")
        assert not chart.view.log
        assert lines(chart) != log
        await pilot.press("y", "x")
        assert chart.view.unit == "epochs"
        assert lines(chart)[-1].endswith("epochs")
        await pilot.press("x")
        assert lines(chart)[-1].endswith("pictures")
        await pilot.press("R")
        assert " raw" not in lines(chart)[0]
        await pilot.press("R", "right_square_bracket")
        assert "half-life up to 10k pictures" in lines(chart)[0]
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert "half-life up to 2k pictures" in lines(chart)[0]
        await pilot.press(*["left_square_bracket"] * 20)
        assert "not smoothed" in lines(chart)[0]
        await pilot.press(*["right_square_bracket"] * 40)
        assert "half-life up to 5M pictures" in lines(chart)[0]


async def test_every_binding_can_be_remapped_by_its_id() -> None:
    app = Host()
    ids = [binding.id for binding in LossChart.BINDINGS]  # type: ignore[union-attr]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    async with app.run_test(size=(80, 24)) as pilot:
        app.set_keymap({"chart.inspect": "ctrl+j"})
        await pilot.press("i")
        assert app.chart.view.cursor is None
        await pilot.press("ctrl+j")
        assert app.chart.view.cursor == 5000


async def test_growth_is_painted_at_once_and_then_at_its_rate() -> None:
    app = Host(rate=0.001)
    async with app.run_test(size=(80, 24)) as pilot:
        chart = app.chart
        before = lines(chart)
        chart.plot.series[0].train.extend(5005, 50.05, 5005 * 64, 0.9)
        chart.grew()
        first = lines(chart)
        assert first != before
        chart.plot.series[0].train.extend(5400, 54, 5400 * 64, 0.9)
        chart.grew()
        chart.grew()
        await pilot.pause()
        assert lines(chart) == first
        chart._rested()
        assert lines(chart) != first


async def test_what_came_while_resting_is_painted_after_it() -> None:
    app = Host(rate=20)
    async with app.run_test(size=(80, 24)) as pilot:
        chart = app.chart
        chart.grew()
        chart.plot.series[0].train.extend(5400, 54, 5400 * 64, 0.9)
        chart.grew()
        before = lines(chart)
        for _ in range(3000):
            await pilot.pause(0.02)
            if lines(chart) != before:
                break
        assert lines(chart) != before


async def test_a_latin_1_terminal_gets_ascii_only() -> None:
    app = Host(detect({"TERM": "xterm"}, True, "latin-1"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("i")
        assert all(line.isascii() for line in lines(app.chart))


@pytest.mark.parametrize("size", [(20, 6), (200, 50)])
async def test_small_and_large(size: tuple[int, int]) -> None:
    app = Host()
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert len(lines(app.chart)) == size[1]
        assert {row.cell_length for row in app.chart.rows} == {size[0]}


async def test_a_new_theme_gives_new_colours() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        before = list(app.chart.rows)
        app.theme = "textual-light"
        await pilot.pause()
        assert list(app.chart.rows) != before


def test_our_themes_colours_are_the_runs_colours() -> None:
    ink = theme_ink("ddpm-dark", {"background": "#101418", "foreground": "#d8dee4"})
    assert ink.curves[0] == (0x56, 0xB4, 0xE9)
    assert len(ink.curves) == len(themes.PALETTES["ddpm-dark"].series)
    assert ink.ground == (0x10, 0x14, 0x18)


def test_a_theme_of_the_terminals_own_colours_falls_back() -> None:
    ink = theme_ink("textual-ansi", {"background": "ansi_default", "foreground": "nonsense"})
    assert ink.ground == (18, 18, 18)
    assert ink.text == (224, 224, 224)
