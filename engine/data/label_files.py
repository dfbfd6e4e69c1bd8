"""Label files as people have them, read into one table: CelebA's list_attr_celeba as text and as CSV, metadata.csv and
metadata.jsonl with a column for each label, and folders that are classes. Knows texts and names only.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.base.errors import UserError
from engine.base.records import loads_json
from engine.base.text import plural
from engine.config.asked import label_key
from engine.data.labels import UNKNOWN_CLASS, Labels, LabelTable, check_names, clean_name
from engine.data.partition import stem_of

NAMES: Final = (
    "list_attr_celeba.txt",
    "list_attr_celeba.csv",
    "metadata.csv",
    "metadata.jsonl",
    "metadata.tsv",
)
"""Label files that are found by themselves, the first one first."""

LARGEST: Final = 1 << 28

FOLDERS: Final = "folders"
"""The source of labels that are the pictures' folders."""

FILE_COLUMNS: Final = (
    "file_name",
    "image_id",
    "filename",
    "file",
    "image",
    "image_name",
    "name",
    "path",
    "picture",
)
CLASS_COLUMNS: Final = ("label", "labels", "class", "category", "target", "species", "breed", "kind")
SPLITS: Final = frozenset(("train", "training", "val", "valid", "validation", "test", "testing", "dev"))
"""Folders of these names part pictures by their use, and are no classes."""

MOST_WORDS: Final = 64
"""Words of a column that stand beside other columns; one of more, a caption's, is no label."""
MOST_CLASSES: Final = 4096

_TRUTH: Final = {"true": 1, "yes": 1, "false": -1, "no": -1}
_NUMBER: Final = re.compile(r"[-−+]?\d+(\.0*)?")


@dataclass
class _Sheet:
    """A file's table of texts. odd: lines that have another number of cells, with the number of the first."""

    columns: list[str]
    pictures: list[str]
    cells: list[list[str]]
    odd: int = 0
    first_odd: int = 0


def read_label_file(content: bytes, name: str) -> LabelTable:
    """Return the table of a file. name: its name in errors; the extension decides the format if the content does not.

    Wrong single values are counted in the table's remarks. Raises UserError for a file that is not such a table,
    and for two labels of the same name.
    """
    text = _text(content, name)
    sheet = _jsonl(text, name) if name.lower().endswith((".jsonl", ".ndjson")) else _lines(text, name)
    if not sheet.pictures or not sheet.columns:
        raise UserError(
            f"{name} holds no line of a picture's name and its labels", "see docs/labels.md for the forms"
        )
    labels, remarks = _typed(sheet, name)
    if sheet.odd:
        remarks.insert(
            0, f"{plural(sheet.odd, 'line')} with another number of values left out (line {sheet.first_odd})"
        )
    return LabelTable(tuple(sheet.pictures), labels, name, tuple(remarks))


def class_folders(names: Sequence[str]) -> LabelTable | None:
    """The folder of each picture as its class; None if there are fewer than two. Pictures beside the folders have an
    unknown class; folders within a class's folder are of that class."""
    parts = [name.split("/") for name in names]
    if all(len(p) > 1 and p[0].lower() in SPLITS for p in parts):
        parts = [p[1:] for p in parts]
    folders = sorted({p[0] for p in parts if len(p) > 1})
    if not 2 <= len(folders) <= MOST_CLASSES:
        return None
    nested = next((p for p in parts if len(p) > 2), None)
    remarks = []
    if nested is not None:
        count = sum(len(p) > 2 for p in parts)
        inner = "/".join(nested[:-1])
        remarks.append(
            f"a class folder inside a class folder: {plural(count, 'picture')} below {inner} and the like count as "
            f"{nested[0]}, the first folder"
        )
    beside = sum(len(p) == 1 for p in parts)
    if beside:
        remarks.append(f"{plural(beside, 'picture')} beside the class folders: their class is unknown")
    number = {folder: index for index, folder in enumerate(folders)}
    values = np.array([number[p[0]] if len(p) > 1 else UNKNOWN_CLASS for p in parts], np.int32)
    return LabelTable(
        tuple(names), Labels("class", check_names(folders, "the folders"), values), FOLDERS, tuple(remarks)
    )


