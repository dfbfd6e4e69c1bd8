from dataclasses import replace

import numpy as np
import pytest
from rich.cells import cell_len

from ddpm_tui.draw.caption import Look, apart
from ddpm_tui.draw.plot import chart_rows, frame_of
from ddpm_tui.draw.series import Mark, Points, Series
from ddpm_tui.draw.terminal import Depth
from ddpm_tui.draw.view import Plot, View

ASCII = Look(Depth.NONE, braille=False, unicode=False)


def run(name: str, slot: int, level: float = 0.03, n: int = 500, validation: bool = True) -> Series:
    steps = np.arange(1, n + 1) * 4
    y = level + 0.4 * np.exp(-steps / 200)
    ends = np.arange(100, 4 * n + 1, 100)
    held_out = Points(ends, ends / 100, ends * 64, level * 1.1 + 0.4 * np.exp(-ends / 200))
    return Series(name, slot, Points(steps, steps / 100, steps * 64, y), held_out if validation else Points())


def text(plot: Plot, view: View, width: int = 80, height: int = 20, look: Look | None = None) -> list[str]:
    return ["".join(s.text for s in row) for row in chart_rows(plot, view, width, height, look)]


@pytest.mark.parametrize(
    ("width", "height"), [(20, 6), (80, 24), (200, 50), (1, 1), (9, 3), (31, 5), (500, 4)]
)
@pytest.mark.parametrize("cursor", [None, 10.0])
@pytest.mark.parametrize("look", [Look(), ASCII])
def test_every_size_is_filled_exactly(width: int, height: int, cursor: float | None, look: Look) -> None:
    plot = Plot([run("one", 0), run("two", 1, 0.04)], [Mark(500, 5, 32_000, "25 epochs")])
    rows = chart_rows(plot, replace(View(), cursor=cursor), width, height, look)
    assert len(rows) == height
    assert {sum(cell_len(s.text) for s in row) for row in rows} == {width}


def test_an_exact_small_chart() -> None:
    plot = Plot([Series("r", 0, Points([0, 4], [0, 4], [0, 4], [0.0, 1.0]))])
    rows = text(plot, View(log=False, half_life=0), 37, 8, ASCII)
    assert rows == [
        "a r  raw, not smoothed               ",
        "   1.0+                         aaaaa",
        "      |                    aaaaaa    ",
        "   0.5+              aaaaaaa         ",
        "      |         aaaaaa               ",
        "      |    aaaaaa                    ",
        "     0+aaaaa                         ",
        "       0    epochs    2             4",
    ]


def test_raw_is_dim_and_smoothed_bright_and_both_are_named() -> None:
    plot, view = Plot([run("r", 0)]), View()
    [caption, *_] = chart_rows(plot, view, 100, 20)
    said = {s.text.split(" ", 1)[1]: s.style for s in caption if " " in s.text.strip()}
    look = Look()
    raw, smoothed = said["raw"], said["smoothed"]
    assert raw is not None
    assert smoothed is not None
    assert raw.color is not None
    assert smoothed.color is not None
    assert raw.color.triplet == look.ink.dim(0)
    assert smoothed.color.triplet == look.ink.bright(0)
    used = {
        s.style.color.triplet
        for row in chart_rows(plot, view, 100, 20)[1:]
        for s in row
        if s.style and s.style.color
    }
    assert {look.ink.dim(0), look.ink.bright(0)} <= used
    assert "half-life up to 20k pictures" in text(plot, view, 100)[0]
    assert "validation" in text(plot, view, 100)[0]


def test_colours_stay_with_their_run_when_another_goes() -> None:
    plot = Plot([run("two", 1), run("three", 2)])
    look = Look()
    rows = chart_rows(plot, View(), 100, 20, look)
    [three] = [s.style for s in rows[0] if "three" in s.text]
    assert three is not None
    assert three.color is not None
    assert three.color.triplet == look.ink.bright(2)
    assert "no curves yet" in text(Plot([]), View())[0]


def test_less_room_says_less_but_names_the_runs_last() -> None:
    plot = Plot([run("celeba32-1", 0), run("low-lr", 1)])
    wide, narrow = (text(plot, View(), width)[0] for width in (120, 40))
    assert "bright: smoothed" in wide
    assert "half-life" in wide
    assert "half-life" not in narrow
    assert "low-lr" in narrow
    assert text(Plot([run("celeba32-1", 0)]), View(), 20, 6)[0].split() == ["━━", "celeba32-1"]


