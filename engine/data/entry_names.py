"""The one place that turns what a container calls its entries into names: relative, '/' between the parts.

A name only tells pictures apart and says where they were; nothing is ever written under it. So whatever points
outside (a leading '/', a drive letter, '..') is simply dropped, as unpackers do.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

_DRIVE: Final = re.compile(r"[A-Za-z]:")
_UNICODE_PATH: Final = 0x7075
_SEPARATOR: Final = re.compile(r"(?<![^\x00-\x7f])\\")
"""A backslash after a character of ASCII."""


def entry_name(raw: bytes, utf8: bool, extra: bytes = b"") -> str:
    """The relative name of a zip entry, '' for a folder or a name of which nothing is left.

    raw: the name field · utf8: flag 11 of the entry · extra: its extra field, for Info-ZIP's Unicode path.

    Text is UTF-8 if a flag, the Unicode path or the bytes themselves say so (macOS sets no flag), else code page
    437. Windows PowerShell and older .NET write '\\' between the parts.
    """
    text, certain = _decoded(raw, utf8, extra)
    # In an Asian code page the second byte of a character may be a backslash: after a byte that is not ASCII
    # in a name whose code page is only guessed, it is left alone.
    text = text.replace("\\", "/") if certain else _SEPARATOR.sub("/", text)
    if text.endswith("/"):
        return ""
    return clean_name(text)


def clean_name(text: str) -> str:
    """Without empty parts, '.', '..' and a drive letter in front."""
    parts = [part for part in text.split("/") if part not in ("", ".", "..")]
    if parts and _DRIVE.fullmatch(parts[0]):
        del parts[0]
    return "/".join(parts)


def _decoded(raw: bytes, utf8: bool, extra: bytes) -> tuple[str, bool]:
    """The text of a name, and whether its encoding is known."""
    raw = raw.partition(b"\0")[0]
    if raw.isascii() and not extra:
        return raw.decode("ascii"), True
    told = _unicode_path(raw, extra)
    if told is not None:
        return told, True
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        pass
    if utf8:  # says so and is not: other bytes must stay other names
        return raw.decode("utf-8", "surrogateescape"), True
    return raw.decode("cp437"), False


def _unicode_path(raw: bytes, extra: bytes) -> str | None:
    """Info-ZIP's Unicode path: version 1, the CRC of the name that it replaces, UTF-8."""
    for kind, content in extra_fields(extra):
        if kind == _UNICODE_PATH and len(content) > 5 and content[0] == 1:
            if struct.unpack_from("<L", content, 1)[0] != zlib.crc32(raw):
                return None  # the entry was renamed by a program that does not know the field
            try:
                return content[5:].decode("utf-8").partition("\0")[0]
            except UnicodeDecodeError:
                return None
    return None


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, content) of each part of an entry's extra field; stops at the first that is not whole."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if at + 4 + length > len(extra):
            return
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length