def aligned(table: LabelTable, names: Sequence[str], where: str) -> tuple[Labels, list[str]]:
    """The labels of pictures of these names, and what is to be said: rows that are missing, or of other pictures.

    A row is found by the relative name, its last part, and its last part without ending and case. Raises UserError if
    no row is theirs.
    """
    places: dict[str, int] = {}
    twice = differing = 0
    for index, name in enumerate(table.pictures):
        plain = name.replace("\\", "/").removeprefix("./")
        if (before := places.setdefault(plain, index)) != index:
            twice += 1
            differing += not np.array_equal(table.labels.values[before], table.labels.values[index])
    stems: dict[str, int] = {}
    for name, index in places.items():
        stems.setdefault(stem_of(name), index)
    rows = np.array([_row(name, places, stems) for name in names], np.int64)
    found = int((rows >= 0).sum())
    if not found:
        raise UserError(
            f"{where} has labels of other pictures: it names {table.pictures[0]}, a picture here is {names[0]}",
            "give the file that belongs to these pictures, or rename the pictures as it does",
        )
    said = list(table.remarks)
    if found < len(names):
        missing = names[int(np.argmin(rows))]
        said.append(
            f"no row for {len(names) - found:,} of the {len(names):,} pictures (such as {missing}): "
            "their labels are unknown"
        )
    others = len(places) - len(set(rows[rows >= 0].tolist()))
    if others:
        said.append(f"{plural(others, 'row is', 'rows are')} of other pictures")
    if twice:
        how = f", {differing:,} of them with other labels; the first counts" if differing else " alike"
        said.append(f"{plural(twice, 'picture')} named twice{how}")
    return table.labels.take(rows), said


def _row(name: str, places: dict[str, int], stems: dict[str, int]) -> int:
    for known in (name, name.rpartition("/")[2]):
        if known in places:
            return places[known]
    return stems.get(stem_of(name), -1)


# From bytes to a table of texts.


