from collections.abc import Iterable

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.geometry import Region

from ddpm_tui.tui.widgets.lines import LinesWidget, Row
from ddpm_tui.tui.widgets.rows import Rows, fact_lines


class Recorder(LinesWidget):
    def __init__(self) -> None:
        super().__init__()
        self.refreshed: list[Region] = []
        self.text = ["one", "two", "three"]

    def build_rows(self, width: int, height: int) -> Iterable[Row]:
        return [[Segment(line.ljust(width))] for line in self.text]

    def refresh(self, *regions: Region, **kwargs: bool) -> "Recorder":  # type: ignore[override]
        self.refreshed += regions
        return super().refresh(*regions, **kwargs)


class Host(App[None]):
    CSS = "Recorder { height: 6; width: 20; }"

    def compose(self) -> ComposeResult:
        yield Recorder()


def shown(app: App[None], y: int) -> str:
    return app.screen._compositor.render_strips()[y].text


async def test_only_the_cells_that_changed_are_repainted() -> None:
    app = Host()
    async with app.run_test(size=(40, 10)) as pilot:
        widget = app.query_one(Recorder)
        await pilot.pause()
        assert shown(app, 1).rstrip() == "two"
        widget.refreshed.clear()
        widget.repaint()
        assert widget.refreshed == []
        widget.text[1] = "tWo"
        widget.repaint()
        assert widget.refreshed == [Region(1, 1, 1, 1)]
        await pilot.pause()
        assert shown(app, 1).rstrip() == "tWo"


async def test_rows_that_go_away_leave_blanks() -> None:
    app = Host()
    async with app.run_test(size=(40, 10)) as pilot:
        widget = app.query_one(Recorder)
        await pilot.pause()
        widget.text = ["one"]
        widget.repaint()
        await pilot.pause()
        assert [shown(app, y).rstrip() for y in range(3)] == ["one", "", ""]


async def test_rows_of_another_width_are_cut_and_filled() -> None:
    app = Host()
    async with app.run_test(size=(40, 10)) as pilot:
        widget = app.query_one(Recorder)
        widget.set_rows([[Segment("x" * 99)], [Segment("y")]])
        await pilot.pause()
        assert shown(app, 0) == "x" * 20 + " " * 20
        assert shown(app, 1).rstrip() == "y"


async def test_a_new_size_builds_the_rows_anew() -> None:
    app = Host()
    async with app.run_test(size=(40, 10)) as pilot:
        widget = app.query_one(Recorder)
        widget.styles.width = 30
        await pilot.pause()
        assert {row.cell_length for row in widget.rows} == {30}


async def test_cells_without_colours_get_the_themes_ground() -> None:
    app = Host()
    async with app.run_test(size=(40, 10)) as pilot:
        widget = app.query_one(Recorder)
        widget.set_rows([[Segment("plain"), Segment("red", Style(color="#ff0000"))]])
        await pilot.pause()
        styles = [s.style for s in widget.render_line(0)]
        assert all(style is not None and style.bgcolor is not None for style in styles)
        assert styles[1] is not None
        assert styles[1].color is not None
        assert styles[1].color.triplet == (255, 0, 0)


def test_rows_without_lines_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Rows()  # type: ignore[abstract]


def test_a_name_wider_than_its_column_takes_from_its_value_not_over_it() -> None:
    facts = [("speed", "12 images/s"), ("learning rate", "1e-3 cosine, 200 steps warm-up")]
    lines = ["".join(p if isinstance(p, str) else p[0] for p in line) for line in fact_lines(facts, 29, 11)]
    assert lines == [
        "speed      12 images/s",
        "learning rate 1e-3 cosine,",
        "           200 steps warm-up",
    ]
