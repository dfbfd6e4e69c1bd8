"""CelebA's list_eval_partition: which pictures are for training, validation and tests. Works on texts and names only.

The file exists as lines of a name and a number, and as CSV in many forms: with commas, semicolons or tabs, quoted,
with a header, with a column of row numbers, for pictures that have since been converted to PNG.
"""

import csv
import io
import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

_CODES: Final = {
    "0": 0,
    "0.0": 0,
    "train": 0,
    "training": 0,
    "1": 1,
    "1.0": 1,
    "val": 1,
    "valid": 1,
    "validation": 1,
    "2": 2,
    "2.0": 2,
    "test": 2,
    "testing": 2,
}


def split_of(name: str) -> int | None:
    """Return the code of the split that the first folder of a name says: 0 for `train-00000-of-00004/7.png`; None if it
    says none.
    """
    first, slash, _ = name.partition("/")
    return (
        _CODES.get(re.split(r"[-_.]", first.lower(), maxsplit=1)[0])
        if slash and not first[0].isdigit()
        else None
    )


def partition_csv(splits: Mapping[str, int]) -> bytes:
    """Return a partition file for pictures with these codes by relative name."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("image_id", "partition"), *splits.items()])
    return text.getvalue().encode("utf-8", "surrogateescape")


_WORDS: Final = ("train", "validation", "test")


class Partition:
    """The codes of names: 0 train, 1 validation, 2 test."""

    def __init__(self, content: bytes) -> None:
        text = _text(content)
        rows = list(_rows(text))
        # Sorted names with binary search need a third of the memory of a dictionary.
        order = sorted(range(len(rows)), key=lambda index: rows[index][0])
        self._names = [rows[index][0] for index in order]
        self._codes = array("b", (rows[index][1] for index in order))
        self._stems: tuple[list[str], array[int]] | None = None
        self._text = text

    def code(self, name: str) -> int | None:
        """Return 0, 1 or 2 by the relative name or its last part, or else by its last part without extension and
        case; None if the file does not name it.
        """
        for known in dict.fromkeys((name, name.rpartition("/")[2])):
            at = bisect_left(self._names, known)
            if at < len(self._names) and self._names[at] == known:
                return self._codes[at]
        stems, codes = self._by_stem()
        stem = stem_of(name)
        at = bisect_left(stems, stem)
        return codes[at] if at < len(stems) and stems[at] == stem else None

    def problem(self, names: Sequence[str]) -> str | None:
        """Return why the file cannot split pictures with these names; None if it names at least one of them."""
        start = self._text[:1024].lower()
        if "<html" in start or "<!doctype html" in start:
            return "it is a web page (a download or quota page was saved in its place)"
        if not self._names:
            return "it has no line with a name and 0, 1 or 2" if self._text.strip() else "it is empty"
        if any(self.code(name) is not None for name in names):
            if 0 not in self._codes and _ends_in(self._text, "3"):
                return "it numbers the parts from 1: 0 is train, 1 validation, 2 test"
            return None
        return f"it names none of the pictures (it names {self._names[0]}, a picture is {names[0]})"

    def remark(self, names: Sequence[str]) -> str:
        """Return what the file leaves open for pictures with these names, and how that is resolved; "" if it decides
        all.
        """
        codes = [self.code(name) for name in names]
        found = []
        unnamed = [name for name, code in zip(names, codes, strict=True) if code is None]
        if unnamed:
            such, train = ("", "trains") if len(unnamed) == 1 else ("such as ", "train")
            share = f"{len(unnamed):,} of the {len(names):,} pictures"
            found.append(f"it does not name {share} ({such}{unnamed[0]}), which {train}")
        if 0 in codes and 1 not in codes:
            found.append("it holds none of them out, so about 2 % are held out by name")
        for (name, code), (next_name, other) in pairwise(zip(self._names, self._codes, strict=True)):
            if name == next_name and code != other:
                words = f"as {_WORDS[code]} and as {_WORDS[other]}"
                found.append(f"it names {name} twice, {words}; the first counts")
                break
        return "; ".join(found)

    def _by_stem(self) -> tuple[list[str], "array[int]"]:
        if self._stems is None:
            stems = [stem_of(name) for name in self._names]
            order = sorted(range(len(stems)), key=stems.__getitem__)
            codes = array("b", (self._codes[index] for index in order))
            self._stems = ([stems[index] for index in order], codes)
        return self._stems


def _ends_in(text: str, code: str) -> bool:
    """Whether the last cell of a line is `code`."""
    lasts = (re.split(r"[,;\s]+", line.strip())[-1] for line in text.splitlines() if line.strip())
    return any(last.strip("\"'") == code for last in lasts)


def stem_of(name: str) -> str:
    """Return the last part of a name without extension, in lower case, with accents normalised."""
    last = name.rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    known = stem if dot and stem and not ending.isdigit() else last
    return unicodedata.normalize("NFC", known).casefold()


def _text(content: bytes) -> str:
    """Decode UTF-8, or the encoding of a byte order mark."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    return content.decode("utf-8-sig", "replace")


def _rows(text: str) -> Iterator[tuple[str, int]]:
    """Yield (name, code) of each line that has both."""
    lines = [line for line in text.splitlines() if line.strip()]
    sample = lines[:50]
    delimiter = max(",;\t", key=lambda sign: sum(sign in line for line in sample))
    if 2 * sum(delimiter in line for line in sample) > len(sample):
        rows: Iterator[list[str]] = csv.reader(
            (line.replace("\0", "") for line in lines), delimiter=delimiter
        )
    else:
        rows = (line.rsplit(None, 1) for line in lines)
    try:
        for cells in rows:
            found = _name_and_code([cell.strip().strip("\"'") for cell in cells])
            if found is not None:
                yield found
    except csv.Error:
        return  # a field longer than any name: this is not such a list


def _name_and_code(cells: list[str]) -> tuple[str, int] | None:
    """Return the name and the code of a line. The code is the last cell (or else the first that is one); the name is
    the cell that looks like a file, or else the one beside the code, because there may be a column of row numbers.
    """
    if len(cells) < 2:
        return None
    places = [at for at in (len(cells) - 1, *range(len(cells))) if cells[at].lower() in _CODES]
    if not places:
        return None
    at = places[0]
    others = [cell for place, cell in enumerate(cells) if place != at and cell]
    files = [cell for cell in others if "." in cell and not cell.replace(".", "").isdigit()]
    if not others:
        return None
    name = files[0] if files else (cells[at - 1] if at and cells[at - 1] else others[0])
    return name.replace("\\", "/").removeprefix("./"), _CODES[cells[at].lower()]
