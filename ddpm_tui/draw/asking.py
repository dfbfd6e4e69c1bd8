"""A terminal's answers about itself: its name, its background, whether it keeps 24-bit colours, images.

Environment variables do not travel over ssh; questions do. Pure: gives the questions to send and judges the answers.
Only CSI and OSC questions go to a terminal that is not known yet, as some print the text of a DCS that they do not
know (Terminal.app); the rest goes to one that has given its name. Answers are accepted in any order.

Sources: XTerm Control Sequences (XTVERSION, OSC 11, DECRQSS, DA1); the graphics protocol of kitty.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ddpm_tui.draw.terminal import Depth, Multiplexer, Terminal

Images = Literal["placeholders", "sixel", "blocks"]
RGB = tuple[int, int, int]

ESC, ST = "\x1b", "\x1b\\"
PROBE = (1, 2, 3)
"""A colour that no palette has: a terminal that gives it back keeps what it is told."""
XTVERSION, BACKGROUND, DA1 = f"{ESC}[>0q", f"{ESC}]11;?{ST}", f"{ESC}[c"
SGR = f"{ESC}[48;2;{PROBE[0]};{PROBE[1]};{PROBE[2]}m{ESC}P$qm{ST}{ESC}[0m"

_MUTE = ("linux", "screen", "vt", "dumb", "unknown", "cons", "ansi", "eterm", "emacs", "sun")
"""Beginnings of TERM of terminals that answer nothing, or print what they are asked."""
_KEEPS_COLOURS = (
    "kitty",
    "ghostty",
    "wezterm",
    "foot",
    "konsole",
    "iterm2",
    "mintty",
    "contour",
    "vte",
    "windows",
)
"""Names of terminals that have 24-bit colours in every version that says its name."""
_PLACEHOLDERS = {"kitty": (0, 28), "ghostty": (0, 0)}
"""Terminals with kitty's unicode placeholders, and since which version. An "OK" to a graphics query is not enough:
Konsole gives it and prints the placeholders."""


@dataclass(frozen=True)
class Answers:
    """name, version: of the terminal itself ("kitty", (0, 32)) · outer: the name of the terminal around a
    multiplexer · background: RGB 0 … 255 · keeps_colours: whether PROBE came back; None if not answered · sixel: by
    DA1 · closed: whether DA1, the last question of each round, was answered."""

    name: str = ""
    version: tuple[int, ...] = ()
    outer: str = ""
    outer_version: tuple[int, ...] = ()
    background: RGB | None = None
    keeps_colours: bool | None = None
    sixel: bool = False
    closed: int = 0

    @property
    def light(self) -> bool | None:
        """Return whether the background is a light one; None if it is not known."""
        if self.background is None:
            return None
        red, green, blue = self.background
        return 0.299 * red + 0.587 * green + 0.114 * blue > 127


def may_be_asked(terminal: Terminal, environ: Mapping[str, str]) -> bool:
    """Return whether questions do no harm there. GNU screen, the Linux console and old terminals are left alone."""
    term = environ.get("TERM", "").strip().lower()
    tmux = terminal.multiplexer == "tmux"
    if not terminal.tty or not term or terminal.multiplexer == "screen" or environ.get("DDPM_ASK") == "0":
        return False
    return tmux or not term.startswith(_MUTE)


def first_round(multiplexer: Multiplexer | None) -> str:
    """Return the questions for name and background; in tmux also for the name of the terminal around it, by its
    passthrough if that is allowed."""
    around = f"{ESC}Ptmux;{XTVERSION.replace(ESC, ESC * 2)}{ST}" if multiplexer == "tmux" else ""
    return XTVERSION + around + BACKGROUND + DA1


def second_round(answers: Answers) -> str:
    """Return the questions about colours, for a terminal that has given its name; "" if nothing more is to be asked."""
    return SGR + DA1 if answers.name and answers.name != "tmux" else ""


_NAME = re.compile(r"\x1bP>\|(.*?)(?:\x1b\\|\x07)\Z", re.DOTALL)
_GROUND = re.compile(r"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_SGR = re.compile(r"\x1bP([01])\$r(.*?)m?(?:\x1b\\|\x07)\Z", re.DOTALL)
_DA1 = re.compile(r"\x1b\[\?([0-9;]*)c\Z")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?: [A-Za-z]+)*")


def hear(answers: Answers, sequence: str) -> Answers:
    """Return the answers known after one whole sequence; a sequence that is no answer changes nothing."""
    if match := _NAME.match(sequence):
        name, version = _name(match[1])
        if answers.name and (name == "tmux" or answers.name == "tmux"):
            inner, outer = ((name, version), (answers.name, answers.version))
            if answers.name == "tmux":
                inner, outer = outer, inner
            return replace(answers, name=inner[0], version=inner[1], outer=outer[0], outer_version=outer[1])
        return replace(answers, name=name, version=version)
    if match := _GROUND.match(sequence):
        red, green, blue = (int(part, 16) * 255 // (16 ** len(part) - 1) for part in match.groups())
        return replace(answers, background=(red, green, blue))
    if match := _SGR.match(sequence):
        return replace(answers, keeps_colours=match[1] == "1" and _has_probe(match[2]))
    if match := _DA1.match(sequence):
        return replace(
            answers, sixel=answers.sixel or "4" in match[1].split(";")[1:], closed=answers.closed + 1
        )
    return answers


def _name(text: str) -> tuple[str, tuple[int, ...]]:
    """Return "kitty(0.32.2)" and "WezTerm 20240203-110809" as a name in small letters and a version."""
    word = _WORD.match(text.strip())
    name = (word[0] if word else text.strip()[:20]).strip().lower()
    found = re.search(r"[0-9]+(?:\.[0-9]+)*", text.strip()[len(word[0]) if word else 0 :])
    version = tuple(int(part) for part in found[0].split(".")) if found else ()
    return name, version


def _has_probe(sgr: str) -> bool:
    """Return whether the colour came back: 48:2:1:2:3, 48:2::1:2:3 or 48;2;1;2;3."""
    red, green, blue = PROBE
    return re.search(rf"48[:;]2[:;](?:[0-9]*:)?{red}[:;]{green}[:;]{blue}(?![0-9])", sgr) is not None


def better(terminal: Terminal, answers: Answers, environ: Mapping[str, str]) -> Terminal:
    """Return the terminal as it is now known: more colours than the environment told, never fewer, never against
    NO_COLOR."""
    if environ.get("NO_COLOR") or environ.get("FORCE_COLOR") or terminal.depth is Depth.NONE:
        return terminal
    known = answers.name.startswith(_KEEPS_COLOURS) and answers.name != "tmux"
    keeps = answers.keeps_colours if answers.keeps_colours is not None else known
    if keeps and terminal.multiplexer is None and terminal.depth < Depth.TRUECOLOR:
        return replace(terminal, depth=Depth.TRUECOLOR, advice=None)
    return terminal


def images(terminal: Terminal, answers: Answers, sixel_wanted: bool = False) -> Images:
    """Return how pictures can be shown. Placeholders go by the name alone; sixel only if somebody asked for it."""
    outer = answers.name == "tmux"
    name, version = (answers.outer, answers.outer_version) if outer else (answers.name, answers.version)
    least = _PLACEHOLDERS.get(name)
    able = terminal.depth is Depth.TRUECOLOR and terminal.unicode
    if least is not None and version >= least and able:
        return "placeholders"
    return "sixel" if sixel_wanted and answers.sixel and answers.name != "tmux" else "blocks"


def in_words(terminal: Terminal, answers: Answers) -> str:
    """Describe the answers for people."""
    if not answers.closed and not answers.name:
        return "the terminal answers no questions"
    version = ".".join(map(str, answers.version))
    parts = [f"{answers.name or 'a terminal without a name'} {version}".strip()]
    if answers.outer:
        parts.append(f"in {answers.outer} {'.'.join(map(str, answers.outer_version))}".strip())
    if answers.light is not None:
        parts.append(f"{'light' if answers.light else 'dark'} background")
    if answers.keeps_colours is not None:
        parts.append("24-bit colours" if answers.keeps_colours else "no 24-bit colours")
    parts.append(
        {"placeholders": "images by kitty's placeholders", "blocks": "pictures as half blocks"}.get(
            images(terminal, answers), "pictures as half blocks"
        )
    )
    if answers.sixel:
        parts.append("sixel")
    return ", ".join(parts)
