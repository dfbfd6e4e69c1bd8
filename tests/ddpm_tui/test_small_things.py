"""Words, budget, undo, keymap and glyphs: the parts without a screen."""

from pathlib import Path

import pytest
from rich.color import Color as Ansi
from rich.color import ColorSystem
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.color import Color
from textual.theme import Theme

from ddpm_tui import words
from ddpm_tui.draw.glyphs import PlainText, plain
from ddpm_tui.tui.keymap import BY_ID, KEYS, read_keymap, shown
from ddpm_tui.tui.state.budget import WINDOW_S, Budget
from ddpm_tui.tui.state.undo import DEPTH, Undo
from ddpm_tui.tui.themes import PALETTES, ink, themes
from ddpm_tui.tui.widgets.lines import changed_cells
from ddpm_tui.tui.widgets.rows import cut, scrollbar, spread, to_strip
from ddpm_tui.tui.widgets.table import Column, Row, Table


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (-1, ""),
        (float("nan"), ""),
        (3, "3 s"),
        (75, "1 min 15 s"),
        (720, "12 min"),
        (11100, "3 h 05 min"),
        (190000, "2 d 4 h"),
    ],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert words.duration(seconds) == said


def test_times_left_are_no_finer_than_plans() -> None:
    assert [words.left(s) for s in (5, 60, 61, 3599, 3601)] == [
        "<1 min",
        "1 min",
        "2 min",
        "60 min",
        "1 h 01 min",
    ]


def test_ago_survives_a_clock_that_was_set_back() -> None:
    assert [words.ago(100, n) for n in (50, 105, 135, 400, 9000, 200000)] == [
        "just now", "just now", "30 s ago", "5 min ago", "2 h ago", "2 d ago",
    ]  # fmt: skip
    assert words.ago(None, 5) == ""


def test_numbers_as_people_write_them() -> None:
    assert [words.number(v) for v in (0.06134, 131.2, 12.34, 0, 0.000003, 12345.6, None)] == [
        "0.0613", "131", "12.3", "0", "3e-6", "12,346", "–",
    ]  # fmt: skip
    assert [words.learning_rate(v) for v in (1e-3, 2.5e-4, 0, None)] == ["1e-3", "2.5e-4", "0", ""]
    assert [words.size(v) for v in (5, 12_400, 3_100_000_000)] == ["5 B", "12.4 kB", "3.10 GB"]


def test_the_budget_counts_half_a_minute_and_forgives_keys() -> None:
    budget = Budget(100.0)
    assert budget.allows(1000, 0.0)
    budget.spend(2900, 0.0)
    assert not budget.allows(1000, 1.0)
    assert budget.allows(50, 1.0)
    assert budget.rate(1.0) == pytest.approx(2900 / WINDOW_S)
    assert budget.allows(1000, WINDOW_S + 1)
    budget.forgive(40.0)
    budget.spend(100_000, 40.5)
    assert budget.rate(40.5) == 0
    budget.spend(10, 41.0)
    assert budget.rate(41.0) > 0
    assert budget.total == 102_910


def test_what_costs_more_than_the_whole_window_is_allowed_when_all_is_quiet() -> None:
    budget = Budget(100.0)
    assert budget.allows(1e9, 0.0)
    budget.spend(600, 0.0)
    assert not budget.allows(1e9, 1.0)


def test_undo_keeps_the_last_changes() -> None:
    undo = Undo()

    async def back() -> None:
        pass

    for n in range(DEPTH + 5):
        undo.push(str(n), back)
    assert len(undo) == DEPTH
    last = undo.last
    assert last is not None
    assert last.said == str(DEPTH + 4)


