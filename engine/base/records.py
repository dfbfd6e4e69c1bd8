"""Reading JSON and TOML: the only reader of files and lines that may have been edited or damaged.

A record is a regular file of limited size in UTF-8, with limited nesting, numbers in range, and unique keys;
`engine.base.typed` then converts it to a dataclass and checks its fields. Any problem is one error that says what is
wrong, where, and why. Nothing heavy is imported, because every command needs this module.
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
"""The most bytes of a TOML file; files written by this program are a hundred times smaller."""

DEPTH = 64
"""The maximum nesting of lists and tables, and of parts of a dotted key."""

DIGITS = 40
"""The most digits of a whole number: 64-bit numbers have 20."""

MARK = b"\xef\xbb\xbf"
"""UTF-8's byte order mark, which some editors write at the beginning."""


class MissingError(DamagedError):
    """A file that does not exist."""


class TomlError(UserError):
    """A TOML file that cannot be used. `reason` gives the reason without the file's name."""

    def __init__(self, what: str, reason: str, hint: str | None = None) -> None:
        super().__init__(what, hint)
        self.reason = reason


# Bytes.


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file (or a link to one) for reading; anything else, including a pipe without a writer, is
    refused at once. Raises OSError, ScarceError, and ValueError that says what kind of file it is.
    """
    # Without O_NONBLOCK, opening a pipe would wait for its writer.
    with shortage():
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise ValueError(f"it is {_kind(mode)}, not a file")
    return open(descriptor, "rb")


def read_bytes(path: Path, limit: int = JSON_LIMIT) -> bytes:
    """Return the content of a regular file (or of a link to one) of at most `limit` bytes.

    A pipe without a writer, an endless device or a huge sparse file is refused at once. Raises OSError, ValueError
    that says what kind of file it is, and ScarceError, which says nothing about the file.
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
    """Open a file of any size; every problem is an OSError that names the file."""
    try:
        return open_regular(path)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None


def read_tail(path: Path, most: int) -> tuple[bytes, int]:
    """Return the last `most` bytes of a file, and its size in bytes. Raises OSError."""
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
    """Decode UTF-8, with or without a byte order mark. Raises ValueError that names another encoding if it is
    recognised.
    """
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
    """Return the text of a regular file. Raises OSError, and ValueError with the reason."""
    return decode_text(read_bytes(path, limit))


# JSON.


def read_json(path: Path, what: str, limit: int = JSON_LIMIT) -> Any:
    """Parse the JSON file `path`; `what` names it in errors. Raises MissingError if it does not exist, otherwise
    DamagedError.
    """
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
    """Parse a JSON file that contains one object, as `read_json` does."""
    content = read_json(path, what, limit)
    if not isinstance(content, dict):
        raise DamagedError(f"{what} does not hold a JSON object: {path}", reason="no JSON object")
    return content


def loads_json(content: bytes, *, foreign: bool = False, depth: int = DEPTH) -> Any:
    """Parse JSON text. Raises ValueError with the reason.

    NaN and infinities, which JSON lacks, are read as null. In our own files, bytes of a path that are not UTF-8 are
    lone surrogates (U+DC80 to U+DCFF); with `foreign` these are refused like all other lone surrogates.
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
    """Yield every string in a JSON value, including keys."""
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
    """Parse a TOML file `path` written by a person; `what` names it in errors. Raises FileNotFoundError, TomlError."""
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
    """Parse TOML text. Raises ValueError with the reason, and the line if it is known."""
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
    """Yield the depth at each bracket and at each dot of a key: `a.b.c = 1` has depth three."""
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
