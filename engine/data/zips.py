"""Reading many small files out of a zip from many processes, with memory that does not grow with their
number.

The standard `zipfile` keeps some 0.6 KB an entry in every process that opens the archive; here the list of
contents is walked once and an entry is two dozen bytes that say where to read. Stored and deflated entries,
zip64 included. Knows nothing of pictures.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

from engine.errors import UserError

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_UTF8: Final = 0x800
_ENCRYPTED: Final = 0x1
_LARGEST: Final = (1 << 63) - 2
"""Bytes unpacked: what the system's own numbers hold, with one more to see whether there is more."""


class Entry(NamedTuple):
    """Where one file is in the archive."""

    name: str
    offset: int
    """of its local header"""
    stored: int
    """bytes in the archive"""
    size: int
    """bytes unpacked"""
    method: int
    """0 stored, 8 deflated, −1 encrypted"""
    crc: int


class UnreadableEntryError(Exception):
    """One file of the archive cannot be read; the message says why."""


def entries(path: Path) -> Iterator[Entry]:
    """The files of a zip (no folders) in the order of its list of contents.

    Raises UserError where the file is no zip, is cut off, or is a web page that was saved in its place.
    """
    try:
        with open(path, "rb") as file:
            yield from _walk(path, file)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", "check the file and its permissions"
        ) from error


def _walk(path: Path, file: IO[bytes]) -> Iterator[Entry]:
    length = file.seek(0, os.SEEK_END)
    if not length:
        raise UserError(f"{path} is empty", "download or copy it again")
    start, count, shift = _find_contents(path, file, length)
    file.seek(start)
    for _ in range(count):
        header = file.read(_CENTRAL.size)
        if len(header) < _CENTRAL.size or header[:4] != b"PK\x01\x02":
            raise _damaged(path)
        fields = _CENTRAL.unpack(header)
        flags, method, crc, stored, size = fields[3], fields[4], fields[7], fields[8], fields[9]
        name_length, extra_length, comment_length, offset = fields[10], fields[11], fields[12], fields[16]
        tail = file.read(name_length + extra_length + comment_length)
        raw = tail[:name_length]
        if 0xFFFFFFFF in (stored, size, offset):
            size, stored, offset = _wide(tail[name_length : name_length + extra_length], size, stored, offset)
        if offset + shift + stored > length or size > _LARGEST:
            raise _damaged(path)
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437", errors="replace")
        if name.endswith("/"):
            continue
        yield Entry(name, offset + shift, stored, size, -1 if flags & _ENCRYPTED else method, crc)


def _find_contents(path: Path, file: IO[bytes], length: int) -> tuple[int, int, int]:
    """Where the list of contents starts, its number of entries, and the length of what stands before the
    zip."""
    tail_start = max(0, length - (1 << 16) - _END.size - 64)
    file.seek(tail_start)
    tail = file.read()
    at = _find_end(tail)
    if at < 0:
        raise _no_zip(path, file)
    _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    locator = at - _LOCATOR64.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        said = _LOCATOR64.unpack_from(tail, locator)[2]
        for place in (said, end - _LOCATOR64.size - _END64.size):
            file.seek(max(0, place))
            record = file.read(_END64.size)
            if len(record) == _END64.size and record[:4] == b"PK\x06\x06":
                count, size, offset = _END64.unpack(record)[7:10]
                end = place
                break
        else:
            raise _damaged(path)
    shift = end - size - offset
    if shift < 0:
        raise _damaged(path)
    return offset + shift, count, shift


def _find_end(tail: bytes) -> int:
    """Where the end record begins, −1 without one. The comment after it may hold its signature, too; the right one
    is that whose comment ends with the file, or the last where something was appended."""
    last = -1
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            last = max(last, at)
            if at + _END.size + _END.unpack_from(tail, at)[7] == len(tail):
                return at
        at = tail.rfind(b"PK\x05\x06", 0, at + 3)
    return last


def _wide(extra: bytes, size: int, stored: int, offset: int) -> tuple[int, int, int]:
    """Replace the fields that did not fit into 32 bits by those of the zip64 extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            full = 0xFFFFFFFF
            size = next(wide, size) if size == full else size
            stored = next(wide, stored) if stored == full else stored
            offset = next(wide, offset) if offset == full else offset
            break
        at += 4 + length
    return size, stored, offset


def _no_zip(path: Path, file: IO[bytes]) -> UserError:
    file.seek(0)
    start = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return UserError(
            f"{path} is a web page, not a zip (a download or quota page was saved in its place)",
            "download it again with a browser, check that it is as large as announced, and add that file",
        )
    if start.startswith(b"pk\x03\x04"):
        return _damaged(path)
    return UserError(f"{path} is not a zip file", "add a folder of pictures, or a zip of them")


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path} is cut off or damaged: its list of contents is not whole", "download or copy it again"
    )


def read_entry(descriptor: int, offset: int, stored: int, size: int, method: int, crc: int) -> bytes:
    """The unpacked bytes of one entry, checked by its CRC. Uses no shared file position.

    Raises UnreadableEntryError with the reason.
    """
    if method == -1:
        raise UnreadableEntryError("is encrypted in the zip")
    if method not in (0, 8):
        raise UnreadableEntryError(f"is compressed in the zip by method {method}, which is not supported")
    # Name and extra field of the local header are nearly always short: one call reads all.
    chunk = os.pread(descriptor, _LOCAL.size + 512 + stored, offset)
    if len(chunk) < _LOCAL.size or chunk[:4] != b"PK\x03\x04":
        raise UnreadableEntryError("is not where the zip's list of contents says")
    name_length, extra_length = _LOCAL.unpack_from(chunk)[9:11]
    start = _LOCAL.size + name_length + extra_length
    body = chunk[start : start + stored]
    if len(body) < stored:
        body = os.pread(descriptor, stored, offset + start)
    if method == 8:
        try:
            body = zlib.decompressobj(-15).decompress(body, size + 1)
        except zlib.error as error:
            raise UnreadableEntryError(f"cannot be unpacked from the zip ({error})") from None
    if len(body) != size or zlib.crc32(body) != crc:
        raise UnreadableEntryError("is damaged in the zip (checksum differs)")
    return body
