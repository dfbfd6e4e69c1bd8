"""Reading many small files of a zip from many processes, with memory that does not grow with their number.

The standard `zipfile` needs about 0.6 KB per entry in every process that opens the archive; here the central
directory is read once, and an entry is two dozen bytes. Supports zip64, and the output of tools without it, in which
counts and offsets have wrapped. Knows nothing about pictures.
"""

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

from engine.base.errors import UserError
from engine.data import unpack
from engine.data.entry_names import entry_name, extra_fields

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_UTF8: Final = 0x800
_ENCRYPTED: Final = 0x1
_FULL_32: Final = 1 << 32
_LARGEST: Final = (1 << 63) - 2
"""The most unpacked bytes that the system's own numbers hold, with one more to detect excess."""


class ZipEntry(NamedTuple):
    """The position of one file in the archive."""

    name: str
    offset: int
    """of its local header"""
    stored: int
    """bytes in the archive"""
    size: int
    """bytes unpacked"""
    method: int
    """0 stored, 8 deflated, …; negative for an encrypted entry or a link, see `engine.data.unpack`"""
    crc: int


class UnreadableEntryError(Exception):
    """One file of the archive that cannot be read; the message is the reason."""


def entries(path: Path) -> Iterator[ZipEntry]:
    """Yield the files of a zip (no folders) in the order of its central directory.

    Raises UserError if the file is not a zip, is truncated, is one part of a split zip, or is a web page saved in its
    place.
    """
    try:
        with open(path, "rb") as file:
            yield from _walk(path, file)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", "check the file and its permissions"
        ) from error


def _walk(path: Path, file: IO[bytes]) -> Iterator[ZipEntry]:
    """Read by the length of the central directory, because macOS writes the number of entries modulo 65,536."""
    length = file.seek(0, os.SEEK_END)
    if not length:
        raise UserError(f"{path} is empty", "download or copy it again")
    start, end, shift = _find_contents(path, file, length)
    wraps, shift = (shift >> 32, 0) if shift and shift % _FULL_32 == 0 else (0, shift)
    last = 0
    at = file.seek(start)
    while at < end:
        header = file.read(_CENTRAL.size)
        if len(header) < _CENTRAL.size or header[:4] != b"PK\x01\x02":
            raise _damaged(path)
        entry, raw, tail_length = _entry(file, header)
        at += _CENTRAL.size + tail_length
        place = entry.offset + shift
        if wraps:
            place = last = _unwrapped(path, file.fileno(), place, raw, last, wraps)
        if place + entry.stored > length or entry.size > _LARGEST or at > end:
            raise _damaged(path)
        if entry.name:
            yield entry._replace(offset=place) if place != entry.offset else entry


def _entry(file: IO[bytes], header: bytes) -> tuple[ZipEntry, bytes, int]:
    """Return the entry of one header of the central directory, its raw name, and the length of the fields after the
    header.
    """
    fields = _CENTRAL.unpack(header)
    flags, method, crc, stored, size = fields[3], fields[4], fields[7], fields[8], fields[9]
    name_length, extra_length, comment_length, offset = fields[10], fields[11], fields[12], fields[16]
    tail_length = name_length + extra_length + comment_length
    tail = file.read(tail_length)
    raw, extra = tail[:name_length], tail[name_length : name_length + extra_length]
    if 0xFFFFFFFF in (stored, size, offset):
        size, stored, offset = _wide(extra, size, stored, offset)
    name = entry_name(raw, bool(flags & _UTF8), extra)
    mode = fields[15] >> 16
    if stat.S_ISDIR(mode):
        name = ""
    if stat.S_ISLNK(mode):
        method = unpack.LINK
    elif flags & _ENCRYPTED:
        method = unpack.ENCRYPTED
    return ZipEntry(name, offset, stored, size, method, crc), raw, tail_length


def _unwrapped(path: Path, descriptor: int, offset: int, raw: bytes, last: int, wraps: int) -> int:
    """Return the offset of an entry in a zip of more than 4 GiB whose offsets are written modulo 2³²: the first
    position after the previous entry, or else the first of all, at which the entry's own header is found.
    """
    places = [offset + turn * _FULL_32 for turn in range(wraps + 1)]
    for place in sorted(places, key=lambda place: place < last):
        local = os.pread(descriptor, _LOCAL.size + len(raw), place)
        if local[:4] == b"PK\x03\x04" and local[_LOCAL.size :] == raw:
            return place
    raise _damaged(path)


def _find_contents(path: Path, file: IO[bytes], length: int) -> tuple[int, int, int]:
    """Return start and end of the central directory, and the length of any data before the zip."""
    tail_start = max(0, length - (1 << 16) - _END.size - 64)
    file.seek(tail_start)
    tail = file.read()
    at = _find_end(tail)
    if at < 0:
        raise _no_zip(path, file)
    _, disk, _, _, _, size, offset, _ = _END.unpack_from(tail, at)
    if 0 < disk < 0xFFFF:
        raise UserError(
            f"{path} is the last part of a split zip", "join its parts, or unpack it and add the folder"
        )
    end = tail_start + at
    locator = at - _LOCATOR64.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        said = _LOCATOR64.unpack_from(tail, locator)[2]
        for place in (said, end - _LOCATOR64.size - _END64.size):
            file.seek(max(0, place))
            record = file.read(_END64.size)
            if len(record) == _END64.size and record[:4] == b"PK\x06\x06":
                size, offset = _END64.unpack(record)[8:10]
                end = place
                break
        else:
            raise _damaged(path)
    shift = end - size - offset
    if shift < 0:
        raise _damaged(path)
    return offset + shift, end, shift


def _find_end(tail: bytes) -> int:
    """Return the position of the end record, −1 without one. The comment after it may contain its signature; the
    right one has a comment that ends with the file, or is the last if data was appended.
    """
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
    for kind, content in extra_fields(extra):
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{len(content) // 8}Q", content))
            full = 0xFFFFFFFF
            size = next(wide, size) if size == full else size
            stored = next(wide, stored) if stored == full else stored
            offset = next(wide, offset) if offset == full else offset
            break
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
        f"{path} is truncated or damaged: its central directory is incomplete", "download or copy it again"
    )


def read_entry(descriptor: int, offset: int, stored: int, size: int, method: int, crc: int) -> bytes:
    """Return the unpacked bytes of one entry, checked by its CRC. Uses no shared file position.

    Raises UnreadableEntryError with the reason.
    """
    if reason := unpack.obstacle(method):
        raise UnreadableEntryError(f"cannot be read from the zip: {reason}")
    # Name and extra field of the local header are nearly always short, so that one call reads everything.
    chunk = os.pread(descriptor, _LOCAL.size + 512 + stored, offset)
    if len(chunk) < _LOCAL.size or chunk[:4] != b"PK\x03\x04":
        raise UnreadableEntryError("is not at the position in the zip's central directory")
    fields = _LOCAL.unpack_from(chunk)
    name_length, extra_length = fields[9:11]
    start = _LOCAL.size + name_length + extra_length
    body = chunk[start : start + stored]
    if len(body) < stored:
        body = os.pread(descriptor, stored, offset + start)
    try:
        body = unpack.unpack(method, fields[2], body, size)
    except ValueError as error:
        raise UnreadableEntryError(f"cannot be unpacked from the zip ({error})") from None
    if len(body) != size or zlib.crc32(body) != crc:
        raise UnreadableEntryError("is damaged in the zip (checksum differs)")
    return body
