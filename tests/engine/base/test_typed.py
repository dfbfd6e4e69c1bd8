"""Plain data as dataclasses: what a field holds is what its annotation says."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from engine.base.errors import DamagedError, UserError
from engine.base.typed import AtLeast, Count, Fits, check_format, typed


class Colour(StrEnum):
    RED = "red"


class Rank(IntEnum):
    LOW = 0


@dataclass(frozen=True)
class Inner:
    size: Count


@dataclass(frozen=True)
class Outer:
    number: int
    real: float = 0.0
    flag: bool = False
    text: str = ""
    maybe: int | None = None
    kind: Literal["a", "b"] = "a"
    ids: tuple[str, ...] = ()
    table: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Inner] = field(default_factory=dict)
    inner: Inner | None = None
    colour: Colour = Colour.RED
    rank: Rank = Rank.LOW
    least: Annotated[float, AtLeast(0.5)] = 1.0
    name: Annotated[str, Fits(str.isalpha, "letters")] = "x"


def test_what_fits_is_kept_and_unknown_keys_are_left_out() -> None:
    given = {
        "number": 1, "real": 2, "flag": True, "text": "t", "maybe": None, "kind": "b", "ids": ["1"],
        "table": {"x": [1]}, "files": {"f": {"size": 3}}, "inner": {"size": 0, "newer": 1}, "colour": "red",
        "rank": 0, "least": 0.5, "name": "abc", "newer": 1,
    }  # fmt: skip
    made = typed(Outer, given, "the thing")
    assert (made.real, made.ids, made.files, made.inner) == (2.0, ("1",), {"f": Inner(3)}, Inner(0))
    assert type(made.real) is float
    assert made.colour is Colour.RED


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("number", "1"), ("number", True), ("number", 1.0), ("number", None), ("number", [1]),
        ("real", "2"), ("real", True), ("real", float("nan")), ("real", 10**400), ("flag", 1), ("flag", "true"),
        ("text", 1), ("text", None), ("maybe", "1"), ("maybe", False), ("kind", "c"), ("kind", ["a"]),
        ("ids", "12"), ("ids", [1]), ("ids", {}), ("table", []), ("files", {"f": 1}), ("files", {"f": {"size": -1}}),
        ("files", {"f": {}}), ("inner", []), ("inner", {"size": "3"}), ("colour", "blue"), ("colour", ["red"]),
        ("rank", False), ("rank", 7), ("least", 0.4), ("least", 1 << 63), ("name", "a b"), ("maybe", []),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_place(key: str, value: Any) -> None:
    with pytest.raises(DamagedError) as error:
        typed(Outer, {"number": 1, key: value}, "the thing", Path("/there/thing.json"))
    said = str(error.value)
    assert said.startswith("the thing ")
    assert key in said
    assert said.endswith(": /there/thing.json")
    assert "\n" not in said
    assert len(said) < 300


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_table_is_no_record(value: Any) -> None:
    with pytest.raises(DamagedError, match="a table"):
        typed(Outer, value, "the thing")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(DamagedError, match="lacks number"):
        typed(Outer, {}, "the thing")


@pytest.mark.parametrize("value", [None, "1", True, 1.0, [1]])
def test_a_format_is_a_whole_number(value: Any) -> None:
    with pytest.raises(DamagedError, match="the thing"):
        check_format({"format": value}, 1, "the thing", Path("x"))


def test_a_newer_format_is_told_from_a_damaged_one() -> None:
    with pytest.raises(UserError, match="newer ddpm-tui"):
        check_format({"format": 2}, 1, "the thing", Path("x"))
    assert check_format({"format": 1, "a": 2}, 1, "the thing", Path("x")) == {"format": 1, "a": 2}
