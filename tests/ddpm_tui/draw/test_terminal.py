import io

import pytest

from ddpm_tui.draw.terminal import Depth, detect, here


def depth(isatty: bool = True, **environ: str) -> Depth:
    return detect(environ, isatty, "utf-8").depth


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Depth.TRUECOLOR),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, Depth.TRUECOLOR),
        ({"TERM": "xterm-256color"}, Depth.ANSI256),
        ({"TERM": "xterm"}, Depth.ANSI16),
        ({"TERM": "linux"}, Depth.ANSI16),
        ({"TERM": "xterm-kitty"}, Depth.TRUECOLOR),
        ({"TERM": "xterm-direct"}, Depth.TRUECOLOR),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, Depth.ANSI256),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2", "SSH_TTY": "/dev/pts/1"}, Depth.TRUECOLOR),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, Depth.NONE),
        ({"TERM": "vt220"}, Depth.NONE),
        ({}, Depth.NONE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, Depth.NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, Depth.ANSI256),
    ],
)
def test_depth_by_environment(environ: dict[str, str], expected: Depth) -> None:
    assert depth(**environ) is expected


@pytest.mark.parametrize(
    ("environ", "expected", "multiplexer"),
    [
        ({"TERM": "tmux-256color"}, Depth.ANSI256, "tmux"),
        ({"TERM": "screen", "TMUX": "x,1,0"}, Depth.ANSI256, "tmux"),
        ({"TERM": "tmux-256color", "COLORTERM": "truecolor"}, Depth.TRUECOLOR, "tmux"),
        ({"TERM": "screen-256color", "STY": "1.x", "COLORTERM": "truecolor"}, Depth.ANSI256, "screen"),
        ({"TERM": "screen", "STY": "1.x", "COLORTERM": "truecolor"}, Depth.ANSI16, "screen"),
    ],
)
def test_multiplexers_do_not_promise_what_they_cannot_pass_on(
    environ: dict[str, str], expected: Depth, multiplexer: str
) -> None:
    terminal = detect(environ, True, "utf-8")
    assert (terminal.depth, terminal.multiplexer) == (expected, multiplexer)


def test_a_pipe_has_no_colours_unless_forced() -> None:
    assert depth(isatty=False, TERM="xterm-256color", COLORTERM="truecolor") is Depth.NONE
    assert depth(isatty=False, TERM="xterm", FORCE_COLOR="2") is Depth.ANSI256
    assert depth(isatty=False, TERM="dumb", FORCE_COLOR="3") is Depth.TRUECOLOR
    assert depth(TERM="xterm-256color", FORCE_COLOR="0") is Depth.NONE
    assert depth(TERM="xterm-256color", FORCE_COLOR="1", NO_COLOR="1") is Depth.NONE


@pytest.mark.parametrize(
    ("encoding", "unicode", "braille"),
    [
        ("utf-8", True, True),
        ("UTF8", True, True),
        ("latin-1", False, False),
        ("ANSI_X3.4-1968", False, False),
        ("cp437", True, False),
        (None, False, False),
        ("no such codec", False, False),
    ],
)
def test_glyphs_by_encoding(encoding: str | None, unicode: bool, braille: bool) -> None:
    terminal = detect({"TERM": "xterm-256color"}, True, encoding)
    assert (terminal.unicode, terminal.braille) == (unicode, braille)


def test_the_linux_console_has_blocks_but_no_braille() -> None:
    terminal = detect({"TERM": "linux"}, True, "utf-8")
    assert terminal.unicode
    assert not terminal.braille


def test_advice_names_the_variable_that_ssh_dropped() -> None:
    advice = detect({"TERM": "xterm-256color", "SSH_CONNECTION": "1 2 3 4"}, True, "utf-8").advice
    assert advice is not None
    assert "ssh" in advice
    assert "COLORTERM=truecolor" in advice
    assert detect({"TERM": "xterm-kitty"}, True, "utf-8").advice is None
    assert "UTF-8" in (detect({"TERM": "xterm-kitty"}, True, "latin-1").advice or "")


def test_here_reads_the_stream() -> None:
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    terminal = here(latin, {"TERM": "xterm"})
    assert not terminal.unicode
    assert not terminal.tty
    latin.close()
    assert not here(latin, {"TERM": "xterm"}).tty
