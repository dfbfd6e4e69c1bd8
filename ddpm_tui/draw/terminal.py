"""This terminal's capabilities: how many colours, and which glyphs. Judges given facts; asks nothing.

Guessing low costs beauty, guessing high costs legibility, so every rule below takes the safe guess: a missing
COLORTERM (ssh does not forward it) means 256 colours if TERM says so, and never more than that.
"""

import codecs
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TextIO

Multiplexer = Literal["tmux", "screen"]

# Names that mean 24-bit colour whatever COLORTERM says: TERM itself does travel over ssh.
_TRUECOLOR_TERMS = (
    "kitty",
    "ghostty",
    "alacritty",
    "foot",
    "wezterm",
    "contour",
    "rio",
    "direct",
    "truecolor",
)
_TRUECOLOR_PROGRAMS = frozenset(
    {"iterm.app", "wezterm", "ghostty", "vscode", "hyper", "tabby", "rio", "warpterminal"}
)
_NO_COLOUR_TERMS = ("dumb", "unknown", "vt52", "vt100", "vt102", "vt220", "vt320", "xterm-mono")
_FORCED = {"0": 0, "false": 0, "1": 4, "true": 4, "2": 8, "3": 24}


class Depth(IntEnum):
    """How many colours there are, as bits a cell colour has. Ordered: `depth >= Depth.ANSI256` reads well."""

    NONE = 0
    ANSI16 = 4
    ANSI256 = 8
    TRUECOLOR = 24


@dataclass(frozen=True)
class Terminal:
    """The facts that drawing depends on. `unicode`: box drawing and half blocks; `braille`: those as well."""

    depth: Depth
    unicode: bool
    braille: bool
    tty: bool
    multiplexer: Multiplexer | None = None
    ssh: bool = False
    advice: str | None = None


def detect(environ: Mapping[str, str], isatty: bool, encoding: str | None) -> Terminal:
    """Judge a terminal from its environment variables, whether the stream is one, and the stream's encoding.

    NO_COLOR (non-empty; no-color.org) wins over everything; FORCE_COLOR=1|2|3 asks for 16, 256 or 24-bit
    colours even if the output is no terminal.
    """
    term = environ.get("TERM", "").strip().lower()
    multiplexer = _multiplexer(environ, term)
    ssh = bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))
    blocks, braille = _glyphs(encoding)
    depth = _depth(environ, term, isatty, multiplexer)
    return Terminal(
        depth=depth,
        unicode=blocks,
        # The Linux console's 512-glyph font has the half blocks but no braille.
        braille=braille and term != "linux",
        tty=isatty,
        multiplexer=multiplexer,
        ssh=ssh,
        advice=_advice(environ, depth, blocks, isatty, multiplexer, ssh),
    )


def here(stream: TextIO | None = None, environ: Mapping[str, str] | None = None) -> Terminal:
    """Call `detect` for a stream of this process (stderr by default: it is the one Textual draws on)."""
    stream = sys.stderr if stream is None else stream
    environ = os.environ if environ is None else environ
    try:
        isatty = stream.isatty()
    except ValueError:  # closed
        isatty = False
    return detect(environ, isatty, getattr(stream, "encoding", None))


def _multiplexer(environ: Mapping[str, str], term: str) -> Multiplexer | None:
    if environ.get("TMUX") or term.startswith("tmux"):
        return "tmux"
    if environ.get("STY"):
        return "screen"
    # TERM=screen* alone is either of the two seen through ssh, which carries neither variable.
    return "screen" if term.startswith("screen") else None


def _depth(environ: Mapping[str, str], term: str, isatty: bool, multiplexer: Multiplexer | None) -> Depth:
    if environ.get("NO_COLOR"):
        return Depth.NONE
    forced = environ.get("FORCE_COLOR", "").strip().lower()
    if forced:
        known = Depth(_FORCED.get(forced, 4))
        # 0 switches off; anything else is a floor, and a terminal that can do more may.
        return Depth.NONE if known is Depth.NONE else max(known, _claimed(environ, term, multiplexer))
    return _claimed(environ, term, multiplexer) if isatty else Depth.NONE


def _claimed(environ: Mapping[str, str], term: str, multiplexer: Multiplexer | None) -> Depth:
    if not term or term.startswith(_NO_COLOUR_TERMS):
        return Depth.NONE
    if multiplexer == "screen":
        # GNU screen before 5 garbles 24-bit escapes, and COLORTERM is inherited from the terminal outside it.
        return Depth.ANSI256 if "256color" in term else Depth.ANSI16
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return Depth.TRUECOLOR
    if multiplexer == "tmux":
        # tmux maps 256 colours to those of the outer terminal, even if its own TERM says `screen`.
        return Depth.ANSI256
    programs = {environ.get(name, "").strip().lower() for name in ("TERM_PROGRAM", "LC_TERMINAL")}
    if programs & (_TRUECOLOR_PROGRAMS | {"iterm2"}) or environ.get("WT_SESSION"):
        return Depth.TRUECOLOR
    if any(name in term for name in _TRUECOLOR_TERMS):
        return Depth.TRUECOLOR
    return Depth.ANSI256 if "256color" in term else Depth.ANSI16


def _glyphs(encoding: str | None) -> tuple[bool, bool]:
    """Return whether blocks, and braille, can be written in this encoding (code page 437 has blocks only)."""
    try:
        name = codecs.lookup(encoding or "ascii").name
    except LookupError:
        return False, False
    blocks = _encodes("─│└▀▄█", name)
    return blocks, blocks and _encodes("⣿", name)


def _encodes(glyphs: str, encoding: str) -> bool:
    try:
        glyphs.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _advice(
    environ: Mapping[str, str],
    depth: Depth,
    unicode: bool,
    isatty: bool,
    multiplexer: Multiplexer | None,
    ssh: bool,
) -> str | None:
    """Return one sentence on how to get better pictures here, or None."""
    if not isatty:
        return None
    if not unicode:
        return "the locale is not UTF-8, so pictures are drawn in ASCII: export LC_ALL=C.UTF-8"
    if depth in (Depth.ANSI16, Depth.ANSI256) and "COLORTERM" not in environ and multiplexer != "screen":
        why = "ssh does not pass COLORTERM on" if ssh else "COLORTERM is not set"
        return f"{why}: if your terminal has 24-bit colour, export COLORTERM=truecolor"
    return None
