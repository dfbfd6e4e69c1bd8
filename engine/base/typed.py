"""Conversion of plain data to dataclasses with strict types: no string for a number, no `true` for 1, no list for a
table. It does not use pydantic, which the engine and the fast commands do not import.
"""

import dataclasses
import math
import reprlib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from engine.base.errors import DamagedError, UserError

Record = TypeVar("Record")
Check = Callable[[Any], Any]
"""A function from a plain value to the checked one. Raises _Wrong."""


@dataclass(frozen=True)
class AtLeast:
    """`Annotated[int, AtLeast(1)]`: a minimum, with a maximum that fits a 64-bit column."""

    least: float = 0


@dataclass(frozen=True)
class Fits:
    """`Annotated[str, Fits(is_name, "a name")]`: only values for which `test` is true."""

    test: Callable[[Any], bool]
    words: str


Count = Annotated[int, AtLeast(0)]
LARGEST = 1 << 63


class _Wrong(Exception):
    """A failed check. `words` describes valid values; `place` is the position, from the outside in."""

    def __init__(self, value: Any, words: str) -> None:
        super().__init__(words)
        self.value = value
        self.words = words
        self.place: list[str] = []


_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = 40


def typed(kind: type[Record], content: Any, what: str, path: Path | None = None) -> Record:
    """Convert plain data to the dataclass `kind`; unknown keys, of a newer version, are ignored.

    Raises DamagedError that names `what`, the field and the file.
    """
    where = f": {path}" if path else ""
    try:
        found: Record = _checker(kind)(content)
    except _Wrong as wrong:
        key = ".".join(wrong.place)
        if wrong.value is dataclasses.MISSING:
            reason = f"it lacks {key}"
            raise DamagedError(f"{what} is incomplete: {reason}{where}", reason=reason) from None
        field = f" for {key}" if key else ""
        reason = f"{_shown.repr(wrong.value)}{field}, which must be {wrong.words}"
        raise DamagedError(f"{what} has {reason}{where}", reason=f"it has {reason}") from None
    return found


def check_format(content: Any, newest: int, what: str, path: Path) -> dict[str, Any]:
    """Return `content` as a table of a known format. Raises DamagedError, or UserError for a newer format."""
    if not isinstance(content, dict):
        raise DamagedError(f"{what} does not hold a JSON object: {path}")
    version = content.get("format")
    if type(version) is not int:
        raise DamagedError(f"{what} is incomplete: its format is not a number: {path}")
    if version > newest:
        raise UserError(
            f"{what} ({path}) was written by a newer ddpm-tui (format {version}, this one reads {newest})",
            "update ddpm-tui",
        )
    return content


Migration = Callable[[dict[str, Any]], dict[str, Any]]
"""A function from a record of one format to the next; `migrated` increments its `format`."""


def migrated(
    content: dict[str, Any], steps: Mapping[int, Migration], newest: int, what: str
) -> dict[str, Any]:
    """Migrate a checked record to the newest format. Raises DamagedError for a format that never existed."""
    for version in range(content["format"], newest):
        if version not in steps:
            raise DamagedError(f"{what} has format {version}, which no ddpm-tui wrote")
        content = {**steps[version](content), "format": version + 1}
    return content


def unknown_fields(content: Mapping[str, Any], kind: Any, *others: str) -> dict[str, Any]:
    """Return the keys of a record that neither the dataclass `kind` nor `others` has: a newer version added them, and
    writing the record again must keep them.
    """
    known = {*(field.name for field in dataclasses.fields(kind)), *others}
    return {key: value for key, value in content.items() if key not in known}


_made: dict[Any, Check] = {}


def _checker(kind: Any) -> Check:
    """Return the checker of a type; each is created once."""
    if kind not in _made:
        _made[kind] = _make(kind)
    return _made[kind]


def _make(kind: Any) -> Check:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value: value
    if origin is Annotated:
        return _annotated(_checker(arguments[0]), arguments[1:])
    if origin is Literal:
        return _literal(arguments)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin in (dict, Mapping):
        return _mapping(arguments)
    if origin in (list, tuple):
        return _sequence(origin, arguments)
    if dataclasses.is_dataclass(kind):
        return _fields(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind)
    return _plain(kind)


def _annotated(inner: Check, limits: tuple[Any, ...]) -> Check:
    def check(value: Any) -> Any:
        value = inner(value)
        for limit in limits:
            if isinstance(limit, AtLeast) and not limit.least <= value < LARGEST:
                raise _Wrong(value, f"{limit.least} or more")
            if isinstance(limit, Fits) and not limit.test(value):
                raise _Wrong(value, limit.words)
        return value

    return check


def _literal(allowed: tuple[Any, ...]) -> Check:
    def check(value: Any) -> Any:
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise _Wrong(value, "one of " + ", ".join(map(str, allowed)))
        return value

    return check


def _union(arguments: tuple[Any, ...]) -> Check:
    checks = [_checker(argument) for argument in arguments]

    def check(value: Any) -> Any:
        wrong = []
        for one in checks:
            try:
                return one(value)
            except _Wrong as error:
                wrong.append(error)
        # The error furthest inside the value is the most specific.
        raise max(wrong, key=lambda error: len(error.place))

    return check


def _mapping(arguments: tuple[Any, ...]) -> Check:
    inner = _checker(arguments[1])

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Wrong(value, "a table")
        return {key: _within(key, inner, item) for key, item in value.items()}

    return check


def _sequence(origin: type, arguments: tuple[Any, ...]) -> Check:
    inner = _checker(arguments[0])

    def check(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _Wrong(value, "a list")
        return origin(_within(str(place), inner, item) for place, item in enumerate(value))

    return check


def _within(key: str, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except _Wrong as wrong:
        wrong.place.insert(0, key)
        raise


def _fields(kind: Any) -> Check:
    hints = typing.get_type_hints(kind, include_extras=True)
    known = {
        field.name: (_checker(hints[field.name]), _is_needed(field)) for field in dataclasses.fields(kind)
    }

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Wrong(value, "a table")
        for name, (_, needed) in known.items():
            if needed and name not in value:
                raise _within_missing(name)
        return kind(**{n: _within(n, one, value[n]) for n, (one, _) in known.items() if n in value})

    return check


def _within_missing(name: str) -> _Wrong:
    wrong = _Wrong(dataclasses.MISSING, "there")
    wrong.place.append(name)
    return wrong


def _is_needed(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _enum(kind: type[Enum]) -> Check:
    plain = int if issubclass(kind, IntEnum) else str

    def check(value: Any) -> Any:
        if type(value) is plain or isinstance(value, kind):
            try:
                return kind(value)
            except ValueError:
                pass
        raise _Wrong(value, "one of " + ", ".join(str(one.value) for one in kind))

    return check


_WORDS = {
    str: "a text", bool: "true or false", int: "a whole number", float: "a number", types.NoneType: "null",
    dict: "a table", list: "a list",
}  # fmt: skip


def _plain(kind: type) -> Check:
    words = _WORDS[kind]

    def check(value: Any) -> Any:
        if kind is float and type(value) is int and abs(value) < LARGEST:
            return float(value)
        if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
            raise _Wrong(value, words)
        return value

    return check
