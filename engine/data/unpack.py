"""The compression methods of zips: which are supported, names of the others, and unpacking."""

import bz2
import importlib
import lzma
import struct
import zlib
from typing import Final, Protocol

STORED: Final = 0
DEFLATED: Final = 8
BZIP2: Final = 12
LZMA: Final = 14
ZSTANDARD: Final = 93
ENCRYPTED: Final = -1
"""Not a method of the format: any entry that needs a password."""
LINK: Final = -2
"""Not a method of the format: a symbolic link, whose content is a path."""

_MOST_MEMORY: Final = 1 << 28
"""The most bytes of LZMA's dictionary; a 7-Zip "ultra" archive has 64 MiB."""

_NAMES: Final = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    10: "PKWARE's DCL Implode",
    ZSTANDARD: "Zstandard",
    94: "MP3",
    95: "XZ",
    96: "a JPEG packer",
    97: "WavPack",
    98: "PPMd",
}


class Unpacker(Protocol):
    """The common interface of the standard library's decompressors."""

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def obstacle(method: int) -> str | None:
    """Return why an entry with this method cannot be read, as the kind of left-out files; None if it can be."""
    if method in (STORED, DEFLATED, BZIP2, LZMA) or (method == ZSTANDARD and _zstandard()):
        return None
    if method == ENCRYPTED:
        return "encrypted"
    if method == LINK:
        return "links"
    return f"packed with {_NAMES.get(method, f'method {method}')}"


def unpack(method: int, flags: int, body: bytes, size: int) -> bytes:
    """Return at most `size` + 1 bytes of the content of `body`: one more byte shows that there is too much.

    Raises ValueError with the reason for damaged content. The method must be one without an `obstacle`.
    """
    if method == STORED:
        return body
    try:
        if method == DEFLATED:
            return zlib.decompressobj(-15).decompress(body, size + 1)
        if method == LZMA:
            body = _alone(body, size, ends_marked=bool(flags & 2))
        return _unpacker(method).decompress(body, size + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, struct.error, ValueError) as error:
        raise ValueError(str(error) or "damaged") from error
    except Exception as error:
        if type(error).__name__ == "ZstdError":  # from a module that older Pythons lack
            raise ValueError(str(error)) from error
        raise


def _unpacker(method: int) -> Unpacker:
    if method == BZIP2:
        return bz2.BZ2Decompressor()
    if method == LZMA:
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MOST_MEMORY)
    unpacker: Unpacker = importlib.import_module("compression.zstd").ZstdDecompressor()
    return unpacker


def _alone(body: bytes, size: int, ends_marked: bool) -> bytes:
    """Convert a zip's LZMA stream (version, length of the properties, properties, data) to the old .lzma format,
    which has the unpacked length after the properties, or all ones if the end is marked in the data.
    """
    (length,) = struct.unpack_from("<H", body, 2)
    properties, data = body[4 : 4 + length], body[4 + length :]
    return properties + struct.pack("<Q", (1 << 64) - 1 if ends_marked else size) + data


def _zstandard() -> bool:
    """Return whether this Python reads Zstandard (3.14 and newer)."""
    try:
        importlib.import_module("compression.zstd")
    except ImportError:
        return False
    return True
