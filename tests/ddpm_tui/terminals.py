"""Terminals as they answer questions, by their published behaviour. Each is told what is sent and gives its answers; it
keeps what it prints that was not meant to be seen.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_SENT = re.compile(
    r"\x1bPtmux;(?:[^\x1b]|\x1b\x1b)*\x1b\\|\x1b[P\]_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b\[[0-?]*[ -/]*[@-~]|[^\x1b]+|\x1b."
)


@dataclass
class Fake:
    """name: as XTVERSION gives it, "" for none · ground: the answer to OSC 11 · keeps: whether DECRQSS gives a 24-bit
    colour back, None if it is not answered · attributes: of DA1 · leaks: whether it prints an unknown DCS · inside:
    what is around this multiplexer.
    """

    name: str = ""
    ground: str = ""
    keeps: bool | None = None
    attributes: str = "62;22"
    leaks: bool = False
    graphics: bool = False
    inside: "Fake | None" = None
    colon: str = ":"

    def __post_init__(self) -> None:
        self.printed = ""
        self._sgr = "0"

    def write(self, text: str) -> str:
        """What it answers."""
        return "".join(self._one(part) for part in _SENT.findall(text))

    def _one(self, part: str) -> str:
        if part.startswith("\x1bPtmux;"):
            return self.inside.write(part[7:-2].replace("\x1b\x1b", "\x1b")) if self.inside else ""
        if part in ("\x1b[>0q", "\x1b[>q"):
            return f"\x1bP>|{self.name}\x1b\\" if self.name else ""
        if part.startswith("\x1b]11;?"):
            return f"\x1b]11;{self.ground}\x1b\\" if self.ground else ""
        if part == "\x1b[c":
            return f"\x1b[?{self.attributes}c" if self.attributes else ""
        if part.startswith("\x1b_G"):
            return "\x1b_Gi=31;OK\x1b\\" if self.graphics and "a=q" in part else ""
        if part.startswith("\x1bP$qm"):
            if self.leaks:
                self.printed += "$qm"
            if self.keeps is None:
                return ""
            return f"\x1bP1$r{self._sgr}m\x1b\\" if self.keeps else "\x1bP1$r0;48:5:16m\x1b\\"
        if match := re.fullmatch(r"\x1b\[48;2;(\d+);(\d+);(\d+)m", part):
            self._sgr = "0;48" + self.colon + self.colon.join(("2", *match.groups()))
        elif not part.startswith("\x1b"):
            self.printed += part
        return ""


DARK, LIGHT = "rgb:1e1e/1e1e/2e2e", "rgb:ffff/ffff/ffff"

TERMINALS: dict[str, Callable[[], Fake]] = {
    "kitty": lambda: Fake("kitty(0.32.2)", DARK, True, "62;22", graphics=True),
    "kitty, old": lambda: Fake("kitty(0.26.5)", DARK, True, "62;", graphics=True),
    "ghostty": lambda: Fake("ghostty 1.1.3", DARK, True, "62;22;52", graphics=True),
    "konsole": lambda: Fake("Konsole 24.02.2", LIGHT, True, "62;1;4", graphics=True),
    "wezterm": lambda: Fake("WezTerm 20240203-110809-5046fc22", DARK, None, "65;4;6;18;22", graphics=True),
    "foot": lambda: Fake("foot(1.16.2)", DARK, True, "62;4;22"),
    "xterm": lambda: Fake("XTerm(379)", LIGHT, True, "64;1;2;6;9;15;18;21;22", colon=";"),
    "xterm, 256 colours": lambda: Fake("XTerm(366)", "rgb:0000/0000/0000", False, "64;1;2;4;6"),
    "xterm with sixel": lambda: Fake("XTerm(390)", DARK, True, "64;1;2;4;6;9"),
    "gnome-terminal": lambda: Fake("VTE(7600)", DARK, True, "65;1;9", colon=":"),
    "alacritty": lambda: Fake("", DARK, None, "6"),
    "iterm2": lambda: Fake("iTerm2 3.5.0", DARK, True, "62;4"),
    "terminal.app": lambda: Fake("", LIGHT, None, "1;2", leaks=True),
    "tmux in kitty": lambda: Fake("tmux 3.4", DARK, None, "1;2;4", inside=Fake("kitty(0.32.2)", DARK, True)),
    "tmux without passthrough": lambda: Fake("tmux 3.3a", "", None, "1;2"),
    "says nothing": lambda: Fake("", "", None, ""),
}
