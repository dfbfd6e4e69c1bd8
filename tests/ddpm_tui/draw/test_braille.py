import numpy as np
from rich.style import Style

from ddpm_tui.draw.braille import BrailleCanvas

NAN = np.nan


def text(canvas: BrailleCanvas) -> list[str]:
    return ["".join(s.text for s in row) for row in canvas.segments(lambda ink: Style(bold=True))]


def test_braille_dots_are_where_unicode_has_them() -> None:
    canvas = BrailleCanvas(4, 1)
    for column in range(8):
        only = np.full(8, NAN)
        only[column] = column % 4
        canvas_one = BrailleCanvas(4, 1)
        canvas_one.spans(only, only, 0)
        expected = [0x01, 0x10, 0x04, 0x80, 0x01, 0x10, 0x04, 0x80][column]
        assert ord(text(canvas_one)[0][column // 2]) == 0x2800 + expected
    canvas.spans(np.zeros(8), np.full(8, 3.0), 0)
    assert text(canvas) == ["⣿⣿⣿⣿"]


def test_ascii_keeps_the_height_of_a_thin_line() -> None:
    canvas = BrailleCanvas(5, 1, braille=False)
    tops, bottoms = np.array([0.0, 1, 2, 0, NAN]), np.array([0.0, 1, 2, 2, NAN])
    canvas.spans(tops, bottoms, 0)
    assert text(canvas) == ["'-.| "]


def test_what_is_painted_later_takes_the_whole_cell() -> None:
    canvas = BrailleCanvas(2, 1)
    canvas.spans(np.zeros(4), np.full(4, 3.0), 1)
    canvas.spans(np.array([0.0, 0, NAN, NAN]), np.array([0.0, 0, NAN, NAN]), 2)
    [row] = canvas.segments(lambda ink: Style(color=f"color({ink})"))
    assert [(s.text, s.style.color.number) for s in row if s.style and s.style.color] == [("⠉", 2), ("⣿", 1)]


def test_dashes_and_glyphs() -> None:
    canvas = BrailleCanvas(8, 1, braille=False)
    canvas.spans(np.zeros(8), np.zeros(8), 0, "x", dash=2)
    assert text(canvas) == ["xx  xx  "]


def test_a_line_down_a_column_leaves_curves_alone() -> None:
    canvas = BrailleCanvas(3, 2, braille=False)
    canvas.spans(np.full(3, 1.0), np.full(3, 1.0), 0)
    canvas.tint(1, 5, "|")
    assert text(canvas) == ["---", " | "]
    canvas.tint(99, 5, "|")
    assert not canvas.is_blank(0, 0, 1)
    assert canvas.is_blank(0, 1, 1)
    assert not canvas.is_blank(2, 1, 2)


def test_text_is_cut_at_the_edges() -> None:
    canvas = BrailleCanvas(4, 1)
    canvas.text(2, 0, "abc", 0)
    canvas.text(-1, 0, "xy", 0)
    canvas.text(0, 7, "gone", 0)
    assert text(canvas) == ["y ab"]


def test_equal_cells_share_a_segment() -> None:
    canvas = BrailleCanvas(100, 3)
    assert [len(row) for row in canvas.segments(lambda ink: None)] == [1, 1, 1]