def test_one_run_alone_gives_up_its_name_before_what_its_lines_are() -> None:
    (line, *_) = text(Plot([run("celeba32-1", 0)]), View(), 42)
    assert line.split() == ["⠶⠶", "raw", "━━", "smoothed", "⠒", "⠒", "validation"]


def test_a_narrow_axis_has_two_labels_at_least() -> None:
    view = replace(View(), span=(3.6, 7.9), follow=False)
    plot = Plot([run("r", 0)])
    assert len(text(plot, view, 40)[-1].replace("epochs", "").split()) >= 2


def test_long_names_lose_what_all_have_before_they_are_cut() -> None:
    runs = tuple(run(f"celeba64-wide-cosine-lr{rate}-s0", slot) for slot, rate in enumerate(("1e-3", "1e-4")))
    plot, view = Plot(runs), View()
    assert "celeba64-wide-cosine-lr1e-4-s0" in text(plot, view, 120)[0]
    assert text(plot, view, 80)[0].split("  ")[:2] == ["━━ …lr1e-3…", "━━ …lr1e-4…"]
    inspecting = view.inspecting(plot)
    assert "…lr1e-3…" in text(plot, inspecting, 80)[0]
    assert "…lr1e-4…" in text(plot, inspecting, 80)[0]
    alone = Plot((run("a-run-with-a-name-that-is-far-too-long-for-its-chart-1", 0),))
    (line, *_) = text(alone, view, 30)
    assert line.startswith("━━ a-run-with-a")
    assert line.rstrip().endswith("s-chart-1")


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["size.small.s0", "size.large.s0"], ["…small…", "…large…"]),
        (["celeba32-1", "celeba32-1-2"], ["…1", "…1-2"]),
        (["run@100", "run@200"], ["…@100", "…@200"]),
        (["a", "b"], ["a", "b"]),
        (["alone-1"], ["alone-1"]),
        (["same", "same"], ["same", "same"]),
    ],
)
def test_names_keep_what_tells_them_apart(names: list[str], short: list[str]) -> None:
    assert apart(names) == short


def test_the_smallest_chart_still_has_its_axes() -> None:
    rows = text(Plot([run("r", 0)]), View(), 20, 6)
    assert any("0.1" in row[:6] for row in rows)
    assert rows[-1].strip().startswith("0")


def test_the_readout_shows_all_values_at_the_cursor() -> None:
    series = run("r", 0)
    view = replace(View(half_life=1000), cursor=10.0)
    line = text(Plot([series]), view, 100)[0]
    i = 249
    assert series.train.x("epochs")[i] == 10.0
    smoothed = series.train.smoothed(1000)[i]
    assert line.startswith("step 1,000  epoch 10.00  train raw ")
    assert f"raw {series.train.y[i]:.4f}" in line
    assert f"smoothed {smoothed:.4f}" in line
    assert f"validation {series.validation.y[9]:.4f}" in line


def test_the_readout_says_where_a_value_is_not_a_number() -> None:
    series = run("r", 0)
    series.train.y[249] = np.nan
    line = text(Plot([series]), replace(View(), cursor=10.0), 100)[0]
    assert "raw not a number" in line


def test_a_gap_is_a_gap() -> None:
    series = run("r", 0, validation=False)
    series.train.y[200:300] = np.nan
    rows = text(Plot([series]), View(half_life=0), 87, 20)
    frame = frame_of(87, 20)
    body = [row[frame.x :] for row in rows[frame.y : frame.y + frame.rows]]
    blank = [x for x in range(frame.columns) if all(row[x] == " " for row in body)]
    # Values 200 to 300 of 500 over 80 columns: columns 32 to 47, all but the ends.
    assert set(range(33, 47)) <= set(blank)
    assert not {30, 31, 48, 49} & set(blank)


def test_a_spike_of_one_point_in_a_hundred_thousand_is_seen() -> None:
    n = 100_000
    steps = np.arange(n)
    y = np.full(n, 0.03)
    y[77_777] = 0.9
    series = Series("r", 0, Points(steps, steps, steps, y))
    rows = text(Plot([series]), View(unit="steps"), 87, 20)
    top = rows[1]
    assert top[7 + int(77_777 / 100_000 * 80)] not in " "


