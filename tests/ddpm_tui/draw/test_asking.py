"""What is made of a dozen terminals' answers: colours, ground, images; nobody is asked what garbles its screen."""

import re

import numpy as np
import pytest
from rich.color import ColorSystem

from ddpm_tui.draw import asking
from ddpm_tui.draw.asking import Answers, better, hear, images
from ddpm_tui.draw.placeholders import MARKS, PLACEHOLDER, PlaceholderImages
from ddpm_tui.draw.terminal import Depth, detect
from ddpm_tui.tui.conversation import Conversation
from ddpm_tui.tui.frame import Frame
from ddpm_tui.tui.keyboard import Keyboard
from ddpm_tui.tui.textual_private import TerminalAnswer
from tests.ddpm_tui.terminals import TERMINALS, Fake

OVER_SSH = {"TERM": "xterm-256color", "SSH_TTY": "/dev/pts/3"}


def talk(
    fake: Fake, environ: dict[str, str] = OVER_SSH, late: float = 0.0
) -> tuple[Answers | None, list[str]]:
    """What is known at the end, None if that never came, and all that was sent."""
    now = 0.0
    ended: list[Answers] = []
    sent: list[str] = []
    keyboard = Keyboard(clock=lambda: now)
    conversation = Conversation(sent.append, ended.append, clock=lambda: now)
    if not conversation.begin(detect(environ, True, "utf-8"), environ):
        return None, sent
    place = 0
    while place < len(sent):
        answer = fake.write(sent[place])
        place += 1
        now += late
        for message in keyboard.feed(answer.encode()):
            assert isinstance(message, TerminalAnswer), "no answer is a key"
            conversation.hear(message.sequence)
    return (ended[0] if ended else None), sent


KNOWN = {
    # name: truecolor over ssh, light, images
    "kitty": (True, False, "placeholders"),
    "kitty, old": (True, False, "blocks"),
    "ghostty": (True, False, "placeholders"),
    "konsole": (True, True, "blocks"),
    "wezterm": (True, False, "blocks"),
    "foot": (True, False, "blocks"),
    "xterm": (True, True, "blocks"),
    "xterm, 256 colours": (False, False, "blocks"),
    "xterm with sixel": (True, False, "blocks"),
    "gnome-terminal": (True, False, "blocks"),
    "alacritty": (False, False, "blocks"),
    "iterm2": (True, False, "blocks"),
    "terminal.app": (False, True, "blocks"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_colours_ground_and_images_are_found_without_any_variable(name: str) -> None:
    fake = TERMINALS[name]()
    answers, sent = talk(fake)
    assert answers is not None
    terminal = better(detect(OVER_SSH, True, "utf-8"), answers, OVER_SSH)
    found = terminal.depth is Depth.TRUECOLOR, answers.light, images(terminal, answers)
    assert found == KNOWN[name]
    assert fake.printed == "", "it prints nothing of what it was asked"
    assert sum(map(len, sent)) < 120


def test_images_in_tmux_are_those_of_the_terminal_around_it() -> None:
    environ = {"TERM": "tmux-256color", "TMUX": "x", "COLORTERM": "truecolor"}
    answers, _ = talk(TERMINALS["tmux in kitty"](), environ)
    assert answers is not None
    assert (answers.name, answers.outer) == ("tmux", "kitty")
    assert images(detect(environ, True, "utf-8"), answers) == "placeholders"
    closed, _ = talk(TERMINALS["tmux without passthrough"](), environ)
    assert closed is not None
    assert images(detect(environ, True, "utf-8"), closed) == "blocks"
    plain = detect({"TERM": "tmux-256color", "TMUX": "x"}, True, "utf-8")
    assert better(plain, answers, {}).depth is Depth.ANSI256, (
        "tmux may show fewer colours than what is around it"
    )


def test_who_says_nothing_or_too_late_or_nonsense_changes_nothing() -> None:
    answers, sent = talk(TERMINALS["says nothing"]())
    assert answers is None
    assert len(sent) == 1
    assert talk(TERMINALS["kitty"](), late=9.0)[0] is None
    before = Answers("kitty")
    for nonsense in (
        "\x1b]11;#fff\x1b\\",
        "\x1bP0$r\x1b\\x",
        "\x1b[?1;2$y",
        "\x1b]10;rgb:1/2/3\x07",
        "\x1b[A",
    ):
        assert hear(before, nonsense) == before


@pytest.mark.parametrize(
    "environ",
    [
        {"TERM": "linux"},
        {"TERM": "screen-256color"},
        {"TERM": "vt100"},
        {"TERM": "dumb"},
        {},
        {"TERM": "xterm", "DDPM_ASK": "0"},
    ],
)
def test_who_prints_questions_is_not_asked(environ: dict[str, str]) -> None:
    assert talk(Fake(), environ) == (None, [])


def test_a_variable_that_says_otherwise_wins() -> None:
    answers, _ = talk(TERMINALS["kitty"]())
    assert answers is not None
    plain = {**OVER_SSH, "NO_COLOR": "1"}
    assert better(detect(plain, True, "utf-8"), answers, plain).depth is Depth.NONE
    forced = {**OVER_SSH, "FORCE_COLOR": "2"}
    assert better(detect(forced, True, "utf-8"), answers, forced).depth is Depth.ANSI256


def test_sixel_only_if_somebody_asked_for_it() -> None:
    answers, _ = talk(TERMINALS["xterm with sixel"]())
    assert answers is not None
    terminal = better(detect(OVER_SSH, True, "utf-8"), answers, OVER_SSH)
    assert images(terminal, answers, sixel_wanted=True) == "sixel"
    assert "sixel" in asking.in_words(terminal, answers)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (32, 32, 3), np.uint8)


def test_an_image_is_sent_once_and_its_cells_say_where_they_belong() -> None:
    sent: list[str] = []
    store = PlaceholderImages(sent.append, first=0x010203)
    rows = store.rows(picture(1), 32, 16)
    assert store.rows(picture(1).copy(), 32, 16) is not rows
    commands = "".join(sent)
    assert commands.count("a=T") == 1, "equal pixels are one image"
    assert "i=66051" in commands
    assert "c=32,r=16" in commands
    assert all(len(part) < 4200 for part in sent)
    frame = Frame(ColorSystem.TRUECOLOR)
    frame.resize(40, 20)
    for y, row in enumerate(rows):
        frame.update(2, y, row)
    text = frame.flush()
    assert "38;2;1;2;3" in text
    cells = re.findall(f"{PLACEHOLDER}(.)(.)", text)
    assert [(MARKS.index(y), MARKS.index(x)) for y, x in cells] == [
        (y, x) for y in range(16) for x in range(32)
    ]
    for y, row in enumerate(rows):
        frame.update(2, y, row)
    assert frame.flush() == "", "the same cells again cost nothing"
    half_blocks = 32 * 16 * 38
    assert len(text.encode()) + len(commands) < half_blocks / 2
    store.rows(picture(2), 20, 10)
    sent.clear()
    store.close()
    assert [re.findall(r"i=(\d+)", part) for part in sent] == [["66051"], ["66052"]]


def test_in_tmux_images_go_through_its_passthrough() -> None:
    sent: list[str] = []
    PlaceholderImages(sent.append, "tmux").rows(picture(1), 8, 4)
    assert all(part.startswith("\x1bPtmux;\x1b\x1b_G") and part.endswith("\x1b\x1b\\\x1b\\") for part in sent)
