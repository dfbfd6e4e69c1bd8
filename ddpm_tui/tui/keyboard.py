"""Bytes from the terminal to keys, mouse and pastes: a sequence is handled when it is whole, however packets split
it.

No part of a report is ever taken for keys: the late second half of a mouse report used to go to another
screen. Knows no app.
"""

import codecs
import re
import time
from collections.abc import Callable, Iterator

from textual import events
from textual.message import Message

from ddpm_tui.tui.textual_private import Sequences

ALONE_S = 0.1
"""An escape with nothing behind it for so long was the key."""
TAIL_S = 5.0
"""What was an escape key may have been the beginning of a report: its rest is still known for so long."""
GIVE_UP_S = 10.0
"""A sequence or a paste that does not end is no longer waited for."""
LONGEST_SEQUENCE = 4096
LONGEST_PASTE = 4 << 20

_ESC = "\x1b"
_ANSWER_S = 1.0
"""An answer that does not end would swallow what is typed."""
_PASTE, _PASTED = "\x1b[200~", "\x1b[201~"
_WORDWISE = "bf\x7f"
"""Behind an escape: what Mac terminals send for option with an arrow or Backspace, a word back, on, away."""
_CSI = re.compile(r"\x1b\[(?:\[.|M...|[0-?]*[ -/]*[@-LN-Z\\-~]|[0-?]+[ -/]*M)", re.DOTALL)
_CSI_OPEN = re.compile(r"\x1b\[(?:\[?|M.{0,2}|[0-?]*[ -/]*)\Z", re.DOTALL)
_CSI_BROKEN = re.compile(r"\x1b\[[ -?]*[@-~]?")
_SS3 = re.compile(r"\x1bO[0-9;]*[A-DFHIMPQRSXj-y]")
_SS3_OPEN = re.compile(r"\x1bO[0-9;]*\Z")
# Answers to questions. Anything else behind an escape was typed.
_ANSWER_BEGUN = r"\x1b(?:\][0-9]|P[0-9!+>$|]|_G)[^\x07\x1b]*"
_ANSWER = re.compile(_ANSWER_BEGUN + r"(?:\x07|\x1b\\)")
_ANSWER_OPEN = re.compile(r"\x1b[\]P_]\Z|" + _ANSWER_BEGUN + r"\x1b?\Z")
_ANSWER_BROKEN = re.compile(_ANSWER_BEGUN)
_TAIL = re.compile(r"\[(?:<[0-9;]*[Mm]|[0-?]*[ -/]*[A-HPQRSZu~])")
_TAIL_OPEN = re.compile(r"\[[0-?]*[ -/]*\Z")


class Keyboard:
    """`feed` takes the text that was read, `tick` is called now and then; both yield messages.

    alt: whether an escape and a letter in one packet are alt and that letter; else they are two keys, except those
    that move by words.
    """

    def __init__(self, alt: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.alt = alt
        self._clock = clock
        self._decode = codecs.getincrementaldecoder("utf-8")("ignore").decode
        self._known = Sequences()
        self._held = ""
        self._held_since = 0.0
        self._paste: list[str] | None = None
        self._pasted = 0
        self._escaped = float("-inf")
        """When an escape was taken for the key because nothing came behind it."""

    @property
    def waiting(self) -> bool:
        """Return whether `tick` has something to look after."""
        return bool(self._held) or self._paste is not None

    def feed(self, data: bytes) -> Iterator[Message]:
        text = self._held + self._decode(data)
        self._held = ""
        self._held_since = self._clock()
        while text:
            if self._paste is not None:
                found, text = self._pasting(text)
            elif text[0] == _ESC:
                found, text = self._sequence(text)
            elif text[0] == "[" and self._clock() < self._escaped + TAIL_S:
                found, text = self._tail(text)
            else:
                found, text = self._known.key(text[0]), text[1:]
            yield from found

    def tick(self) -> Iterator[Message]:
        """Yield the messages due when the text that was waited for has not come in time."""
        age = self._clock() - self._held_since
        if self._paste is not None:
            if age > GIVE_UP_S:
                self._paste.append(self._held)
                self._held = ""
                yield from self._end_paste()
        elif self._held == _ESC and age >= ALONE_S:
            self._held, self._escaped = "", self._clock()
            yield events.Key("escape", _ESC)
        elif self._held[:1] == "[":
            if self._held[1:2] != "<" and age >= _ANSWER_S:
                text, self._held, self._escaped = self._held, "", float("-inf")
                for character in text:
                    yield from self._known.key(character)
        elif len(self._held) == 2 and self._held[1] != "[" and age >= ALONE_S:
            letter, self._held = self._held[1], ""
            yield from self._escape_and(letter)
        elif self._held and age > (GIVE_UP_S if self._held[:2] in ("\x1b[", "\x1bO") else _ANSWER_S):
            self._held = ""

    # One message at the beginning of the text, and the rest.

    def _sequence(self, text: str) -> tuple[list[Message], str]:
        for whole in (_CSI, _SS3, _ANSWER):
            if match := whole.match(text):
                return self._meaning(match.group()), text[match.end() :]
        if text == _ESC or any(begun.match(text) for begun in (_CSI_OPEN, _SS3_OPEN, _ANSWER_OPEN)):
            self._held = text if len(text) < LONGEST_SEQUENCE else ""
            return [], ""
        for broken in (_CSI_BROKEN, _ANSWER_BROKEN):  # a character that no sequence contains
            if match := broken.match(text):
                return [], text[match.end() :]
        if text[1] == _ESC:
            return [events.Key("escape", _ESC)], text[1:]
        return self._escape_and(text[1]), text[2:]

    def _escape_and(self, letter: str) -> list[Message]:
        if letter in _WORDWISE:
            return self._known.key(_ESC + letter)
        if self.alt:
            return self._known.key(letter, alt=True)
        return [events.Key("escape", _ESC), *self._known.key(letter)]

    def _meaning(self, sequence: str) -> list[Message]:
        if sequence == _PASTE:
            self._paste, self._pasted = [], 0
            return []
        return self._known.key(sequence) or self._known.report(sequence)

    def _tail(self, text: str) -> tuple[list[Message], str]:
        """Return the rest of a sequence whose escape was taken for the key."""
        if match := _TAIL.match(text):
            self._escaped = float("-inf")
            return self._meaning(_ESC + match.group()), text[match.end() :]
        if _TAIL_OPEN.match(text):
            self._held = text
            return [], ""
        self._escaped = float("-inf")
        return self._known.key("["), text[1:]

    def _pasting(self, text: str) -> tuple[list[Message], str]:
        assert self._paste is not None
        before, end, rest = text.partition(_PASTED)
        if not end:
            # The end mark may be cut, too.
            keep = next((n for n in range(len(_PASTED) - 1, 0, -1) if text.endswith(_PASTED[:n])), 0)
            before, self._held = text[: len(text) - keep], text[len(text) - keep :]
        if self._pasted < LONGEST_PASTE:
            self._paste.append(before[: LONGEST_PASTE - self._pasted])
            self._pasted += len(before)
        return (self._end_paste(), rest) if end else ([], "")

    def _end_paste(self) -> list[Message]:
        text = "".join(self._paste or ())
        self._paste = None
        return [events.Paste(text.replace("\0", ""))]
