"""Reading JSON and TOML: the one way in for every file and line that another hand may have written.

A record is a regular file of a sensible size, UTF-8, not nested without end, with numbers that fit and keys that
stand once; `engine.base.typed` then makes a dataclass of it whose fields hold what they say. Whatever is wrong is one
error that says what, where and why. Nothing heavy is imported: the command line needs this at every call.
"""

import errno
import io
import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.base.errors import DamagedError, UserError
from engine.base.scarcity import shortage

JSON_LIMIT = 16 << 20
TOML_LIMIT = 1 << 20
"""Bytes of the largest file that is read; what this program writes has a hundredth of it."""

DEPTH = 64
"""Levels of lists and tables within one another, and parts of a dotted key."""

DIGITS = 40
"""Digits of the longest whole number: 64 bits have 20."""

MARK = b"\xef\xbb\xbf"
"""UTF-8's byte order mark, which some editors put before a text."""


class MissingError(DamagedError):
    """The file is not there."""


class TomlError(UserError):
    """A TOML file that cannot be used. `reason` says why, without the file's name."""

    def __init__(self, what: str, reason: str, hint: str | None = None) -> None:
        super().__init__(what, hint)
        self.reason = reason


# Bytes.


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file (or a link to one) for reading; whatever else it is is refused at once, a pipe that nobody
    writes to included. Raises OSError, ScarceError, and ValueError saying what the file is instead."""
    # Without O_NONBLOCK, opening a pipe waits for its writer.
    with shortage():
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise ValueError(f"it is {_kind(mode)}, not a file")
    return open(descriptor, "rb")


def read_bytes(path: Path, limit: int = JSON_LIMIT) -> bytes:
    """The content of a regular file (or of a link to one) of at most `limit` bytes.

    A pipe that nobody writes to, a device without an end or a huge file with nothing in it is refused at once.
    Raises OSError, ValueError saying what the file is instead, and ScarceError, which says nothing about the file.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise ValueError(f"it has {size:,} bytes, and at most {limit:,} are read")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it grew past {limit:,} bytes")
    return content


def open_data(path: Path) -> io.BufferedReader:
    """The same for files of any size, where every trouble is an OSError that names the file."""
    try:
        return open_regular(path)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None


