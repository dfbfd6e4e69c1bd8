"""Text that somebody else wrote, made safe to show: names, tags, paths, logs, other programs' words. Pure.

A terminal obeys control characters: they move the cursor, set the window's title, write to the clipboard. Marks of
direction make a line read otherwise than it is written. None of them is printed as it is.
"""

import re
import shlex
from collections.abc import Callable

_HARMFUL = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1 controls
    "\u2028\u2029"  # ends of lines and paragraphs
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u206a-\u206f"  # marks of direction
    "\u00ad\u180e\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # characters that nobody sees
    "\ud800-\udfff"  # bytes that were no UTF-8, and halves of pairs: no encoding writes them
)
_CONTROL = re.compile(f"[{_HARMFUL}]")
_CONTROL_IN_LINES = re.compile(f"(?![\n\t])[{_HARMFUL}]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str) -> str:
    """`text` on one line, with every control character as Python writes it: `\\n`, `\\x1b`, `\\u202e`."""
    return _CONTROL.sub(_escape, text)


def visible_lines(text: str) -> str:
    """The same for a text of several lines: its ends of lines and tabs stay."""
    return _CONTROL_IN_LINES.sub(_escape, text)


def replace_control(text: str, by: Callable[[str], str]) -> str:
    """`text` with what `by` says in the place of each control character."""
    return _CONTROL.sub(lambda match: by(match[0]), text)


def visible_json(document: str) -> str:
    """A JSON document that means the same, with no control character but the ends of its lines."""
    return _CONTROL_IN_LINES.sub(_json_escape, document)


def shell_word(text: object) -> str:
    """`text` as one word of a command to be pasted into a shell. Control characters come out as bash, zsh and ksh read
    them in `$'…'`."""
    word = str(text)
    if not _CONTROL.search(word):
        return shlex.quote(word)
    word = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{_CONTROL.sub(_shell_escape, word)}'"


def shell_line(*words: object) -> str:
    """A whole command to be pasted into a shell."""
    return " ".join(map(shell_word, words))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _shell_escape(match: re.Match[str]) -> str:
    """The bytes of the character, in octal: what follows cannot be taken for a part of it."""
    escaped = 0xDC80 <= ord(match[0]) <= 0xDCFF
    word = match[0].encode("utf-8", "surrogateescape" if escaped else "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in word)


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def plural(count: int, word: str, words: str | None = None) -> str:
    """ "1 job", "3 jobs"."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"
