"""What a terminal would obey is written out, in lines, in JSON and in words for a shell."""

import json
import subprocess
import sys
import unicodedata

import pytest

from engine.base.text import shell_word, visible, visible_json, visible_lines

OBEYED = [
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) in ("Cc", "Zl", "Zp", "Cs")
    or unicodedata.bidirectional(chr(code)) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
]


def test_every_control_character_and_mark_of_direction_is_written_out() -> None:
    for character in OBEYED:
        for shown in (visible(character), visible_lines(character), shell_word(character)):
            assert character in "\n\t" or character not in shown
        assert "\n" not in visible(character)
        assert "\t" not in visible(character)


def test_what_people_write_stays() -> None:
    text = "Jürgen's Bilder — 日本語 ✓ 👩‍👩‍👧 नमस्ते می‌خواهم €½×ᾱ"
    assert visible(text) == visible_lines(text) == visible_json(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("two\nlines\r\tand", r"two\nlines\r\tand"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202egnp", r"abc\u202egnp"),
        ("caf\udce9", r"caf\xe9"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_as_python_writes_it(text: str, line: str) -> None:
    assert visible(text) == line


def test_lines_keep_their_ends() -> None:
    assert visible_lines("a\n\tb\x1b\r\n") == "a\n\tb\\x1b\\r\n"


def test_json_means_the_same() -> None:
    facts = {" ".join(OBEYED): [" ".join(OBEYED), "\U000e0041 ᾱ"]}
    document = visible_json(json.dumps(facts, indent=1, ensure_ascii=False))
    assert json.loads(document) == facts
    assert document == visible_lines(document)


@pytest.mark.parametrize(
    "word", ["plain", "two words", "it's", "two\nlines", "\x1b[31m'\\é7\x017", "caf\udce9\n", "$(id)", ""]
)
def test_a_word_for_a_shell_is_one_word_that_means_the_same(word: str) -> None:
    printed = subprocess.run(
        ["bash", "-c", f"printf '%s|' {shell_word(word)}".encode("utf-8", "surrogateescape")],
        capture_output=True,
        check=True,
    ).stdout
    assert printed == word.encode("utf-8", "surrogateescape") + b"|"