def test_marks_have_labels_that_do_not_overlap() -> None:
    marks = [Mark(500, 5, 0, "chunk 1"), Mark(505, 5.05, 0, "chunk 2"), Mark(1500, 15, 0, "lr 1e-4", "lr")]
    rows = text(Plot([run("r", 0)], marks), View(), 87, 20)
    assert "chunk 1" in rows[1]
    assert "lr 1e-4" in rows[1]
    assert "chunk 2" not in rows[1]
    assert sum("┊" in row for row in rows) > 10


def test_a_blank_stands_between_the_labels_of_two_marks() -> None:
    for first in range(1000, 2000, 10):
        marks = [Mark(first, first / 100, 0, "epoch 2: chunk"), Mark(2000, 20, 0, "epoch 3: chunk")]
        rows = text(Plot([run("r", 0)], marks), View(), 87, 20)
        assert not any("chunkepoch" in row for row in rows), first
        assert first > 1200 or any("epoch 3" in row for row in rows), first


def test_a_label_gives_way_to_a_curve() -> None:
    steps = np.arange(1, 501) * 4
    y = np.where(steps % 8 == 0, 0.0301, 0.499)  # fills the plot from top to bottom
    plot = Plot([Series("r", 0, Points(steps, steps / 100, steps, y))], [Mark(500, 5, 0, "chunk 1")])
    assert not any("chunk 1" in row for row in text(plot, View(), 87, 20))


def test_validation_is_neither_the_training_line_nor_text() -> None:
    look = Look()
    [style] = [s.style for s in chart_rows(Plot([run("r", 0)]), View(), 100, 20)[0] if "validation" in s.text]
    assert style is not None
    assert style.color is not None
    assert style.color.triplet not in (look.ink.bright(0), look.ink.dim(0), look.ink.text)


def test_validation_is_drawn_from_its_own_points() -> None:
    only = Series("r", 0, Points(), run("r", 0).validation)
    rows = text(Plot([only]), View(), 87, 20)
    assert any(0x2800 < ord(c) < 0x2900 for row in rows[1:] for c in row)


def test_values_that_a_log_axis_cannot_show_do_no_harm() -> None:
    series = Series("r", 0, Points([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [0.0, -1.0, 0.5, np.inf]))
    assert len(text(Plot([series]), View(), 80, 20)) == 20
    nothing = Series("r", 0, Points([1, 2], [1, 2], [1, 2], [np.nan, np.nan]))
    assert len(text(Plot([nothing]), View(), 80, 20)) == 20


def test_no_curves_yet_is_said() -> None:
    assert "no curves yet" in text(Plot(), View())[0]


def test_ascii_is_ascii_and_tells_runs_by_letter() -> None:
    rows = text(Plot([run("one", 0), run("two", 1, 0.1)], [Mark(500, 5, 0, "m")]), View(), 80, 20, ASCII)
    assert all(row.isascii() for row in rows)
    assert rows[0].startswith("a one  b two")
    body = "".join(rows[1:])
    assert "a" in body
    assert "b" in body
    assert not any(
        s.style and s.style.color
        for row in chart_rows(Plot([run("one", 0)]), View(), 80, 20, ASCII)
        for s in row
    )


def test_without_colours_but_with_dots_the_letter_is_at_the_end_of_the_line() -> None:
    plot = Plot([run("one", 0), run("two", 1, 0.1)])
    rows = text(plot, View(), 80, 20, Look(Depth.NONE))
    assert any(row.rstrip().endswith("a") for row in rows[1:])
    assert any(row.rstrip().endswith("b") for row in rows[1:])


def test_one_more_point_changes_few_cells() -> None:
    rng = np.random.default_rng(0)
    series = run("r", 0, n=2003)
    series.train.y[:] *= np.exp(rng.normal(0, 0.1, 2003))
    before = text(Plot([series]), View(), 120, 40)
    series.train.extend(8016, 80.16, 8016 * 64, 0.031)
    after = text(Plot([series]), View(), 120, 40)
    changed = sum(
        a != b for old, new in zip(before, after, strict=True) for a, b in zip(old, new, strict=True)
    )
    assert changed <= 8