def read_tail(path: Path, most: int) -> tuple[bytes, int]:
    """The last `most` bytes of a file, and how many bytes it has. Raises OSError."""
    with open_data(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        return file.read(most), size


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFDIR: "a folder",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def decode_text(content: bytes) -> str:
    """UTF-8, with a byte order mark or without. Raises ValueError naming another encoding where it shows."""
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        raise ValueError("it is UTF-32 text; save it as UTF-8")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is UTF-16 text; save it as UTF-8")
    nul = content.find(b"\0")
    if nul >= 0:
        line = content.count(b"\n", 0, nul) + 1
        raise ValueError(f"line {line} holds a NUL byte, as UTF-16 text and files that are no text do")
    try:
        return content.removeprefix(MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8 text") from None


def read_text(path: Path, limit: int = TOML_LIMIT) -> str:
    """The text of a regular file. Raises OSError, and ValueError saying what is wrong."""
    return decode_text(read_bytes(path, limit))


# JSON.


def read_json(path: Path, what: str, limit: int = JSON_LIMIT) -> Any:
    """Parse `path`; `what` names it in errors. Raises MissingError where it is not there, else DamagedError."""
    try:
        content = read_bytes(path, limit)
    except FileNotFoundError:
        raise MissingError(f"{what} is missing: {path}") from None
    except OSError as error:
        mend = "check its permissions" if isinstance(error, PermissionError) else None
        reason = error.strerror or str(error)
        raise DamagedError(f"{what} cannot be read: {path} ({reason})", mend, reason=reason) from None
    except ValueError as error:
        raise DamagedError(f"{what} cannot be read: {path} ({error})", reason=str(error)) from None
    try:
        return loads_json(content)
    except ValueError as error:
        reason = f"no JSON: {error}"
        raise DamagedError(f"{what} is not readable JSON: {path} ({error})", reason=reason) from None


def read_object(path: Path, what: str, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """`read_json` of a file that holds one JSON object."""
    content = read_json(path, what, limit)
    if not isinstance(content, dict):
        raise DamagedError(f"{what} does not hold a JSON object: {path}", reason="no JSON object")
    return content


def loads_json(content: bytes, *, foreign: bool = False, depth: int = DEPTH) -> Any:
    """The value of JSON text. Raises ValueError saying why not.

    NaN and infinities, which JSON does not have, are read as null. A path whose bytes are no UTF-8 has lone
    surrogates (U+DC80 to U+DCFF) in our own files; with `foreign` these are refused like all other lone ones.
    """
    text = decode_text(content)
    if text.count("[") + text.count("{") > depth:
        _check_depth(_json_depths(text), depth)
    try:
        value = json.loads(
            text, parse_int=_whole, parse_float=_real, parse_constant=_no_number, object_pairs_hook=_table
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _SURROGATE.search(text):
        allowed = "" if foreign else "\udc80-\udcff"
        lone = re.compile(f"(?![{allowed}])[\ud800-\udfff]" if allowed else "[\ud800-\udfff]")
        if any(lone.search(string) for string in _strings(value)):
            raise ValueError("it holds half a character (a lone surrogate)")
    return value


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def _json_depths(text: str) -> Iterator[int]:
    depth = 0
    for token in _JSON_TOKEN.finditer(text):
        first = text[token.start()]
        depth += (first in "[{") - (first in "]}")
        yield depth


def _check_depth(depths: Iterator[int], limit: int) -> None:
    if any(depth > limit for depth in depths):
        raise ValueError(f"it is nested more than {limit} levels deep")


def _whole(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"a number has {len(text):,} digits")
    return int(text)


def _real(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _no_number(_: str) -> None:
    return None


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:40]!r} stands there twice")
    return table


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value of JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


# TOML.


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Parse `path`, which a person wrote; `what` names it in errors. Raises FileNotFoundError, TomlError."""
    try:
        return loads_toml(read_text(path))
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        mend = "check its permissions" if isinstance(error, PermissionError) else None
        raise TomlError(f"{what} cannot be read: {path} ({reason})", reason, mend) from None
    except ValueError as error:
        raise TomlError(f"{what} cannot be read: {path} ({error})", str(error)) from None


def loads_toml(text: str) -> dict[str, Any]:
    """The table of TOML text. Raises ValueError saying why not, with the line where that is known."""
    if len(text) > TOML_LIMIT:
        raise ValueError(f"it has {len(text):,} characters, and at most {TOML_LIMIT:,} are read")
    _check_depth(_toml_depths(text), DEPTH)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not valid TOML: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:  # a number or a date that Python cannot hold
        long = "digits" in str(error)
        raise ValueError("a number has too many digits" if long else f"not valid TOML: {error}") from None
    for value in _values(table):
        if type(value) is int and abs(value) >= 1 << 64:
            raise ValueError("a number has too many digits: 64 bits hold 19")
    return table


_TOML_TOKEN = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"""'
    r"|'''(?:[^']++|'(?!''))*+'''"
    r'|"(?:[^"\\\n]++|\\.)*+"'
    r"|'[^'\n]*+'"
    r"|\#[^\n]*+"
    r"|[\[{]|[\]}]|\.|[\n,=]",
    re.DOTALL,
)


def _toml_depths(text: str) -> Iterator[int]:
    """How deep it is at each bracket and at each dot of a key: `a.b.c = 1` is a table in a table in a table."""
    depth = dots = 0
    for token in _TOML_TOKEN.finditer(text):
        first = text[token.start()]
        depth = max(0, depth + (first in "[{") - (first in "]}"))
        if first == ".":
            dots += 1
        elif first in "\n,=[{":
            dots = 0
        yield depth + dots


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item)
    else:
        yield value
