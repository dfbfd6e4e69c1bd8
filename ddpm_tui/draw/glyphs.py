"""The allowed characters: no control character, and plain ASCII for signs that the terminal's encoding lacks."""

from rich.cells import get_character_cell_size
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from engine.base.text import replace_control

_PLAIN = {
    "─": "-", "━": "=", "│": "|", "┃": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+", "┤": "+",
    "┬": "+", "┴": "+", "┼": "+", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "╴": "-", "╶": "-", "╵": "|",
    "╷": "|", "╸": "=", "╺": "=", "╌": "-", "╎": "|", "▔": "-", "▁": "_", "▏": "|", "▎": "|", "▍": "|",
    "▌": "|", "▋": "#", "▊": "#", "▉": "#", "█": "#", "▐": "|", "▀": "^", "▄": "_", "▂": "_", "▃": "_",
    "▅": "#", "▆": "#", "▇": "#", "▕": "|", "░": ".", "▒": ":", "▓": "#", "●": "*", "○": "o", "◐": "~",
    "◌": ".", "✓": "v", "✗": "x", "×": "x", "·": "-", "…": ".", "→": ">", "←": "<", "↑": "^", "↓": "v",
    "▶": ">", "◀": "<", "▸": ">", "▾": "v", "▲": "^", "▼": "v", "■": "#", "□": "o", "★": "*", "☆": "*",
    "⏸": "=", "⚠": "!", "–": "-", "—": "-", "“": '"', "”": '"', "‘": "'", "’": "'", "°": "o", "±": "~",
    "ε": "e", "σ": "s", "β": "b", "ᾱ": "a", "√": "/", "≤": "<", "≥": ">", "≈": "~", "−": "-", "⠿": "#",
    "˄": "^", "˅": "v", "∞": "8", "γ": "g", "η": "n", "₀": "0", "²": "2", "½": "/", "\u00a0": " ",
}  # fmt: skip


def plain(text: str, encoding: str) -> str:
    """Return `text` with every character that the encoding lacks replaced by one of the same width."""
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        return "".join(_plain_character(c, encoding) for c in text)


def _plain_character(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
        return character
    except UnicodeEncodeError:
        pass
    if character in _PLAIN:
        return _PLAIN[character]
    if "⠀" < character <= "⣿":
        return "*"
    return "?" * get_character_cell_size(character)


class NoControl(LineFilter):
    """Takes control characters out of all that is drawn, whatever widget draws it. They take no room; one that does
    becomes a question mark. Our own lines have them written out before, so that they can be seen."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(replace_control(text, lambda c: "?" * get_character_cell_size(c)), style, control)
            for text, style, control in segments
        ]


class PlainText(LineFilter):
    """Replaces characters that the terminal's encoding lacks, on the way out: whatever a widget draws, borders
    included, no escape like `\\u2500` gets onto the screen."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self.encoding = encoding

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(plain(text, self.encoding), style, control) for text, style, control in segments]
