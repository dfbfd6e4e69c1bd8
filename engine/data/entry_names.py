"""Conversion of the entry names of zips to relative names with '/' between the parts.

A name only identifies a picture; nothing is ever written under it. Parts that point outside (a leading '/', a drive
letter, '..') are therefore dropped, as unpackers do.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

_DRIVE: Final = re.compile(r"[A-Za-z]:")
_UNICODE_PATH: Final = 0x7075
_SEPARATOR: Final = re.compile(r"(?<![^\x00-\x7f])\\")
"""A backslash after an ASCII character."""


def entry_name(raw: bytes, utf8: bool, extra: bytes = b"") -> str:
    """Return the relative name of a zip entry, '' for a folder or a name with no valid part.

    raw: the name field · utf8: flag 11 of the entry · extra: its extra field, for Info-ZIP's Unicode path.

    Names are UTF-8 if a flag, the Unicode path or the bytes themselves show it (macOS sets no flag), else code page
    437. Windows PowerShell and older .NET write '\\' between the parts.
    """
    text, certain = _decoded(raw, utf8, extra)
    # In an Asian code page, the second byte of a character may be a backslash. If the code page is only guessed, a
    # backslash after a byte that is not ASCII is kept.
    text = text.replace("\\", "/") if certain else _SEPARATOR.sub("/", text)
    if text.endswith("/"):
        return ""
    return clean_name(text)


def clean_name(text: str) -> str:
    """Return the name without empty parts, '.', '..' and a leading drive letter."""
    parts = [part for part in text.split("/") if part not in ("", ".", "..")]
    if parts and _DRIVE.fullmatch(parts[0]):
        del parts[0]
    return "/".join(parts)


def _decoded(raw: bytes, utf8: bool, extra: bytes) -> tuple[str, bool]:
    """Return the text of a name, and whether its encoding is certain."""
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
    if utf8:  # the flag is wrong; different bytes must give different names
        return raw.decode("utf-8", "surrogateescape"), True
    return raw.decode("cp437"), False


def _unicode_path(raw: bytes, extra: bytes) -> str | None:
    """Return Info-ZIP's Unicode path: version 1, the CRC of the name that it replaces, UTF-8."""
    for kind, content in extra_fields(extra):
        if kind == _UNICODE_PATH and len(content) > 5 and content[0] == 1:
            if struct.unpack_from("<L", content, 1)[0] != zlib.crc32(raw):
                return None  # the entry was renamed by a program that does not support the field
            try:
                return content[5:].decode("utf-8").partition("\0")[0]
            except UnicodeDecodeError:
                return None
    return None


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (kind, content) of each part of an entry's extra field, up to the first truncated one."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if at + 4 + length > len(extra):
            return
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length
