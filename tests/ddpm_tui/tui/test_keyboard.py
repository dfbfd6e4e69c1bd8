"""What the terminal sends, cut anywhere: a sequence counts when it is whole, and no part of it is ever a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events

from ddpm_tui.tui.keyboard import ALONE_S, GIVE_UP_S, LONGEST_PASTE, Keyboard

MOUSE = b"\x1b[<0;35;5M\x1b[<0;35;5m"


class At:
    """A keyboard with a clock."""

    def __init__(self, alt: bool = False) -> None:
        self.now = 0.0
        self.keyboard = Keyboard(alt, clock=lambda: self.now)

    def read(self, *pieces: bytes | float) -> list[str]:
        """Of packets, and of seconds between them."""
        found: list[object] = []
        for piece in pieces:
            if isinstance(piece, float):
                self.now += piece
                found += self.keyboard.tick()
            else:
                found += self.keyboard.feed(piece)
        return [said(event) for event in found]


def said(event: object) -> str:
    if isinstance(event, events.Key):
        return event.key
    if isinstance(event, events.Paste):
        return f"paste {event.text!r}"
    return type(event).__name__


def read(*pieces: bytes | float, alt: bool = False) -> list[str]:
    return At(alt).read(*pieces)


def test_keys_of_one_packet_come_in_order() -> None:
    assert read(b"ab\x7fc\r\t\x1b[A\x1bOB\x1b[1;2B \x03") == [
        "a", "b", "backspace", "c", "enter", "tab", "up", "down", "shift+down", "space", "ctrl+c",
    ]  # fmt: skip


@pytest.mark.parametrize("pause", [0.0, 0.2, 3.0])
@pytest.mark.parametrize("cut", range(1, len(MOUSE)))
def test_a_cut_mouse_report_is_one_all_the_same(cut: int, pause: float) -> None:
    found = read(MOUSE[:cut], pause, MOUSE[cut:], 1.0)
    if MOUSE[cut - 1 : cut] == b"\x1b" and pause >= ALONE_S:
        found.remove("escape")  # nobody can tell it from the key
    assert found == ["MouseDown", "MouseUp"]


@pytest.mark.parametrize(
    "sequence", [b"\x1b[A", b"\x1bOA", b"\x1b[5~", b"\x1b[1;2B", b"\x1b[I", b"\x1b[?2026;2$y"]
)
@pytest.mark.parametrize("pause", [0.01, 0.09])
def test_a_cut_sequence_is_the_same_as_a_whole_one(sequence: bytes, pause: float) -> None:
    whole = read(sequence, b"x")
    for cut in range(1, len(sequence)):
        assert read(sequence[:cut], pause, sequence[cut:], b"x") == whole


def test_a_report_that_was_begun_late_is_no_key() -> None:
    assert read(b"\x1b", 0.5, b"[<0;35;5M", b"1") == ["escape", "MouseDown", "1"]
    assert read(b"\x1b", 0.5, b"[<0;3", 0.5, b"5;5M") == ["escape", "MouseDown"]
    assert read(b"\x1b", 0.5, b"[B") == ["escape", "down"]


def test_what_never_ends_is_dropped_and_keys_work_on() -> None:
    assert read(b"\x1b[<0;1", GIVE_UP_S + 1, b"j") == ["j"]
    assert read(b"\x1b[<0;1\x03q") == ["ctrl+c", "q"], "a control character breaks it off"
    assert read(b"\x1b]11;rgb:0/0/0", 2.0, b"q") == ["q"]
    assert read(b"\x1b[200~ab", GIVE_UP_S + 1, b"k") == ["paste 'ab'", "k"]


def test_answers_of_the_terminal_are_no_keys() -> None:
    assert read(
        b"\x1b]11;rgb:0/0/0\x1b\\\x1b]11;?\x07\x1bP>|kitty 0.40\x1b\\\x1b[?62;22c\x1b_Gi=1;OK\x1b\\q"
    ) == [*["TerminalAnswer"] * 4, "q"]
    assert read(b"\x1b[?6", 0.3, b"2;22;52c", b"q") == ["TerminalAnswer", "q"]


def test_escape_alone_and_before_a_letter() -> None:
    assert read(b"\x1b", 0.2, b"[", 1.0, b"1") == ["escape", "left_square_bracket", "1"]
    assert read(b"\x1bx\x1b]", 0.2) == ["escape", "x", "escape", "right_square_bracket"]
    assert read(b"\x1bx", alt=True) == ["alt+x"]
    assert read(b"\x1bf\x1b\x7f") == ["ctrl+right", "ctrl+w"], "a word on, a word away: option on a Mac"
    assert read(b"\x1b\x1b[A") == ["escape", "up"]


def test_a_cut_character_and_another_encoding() -> None:
    assert read("é".encode()[:1], 0.3, "é".encode()[1:]) == ["é"]
    assert read("é".encode("latin-1"), b"a") == ["a"], "not UTF-8: the app used to end"


@given(
    st.text(alphabet=st.characters(exclude_characters="\x1b\0", exclude_categories=["Cs"])),
    st.integers(1, 12),
)
def test_a_paste_is_one_however_it_is_cut(words: str, size: int) -> None:
    data = b"\x1b[200~" + words.encode() + b"\x1b[A\x1b[201~q"
    cut = [data[at : at + size] for at in range(0, len(data), size)]
    pieces: list[bytes | float] = [piece for one in cut for piece in (one, 0.3)]
    found = read(*pieces)
    if size == 1:
        found.remove("escape")  # nobody can tell it from the key
    assert found == [f"paste {words + chr(27) + '[A'!r}", "q"]


def test_a_paste_takes_no_more_memory_than_it_may() -> None:
    at = At()
    at.read(b"\x1b[200~")
    for _ in range(8):
        at.read(b"x" * (LONGEST_PASTE // 4))
    (found,) = at.keyboard.feed(b"\x1b[201~")
    assert len(found.text) == LONGEST_PASTE


@given(
    st.lists(st.sampled_from([b"a", b"1", b"\x1b[A", MOUSE, b"\r", b"\x1bOP", b"\x1b[200~p\x1b[201~"])),
    st.data(),
)
def test_packets_change_nothing(tokens: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(tokens)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(*pieces) == read(whole)