def _text(content: bytes, name: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    else:
        text = content.decode("utf-8-sig", "replace")
    if "<html" in (start := text[:1024].lower()) or "<!doctype html" in start:
        raise UserError(
            f"{name} is a web page (a download or quota page was saved in its place)", "download it again"
        )
    if "\0" in text:
        raise UserError(f"{name} is no text", "label files are text, CSV or JSON lines")
    return text


def _lines(text: str, name: str) -> _Sheet:
    lines = [line for line in text.splitlines() if line.strip()]
    sample = lines[:50]
    delimiter = max(",;\t", key=lambda sign: sum(sign in line for line in sample))
    if 2 * sum(delimiter in line for line in sample) > len(sample):
        try:
            return _table(csv.reader(lines, delimiter=delimiter), name)
        except csv.Error as error:
            raise UserError(f"{name} is not a CSV file: {error}") from None
    # As CelebA publishes it: a count (of another set as often as not), the names, and a line for each picture.
    if lines and lines[0].strip().isdigit():
        lines = lines[1:]
    if not lines:
        return _Sheet([], [], [])
    return _rows(["file_name", *lines[0].split()], (line.split() for line in lines[1:]), 0, 3)


def _table(rows: Iterator[list[str]], name: str) -> _Sheet:
    head = [cell.strip() for cell in next(rows, [])]
    keys = [label_key(cell) for cell in head]
    at = next((keys.index(known) for known in FILE_COLUMNS if known in keys), None)
    if at is None:
        raise UserError(
            f"{name} has no column of the pictures' names (it has {', '.join(head[:6])})",
            "call it file_name",
        )
    return _rows(head, rows, at, 2)


def _rows(head: list[str], rows: Iterable[list[str]], at: int, first_line: int) -> _Sheet:
    sheet = _Sheet([name for place, name in enumerate(head) if place != at], [], [])
    alike: dict[str, str] = {}  # most cells of 200,000 lines are "1" and "-1": each is kept once
    for number, cells in enumerate(rows, first_line):
        if len(cells) != len(head) or not cells[at].strip():
            if any(cell.strip() for cell in cells):
                sheet.odd += 1
                sheet.first_odd = sheet.first_odd or number
            continue
        sheet.pictures.append(cells[at].strip())
        sheet.cells.append([alike.setdefault(c, c) for place, c in enumerate(cells) if place != at])
    return sheet


def _jsonl(text: str, name: str) -> _Sheet:
    records: list[dict[str, object]] = []
    odd = first_odd = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = loads_json(line.encode())
        except ValueError:
            record = None
        if isinstance(record, dict):
            records.append(record)
        else:
            odd += 1
            first_odd = first_odd or number
    keys = list(dict.fromkeys(key for record in records for key in record))
    column = next((key for known in FILE_COLUMNS for key in keys if label_key(key) == known), None)
    if column is None:
        raise UserError(
            f"{name} has no line with a file_name", 'each line is like {"file_name": "a.jpg", "smiling": 1}'
        )
    columns = [key for key in keys if key != column]
    sheet = _Sheet(columns, [], [], odd, first_odd)
    for record in records:
        if isinstance(picture := record.get(column), str) and picture:
            sheet.pictures.append(picture)
            sheet.cells.append([_cell(record.get(key)) for key in columns])
    return sheet


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


# From texts to labels.


def _typed(sheet: _Sheet, name: str) -> tuple[Labels, list[str]]:
    """Attributes from columns of numbers and of true and false; a class from a single column of words or numbers."""
    columns = [[cell.strip() for cell in column] for column in zip(*sheet.cells, strict=True)]
    kinds = [
        _column(header, column, len(columns)) for header, column in zip(sheet.columns, columns, strict=True)
    ]
    remarks = [
        f"column {header} has {len(set(column)):,} different texts and is no label"
        for header, column, kind in zip(sheet.columns, columns, kinds, strict=True)
        if kind == "text"
    ]
    used = [(h, c, k) for h, c, k in zip(sheet.columns, columns, kinds, strict=True) if k != "text"]
    if not used:
        raise UserError(f"{name} has no column of labels", "a label is −1, 0 or 1, true or false, or a word")
    if len(used) == 1 and used[0][2] in ("word", "class"):
        header, column, _ = used[0]
        words = sorted({cell for cell in column if cell}, key=lambda word: (not word.isdigit(), _order(word)))
        number = {word: index for index, word in enumerate(words)}
        values = np.array([number.get(cell, UNKNOWN_CLASS) for cell in column], np.int32)
        return Labels("class", check_names(words, f"{name}, column {header},"), values), remarks
    # 0 is "unknown" where −1 is "absent"; where no −1 is there, 0 is "absent".
    signed = any(
        cell.replace("−", "-").startswith("-") for _, column, k in used if k == "number" for cell in column
    )
    names: list[str] = []
    parts: list[np.ndarray] = []
    for header, column, kind in used:
        if kind == "word":
            for word in sorted({cell for cell in column if cell}):
                names.append(clean_name(f"{header}_{word}"))
                parts.append(
                    np.array([0 if not cell else 1 if cell == word else -1 for cell in column], np.int8)
                )
            continue
        values, wrong = _numbers(column, signed)
        if wrong:
            (value, _), count = wrong.most_common(1)[0], sum(wrong.values())
            at = sheet.pictures[column.index(value)]
            remarks.append(
                f"{header}: {plural(count, 'value is', 'values are')} none of −1, 0 and 1 (such as {value[:20]!r} of "
                f"{at}), taken as unknown"
            )
        names.append(header)
        parts.append(values)
    return Labels("attributes", check_names(names, name), np.stack(parts, axis=1)), remarks


def _order(word: str) -> tuple[int, str]:
    return (int(word) if word.isdigit() else 0, word)


def _column(header: str, column: Sequence[str], columns: int) -> str:
    """ "number" (with true and false), "word", "class" (whole numbers that stand alone), or "text" for no label."""
    filled = [cell for cell in column if cell]
    different = set(filled)
    fits = sum(_sign(cell) is not None for cell in filled)
    named_class = label_key(header) in CLASS_COLUMNS
    if (
        filled
        and 2 * fits > len(filled)
        and not (named_class and columns == 1 and not different & {"-1", "−1"})
    ):
        return "number"
    if columns == 1 and different and all(cell.isdigit() for cell in different):
        return "class"
    numbers = sum(bool(_NUMBER.fullmatch(cell)) or _is_real(cell) for cell in filled)
    if filled and 2 * numbers > len(filled):
        return "number"  # of values that are all out of range: counted, and unknown
    most = MOST_CLASSES if columns == 1 or named_class else MOST_WORDS
    return "word" if different and len(different) <= min(most, max(2, len(filled) // 2)) else "text"


def _is_real(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _sign(cell: str) -> int | None:
    small = cell.lower()
    if small in _TRUTH:
        return _TRUTH[small]
    if _NUMBER.fullmatch(cell):
        number = int(float(cell.replace("−", "-")))
        return number if number in (-1, 0, 1) else None
    return None


def _numbers(column: Sequence[str], signed: bool) -> tuple[np.ndarray, Counter[str]]:
    """int8 of a column, and the texts that are none of −1, 0 and 1."""
    known: dict[str, int] = {"": 0}
    wrong: Counter[str] = Counter()
    for cell, count in Counter(column).items():
        if cell in known:
            continue
        sign = _sign(cell)
        if sign is None:
            wrong[cell] = count
        known[cell] = 0 if sign is None else -1 if sign == 0 and not signed else sign
    return np.array([known[cell] for cell in column], np.int8), wrong
