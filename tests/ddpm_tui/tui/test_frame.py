"""Whatever is drawn in whatever pieces, the terminal shows the newest of it, and unchanged cells cost nothing."""

import random

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from ddpm_tui.tui.frame import Frame
from tests.ddpm_tui.emulator import Terminal

WIDTH, HEIGHT = 24, 6
STYLES = [
    None,
    Style(color="#ff8800"),
    Style(color="#ff8800", bgcolor="#002244"),
    Style(bgcolor="#002244", bold=True),
    Style(dim=True),
    Style(color="#00ff00", underline=True),
]
TEXTS = ["a", "hello", "▀▀▄", "⣿⡇", "漢字", "x漢", "  ", "é", "0123456789"]


def shown(frame: Frame, terminal: Terminal) -> int:
    """Write what the frame has to say; how much it was."""
    text = frame.flush()
    terminal.feed(text)
    return len(text)


def make() -> tuple[Frame, Terminal]:
    frame = Frame(ColorSystem.TRUECOLOR)
    frame.resize(WIDTH, HEIGHT)
    return frame, Terminal(WIDTH, HEIGHT)


def whole(frame: Frame, rows: list[list[Segment]]) -> None:
    for y, row in enumerate(rows):
        frame.update(0, y, row)


def test_random_pictures_drawn_one_over_another_end_up_as_the_last_one() -> None:
    rng = random.Random(7)

    def row() -> list[Segment]:
        segments, room = [], WIDTH
        while room > 0:
            segment = Segment(rng.choice(TEXTS), rng.choice(STYLES))
            if segment.cell_length > room:
                segment = Segment(" " * room, rng.choice(STYLES))
            segments.append(segment)
            room -= segment.cell_length
        return segments

    frame, terminal = make()
    rows = [row() for _ in range(HEIGHT)]
    for _ in range(300):
        for y in rng.sample(range(HEIGHT), rng.randint(1, 3)):
            rows[y] = row()
        whole(frame, rows)
        shown(frame, terminal)
        fresh, clean = make()
        whole(fresh, rows)
        shown(fresh, clean)
        assert terminal.cells == clean.cells


def test_the_same_picture_again_costs_nothing() -> None:
    frame, terminal = make()
    rows = [[Segment("hello", STYLES[1]), Segment("world" * 3, STYLES[2])]] * HEIGHT
    whole(frame, rows)
    assert shown(frame, terminal) > 0
    whole(frame, rows)
    assert frame.flush() == ""


def test_one_changed_cell_costs_a_move_and_a_cell() -> None:
    frame, terminal = make()
    frame.update(0, 2, [Segment("progress 41 %", STYLES[1])])
    shown(frame, terminal)
    frame.update(0, 2, [Segment("progress 42 %", STYLES[1])])
    assert shown(frame, terminal) <= len("\x1b[3;11H\x1b[0;38;2;255;136;0m2\x1b[0m")
    assert terminal.lines()[2] == "progress 42 %"


def test_a_wide_character_overwritten_by_narrow_ones_leaves_nothing_behind() -> None:
    frame, terminal = make()
    frame.update(0, 0, [Segment("a漢字b")])
    shown(frame, terminal)
    frame.update(0, 0, [Segment("axyzzb")])
    shown(frame, terminal)
    assert terminal.lines()[0] == "axyzzb"
    frame.update(0, 0, [Segment("ax漢zb")])
    shown(frame, terminal)
    assert terminal.lines()[0] == "ax漢zb"


def test_after_a_resize_everything_is_written_again() -> None:
    frame, _ = make()
    frame.update(0, 0, [Segment("hello")])
    frame.flush()
    frame.forget()
    terminal = Terminal(WIDTH, HEIGHT)
    frame.update(0, 0, [Segment("hello")])
    shown(frame, terminal)
    assert terminal.lines()[0] == "hello"


def test_without_colours_none_are_written() -> None:
    frame = Frame(None)
    frame.resize(WIDTH, HEIGHT)
    frame.update(0, 0, [Segment("hello", Style(color="#ff8800", bold=True))])
    text = frame.flush()
    assert "hello" in text
    assert "38;" not in text
    assert "\x1b[0;1m" in text


def test_without_colours_the_cursor_is_reversed() -> None:
    frame = Frame(None, frozenset({"#24405a"}))
    frame.resize(WIDTH, HEIGHT)
    frame.update(
        0, 0, [Segment("chosen", Style(bgcolor="#24405a")), Segment("other", Style(bgcolor="#101418"))]
    )
    text = frame.flush()
    assert "\x1b[0;7mchosen" in text
    assert "\x1b[0mother" in text


def test_what_lies_between_two_far_changes_is_jumped_over() -> None:
    frame, terminal = make()
    frame.update(0, 1, [Segment("1 ------------------ 1")])
    shown(frame, terminal)
    frame.update(0, 1, [Segment("2 ------------------ 2")])
    text = frame.flush()
    assert "-" not in text
    terminal.feed(text)
    assert terminal.lines()[1] == "2 ------------------ 2"
