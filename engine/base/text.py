"""Making foreign text safe to show: names, tags, paths, logs, output of other programs. Pure functions.

Terminals interpret control characters: they move the cursor, set the window's title, write to the clipboard.
Direction marks change the order in which a line is displayed. None of them is printed unchanged.
"""

import re
import shlex
from collections.abc import Callable

_HARMFUL = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1 controls
    "\u2028\u2029"  # line and paragraph separators
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u206a-\u206f"  # direction marks
    "\u00ad\u180e\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible characters
    "\ud800-\udfff"  # bytes that were not UTF-8, and halves of surrogate pairs: they cannot be encoded
)
_CONTROL = re.compile(f"[{_HARMFUL}]")
_CONTROL_IN_LINES = re.compile(f"(?![\n\t])[{_HARMFUL}]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str) -> str:
    """Return `text` on one line, with control characters escaped as in Python: `\\n`, `\\x1b`, `\\u202e`."""
    return _CONTROL.sub(_escape, text)


def visible_lines(text: str) -> str:
    """Return a text of several lines with control characters escaped, except line ends and tabs."""
    return _CONTROL_IN_LINES.sub(_escape, text)


def replace_control(text: str, by: Callable[[str], str]) -> str:
    """Return `text` with each control character replaced by the result of `by`."""
    return _CONTROL.sub(lambda match: by(match[0]), text)


def visible_json(document: str) -> str:
    """Return an equivalent JSON document whose only control characters are its line ends."""
    return _CONTROL_IN_LINES.sub(_json_escape, document)


def shell_word(text: object) -> str:
    """Return `text` as one word of a shell command. Control characters are written in the form `$'…'` of bash, zsh
    and ksh.
    """
    word = str(text)
    if not _CONTROL.search(word):
        return shlex.quote(word)
    word = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{_CONTROL.sub(_shell_escape, word)}'"


def shell_line(*words: object) -> str:
    """Return a whole command that can be pasted into a shell."""
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
    """Return the bytes of a character in octal, so that following digits are not read as a part of it."""
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
    """Return for example "1 job" or "3 jobs"."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"