def test_a_keymap_names_keys_as_people_do(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('"queue.log" = "o"\n[queue]\nadd = ["+", "ctrl+n"]\nhold = "f5"\nretry = "?"\n')
    found, problems = read_keymap(path)
    assert found == {"queue.log": "o", "queue.add": "plus,ctrl+n", "queue.hold": "f5"}
    assert problems == ["queue.retry: 'question_mark' is already app.help"]
    assert read_keymap(tmp_path / "none.toml") == ({}, [])
    assert [shown(k) for k in ("ctrl+p", "question_mark", "plus", "J", "shift+up")] == [
        "^p",
        "?",
        "+",
        "J",
        "shift+↑",
    ]


def test_the_keys_we_ship_do_not_clash(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text("".join(f'"{key.id}" = {key.keys.split(",")!r}\n' for key in KEYS))
    found, problems = read_keymap(path)
    assert problems == []
    assert len(found) == len(BY_ID)


def test_swapped_keys_are_no_clash(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('[queue]\nadd = "s"\nsample = "a"\n')
    assert read_keymap(path) == ({"queue.add": "s", "queue.sample": "a"}, [])


def test_what_an_encoding_cannot_write_gets_a_stand_in_of_the_same_width() -> None:
    assert plain("loss ▁▄█ 32×32 → €", "latin-1") == "loss __# 32×32 > ?"
    assert plain("⣿漢", "ascii") == "*??"
    done = PlainText("ascii").apply([Segment("╭─╮")], Color.parse("black"))
    assert [s.text for s in done] == ["+-+"]


@pytest.mark.parametrize("theme", PALETTES)
def test_every_ink_has_a_style_in_every_theme(theme: str) -> None:
    for name in (
        "",
        "dim",
        "faint",
        "accent bold",
        "good",
        "warn",
        "bad",
        "bar",
        "cursor",
        "series7",
        "#aabbcc",
    ):
        assert ink(theme, name).color is not None
    assert ink(theme, "cursor good").bgcolor == ink(theme, "cursor").bgcolor


def test_only_changed_cells_are_found() -> None:
    def strip(text: str) -> object:
        return to_strip([("left ", "dim"), text, (" right", "dim")], 20, "ddpm-dark")

    assert changed_cells(strip("a41b"), strip("a41b")) == (0, 0)  # type: ignore[arg-type]
    assert changed_cells(strip("a41b"), strip("a42b")) == (7, 8)  # type: ignore[arg-type]
    assert changed_cells(strip("漢41"), strip("漢42")) == (5, 9)  # type: ignore[arg-type]


def test_lines_are_cut_spread_and_filled() -> None:
    assert to_strip(["a long line of words"], 8, "ddpm-dark").text == "a long …"
    assert to_strip(["short"], 8, "ddpm-dark").text == "short   "
    assert spread(["ab"], ["cd"], 6) == ["ab", "  ", "cd"]
    assert spread(["abcd"], ["efgh"], 6) == ["abcd"]
    assert (cut("漢字", 3), cut("abc", 0), cut("abcdef", 4)) == ("漢…", "", "abc…")


def test_columns_give_way_in_their_order_and_share_the_rest() -> None:
    table = Table([Column("a", 4), Column("b", 10, grow=1), Column("c", 8, drop=1), Column("d", 8, drop=2)])
    assert [c.title for c, _, _ in table._fit(40)] == ["a", "b", "c", "d"]
    assert [c.title for c, _, _ in table._fit(30)] == ["a", "b", "c"]
    assert [c.title for c, _, _ in table._fit(20)] == ["a", "b"]
    assert [w for _, w, _ in table._fit(50)] == [4, 27, 8, 8]
    assert Row("k", ("A", ("B", "dim"))).words == "a b"


@pytest.mark.parametrize(
    ("count", "room", "top", "looks"),
    [
        (4, 4, 0, ""),
        (8, 4, 0, "##.."),
        (8, 4, 1, ".##."),
        (8, 4, 3, ".##."),
        (8, 4, 4, "..##"),
        (2000, 5, 0, "#...."),
        (2000, 5, 1, ".#..."),
        (2000, 5, 1994, "...#."),
        (2000, 5, 1995, "....#"),
        (3, 2, 1, ".#"),
    ],
)
def test_the_scrollbar_is_at_an_end_only_where_there_is_no_more(
    count: int, room: int, top: int, looks: str
) -> None:
    assert "".join("." if piece == " " else "#" for piece in scrollbar(count, room, top)) == looks


class Long(App[None]):
    def compose(self) -> ComposeResult:
        yield Table([Column("a", 4), Column("b", 30), Column("c", 4, drop=1)])


async def test_a_table_with_more_rows_than_room_shows_where_one_is() -> None:
    app = Long()
    async with app.run_test(size=(20, 5)) as pilot:
        table = app.query_one(Table)

        def bar() -> list[bool]:
            return [bool(row.crop(19, 20)._segments[0].style.reverse) for row in table.rows[1:]]

        table.show([Row(str(i), (str(i), "much too long to be shown whole", "x")) for i in range(4)])
        assert bar() == [False] * 4
        table.show([Row(str(i), (str(i), "much too long to be shown whole", "x")) for i in range(8)])
        assert bar() == [True, True, False, False]
        assert table.rows[1].text == "0    much too lon…  "
        table.action_edge(1)
        await pilot.pause()
        assert bar() == [False, False, True, True]


@pytest.mark.parametrize("system", [ColorSystem.STANDARD, ColorSystem.EIGHT_BIT])
@pytest.mark.parametrize("theme", themes(), ids=lambda theme: theme.name)
def test_the_cursor_is_seen_with_few_colours(theme: Theme, system: ColorSystem) -> None:
    grounds = [theme.background, PALETTES[theme.name].cursor]
    assert len({Ansi.parse(str(c)).downgrade(system).number for c in grounds}) == 2
