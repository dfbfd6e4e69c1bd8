"""The one way in for JSON and TOML: what is refused, at once and in one line, and what is read."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import DamagedError
from engine.base.records import (
    DEPTH,
    MissingError,
    TomlError,
    loads_json,
    loads_toml,
    read_json,
    read_object,
    read_toml,
)


def refusal(path: Path) -> str:
    before = time.monotonic()
    with pytest.raises(DamagedError) as error:
        read_json(path, "the note")
    assert time.monotonic() - before < 2.0
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_file_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="the note is missing"):
        read_json(tmp_path / "note.json", "the note")


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "note.json")
    assert "a pipe" in refusal(tmp_path / "note.json")
    with pytest.raises(TomlError, match="a pipe"):
        read_toml(tmp_path / "note.json", "the settings")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert "a device" in refusal(tmp_path / "zero")
    (tmp_path / "folder").mkdir()
    assert "folder" in refusal(tmp_path / "folder").lower()
    (tmp_path / "round").symlink_to("round")
    assert "symbolic links" in refusal(tmp_path / "round")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        refusal(tmp_path / "s")


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("{}")
    (tmp_path / "note.json").symlink_to("there")
    assert read_object(tmp_path / "note.json", "the note") == {}


def test_a_huge_sparse_file_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "note.json", "wb") as file:
        file.truncate(2 << 30)
    assert "2,147,483,648 bytes" in refusal(tmp_path / "note.json")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "line 1"),
        (b"{", "line 1"),
        (b'{\n"a": 1,\n}', "line 3"),
        (b"[" * 100_000, "levels deep"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "levels deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "5,000 digits"),
        (b'{"a": 1, "a": 2}', "'a' stands there twice"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "line 1 holds a NUL byte"),
        ('{"a": 1}'.encode("utf-32"), "UTF-32"),
        (b'{"a": 1}\n\0', "line 2 holds a NUL byte"),
        (b'{"a": "\xff"}', "line 1 is not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'"' * 99_999, "line 1"),
        (b'{"a": "' + b"\\" * 99_999, "line 1"),
    ],
    ids=range(17),
)
def test_what_is_no_json_is_one_line_with_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "note.json").write_bytes(content)
    assert why in refusal(tmp_path / "note.json")


def test_a_byte_order_mark_is_passed_over() -> None:
    assert loads_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert loads_json("\N{GRINNING FACE}".join('""').encode()) == "\N{GRINNING FACE}"
    assert loads_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_what_is_no_number_is_null() -> None:
    assert loads_json(b"[NaN, Infinity, -Infinity, 1e999, -1e999, 1e308]") == [None] * 5 + [1e308]


def test_a_path_that_is_no_utf8_is_read_back_from_our_own_files_alone() -> None:
    kept = json.dumps({"path": "/f\udcfcr"}).encode()
    assert loads_json(kept) == {"path": "/f\udcfcr"}
    with pytest.raises(ValueError, match="surrogate"):
        loads_json(kept, foreign=True)


def test_brackets_in_texts_are_no_depth() -> None:
    many = json.dumps(["[" * 1000, '"{\\' * 1000, [[]] * 500])
    assert loads_json(many.encode()) == json.loads(many)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"a = {nested(3000)}", "levels deep"),
        ("a = " + "{a = " * 3000 + "1" + "}" * 3000, "levels deep"),
        (".".join("a" * 100_000) + " = 1", "levels deep"),
        ("[" + ".".join('"a"' for _ in range(100_000)) + "]", "levels deep"),
        ("a = " + "9" * 5000, "digits"),
        ("a = 123456789012345678901234567890", "digits"),
        ("a = 0x" + "f" * 9000, "digits"),
        ("a = 1\na = 2\n", "line 2"),
        ("a\n", "line 1"),
        ("a = 1979-99-99", "TOML"),
        ("a" * (2 << 20), "characters"),
    ],
    ids=range(11),
)
def test_what_is_no_toml_is_one_line_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    before = time.monotonic()
    with pytest.raises(TomlError) as error:
        read_toml(path, "the settings")
    assert time.monotonic() - before < 5.0
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=why):
        loads_toml(text)


@pytest.mark.parametrize(
    "text",
    [
        f"a = {nested(20)}",
        'a = "' + "[" * 1000 + '"',
        "a = '" + "." * 1000 + "'",
        "# " + "[" * 1000 + "\n",
        'a = """\n' + "[.{" * 1000 + '\n"quoted" \\"""" ',
        "a = [" + ", ".join(["0.5"] * 500) + "]",
        "[[t]]\n" * 500,
        "a.b.c.d.e = 1",
    ],
    ids=range(8),
)
def test_toml_that_people_write_is_read(text: str) -> None:
    assert isinstance(loads_toml(text), dict)


def test_the_depth_is_that_of_the_parsed_value() -> None:
    def deep(value: Any) -> int:
        return 1 + max(map(deep, value), default=0) if isinstance(value, list) else 0

    assert deep(loads_json(nested(DEPTH).encode())) == DEPTH
    with pytest.raises(ValueError, match="deep"):
        loads_json(nested(DEPTH + 1).encode())
