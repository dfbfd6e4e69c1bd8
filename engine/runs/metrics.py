"""metrics.jsonl: an append-only file with one writer, a worker, and any number of readers.

An incomplete last line is read later; a line that is not JSON is counted and skipped.
"""

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import from_json

from engine.base.errors import DamagedError
from engine.base.files import without_nan
from engine.base.records import open_data

TRAIN_FIELDS = ("step", "epoch", "images", "loss", "lr", "grad_norm", "bad", "time", "images_per_s")
EPOCH_FIELDS = ("step", "epoch", "images", "train_loss", "val_loss", "eps_error", "lr", "time", "seconds")


class MetricsWriter:
    """The writer of a run's metrics. Lines are flushed at once and fsynced by `sync`."""

    def __init__(self, path: Path, truncate_to: int | None = None) -> None:
        """Open for appending. `truncate_to` removes lines written after the checkpoint that is resumed; `missing` is
        the number of bytes lost before it.
        """
        self._file: io.BufferedWriter = open(path, "ab")  # noqa: SIM115 - held for the run's life
        self.missing = max(0, (truncate_to or 0) - self._file.tell())
        if truncate_to is not None and truncate_to < self._file.tell():
            if not _ends_a_line(path, truncate_to):
                self._file.close()
                raise DamagedError(
                    f"the checkpoint that is resumed says that {path} was {truncate_to:,} bytes long, and no line ends "
                    "there: nothing is cut",
                    "delete that checkpoint; the one before it is resumed",
                )
            self._file.truncate(truncate_to)
            self._file.seek(truncate_to)

    def write(self, line: dict[str, Any]) -> None:
        """Append one line. NaN and infinities become null, because JSON lacks them."""
        self._file.write((json.dumps(without_nan(line), separators=(",", ":")) + "\n").encode())
        self._file.flush()

    def sync(self) -> int:
        """Make all written lines durable; return the offset for a checkpoint."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def _ends_a_line(path: Path, offset: int) -> bool:
    if not offset:
        return True
    with open(path, "rb") as file:
        file.seek(offset - 1)
        return file.read(1) == b"\n"


class _Table:
    """Rows of numbers by field, with appending. The capacity doubles when it is full, so a row is copied only a few
    times.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._room = np.empty((len(names), 0))
        self._count = 0

    def add(self, rows: list[dict[str, Any]]) -> None:
        count = self._count + len(rows)
        if count > self._room.shape[1]:
            room = np.empty((len(self._names), max(count, 2 * self._room.shape[1])))
            room[:, : self._count] = self._room[:, : self._count]
            self._room = room
        for values, name in zip(self._room, self._names, strict=True):
            values[self._count : count] = [_number(row.get(name)) for row in rows]
        self._count = count

    def columns(self) -> dict[str, np.ndarray]:
        """Return views of the rows; rows added later do not change them."""
        return {name: values[: self._count] for name, values in zip(self._names, self._room, strict=True)}


AT_ONCE = 256 << 20
MOST_BYTES = 1 << 30
"""The most bytes read from a file at a time, and in total: a sparse file may claim any size."""


class Metrics:
    """A run's metrics as columns, followed cheaply: `poll` reads only what is new.

    `train` and `epochs` map a field to a float64 array (lines,) with NaN where a line had none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[dict[str, Any]] = []
        self.corrupt_lines = 0
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._tail = b""
        """The last bytes before the offset."""
        self._tables = _tables()

    @property
    def train(self) -> dict[str, np.ndarray]:
        return self._tables["train"].columns()

    @property
    def epochs(self) -> dict[str, np.ndarray]:
        return self._tables["epoch"].columns()

    def poll(self) -> bool:
        """Read what was added since the last call, at most AT_ONCE bytes. Returns True if anything changed.

        A file that was truncated (by a resume) or replaced is read again from its beginning.
        """
        try:
            with open_data(self.path) as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                if identity != self._identity or status.st_size < self._offset or not self._still_there(file):
                    self._reset()
                    self._identity = identity
                if status.st_size == self._offset:
                    return False
                file.seek(self._offset)
                content = file.read(AT_ONCE)
        except FileNotFoundError:
            return False
        end = content.rfind(b"\n") + 1
        if not end:
            return False
        self._take(content[:end])
        self._offset += end
        self._tail = content[max(0, end - 64) : end]
        return True

    def _still_there(self, file: io.BufferedReader) -> bool:
        """Return whether the last bytes read are still before the offset: a truncated file may have grown past it
        again.
        """
        if not self._tail:
            return True
        file.seek(self._offset - len(self._tail))
        return file.read(len(self._tail)) == self._tail

    def _reset(self) -> None:
        self.events.clear()
        self.corrupt_lines = 0
        self._offset = 0
        self._tail = b""
        self._tables = _tables()

    def _take(self, content: bytes) -> None:
        good, corrupt = _good_rows(content)
        self.corrupt_lines += corrupt
        self.events += [row for row in good if row.get("kind") == "event"]
        for kind, table in self._tables.items():
            table.add([row for row in good if row.get("kind") == kind])


class RowsReader(Metrics):
    """The rows of both curves in the order of the file, followed like the columns.

    Rows of a file that was truncated or replaced are returned again from its beginning.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._new: list[dict[str, Any]] = []

    def new(self) -> list[dict[str, Any]]:
        """Return the rows that were added since the last call."""
        while self.poll():
            pass
        rows, self._new = self._new, []
        return rows

    def _take(self, content: bytes) -> None:
        good, corrupt = _good_rows(content)
        self.corrupt_lines += corrupt
        self._new += [row for row in good if row.get("kind") in ("train", "epoch")]


def _tables() -> dict[str, _Table]:
    return {"train": _Table(TRAIN_FIELDS), "epoch": _Table(EPOCH_FIELDS)}


def _good_rows(content: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of complete lines, and the number of invalid lines."""
    rows = parse_lines(content)
    good = [row for row in rows if isinstance(row, dict) and _has_its_place(row)]
    return good, len(rows) - len(good)


def _has_its_place(row: dict[str, Any]) -> bool:
    """Return whether a row has its position on the curve; without one it is useless."""
    places = {"train": ("step",), "epoch": ("step", "epoch")}.get(str(row.get("kind")), ())
    return all(math.isfinite(_number(row.get(name))) for name in places)


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return math.nan


def parse_lines(content: bytes) -> list[Any]:
    """Return each line's JSON value, None for invalid lines. If every line is valid, they are parsed at once."""
    lines = [line for line in content.split(b"\n") if line.strip(b" \r\t\0")]
    try:
        rows = from_json(b"[" + b",".join(lines) + b"]")
        if len(rows) == len(lines):
            return list(rows)
    except ValueError:
        pass
    rows = []
    for line in lines:
        try:
            row = from_json(line)
            rows.append(row if isinstance(row, dict) else None)
        except ValueError:
            rows.append(None)
    return rows


def read_metrics(path: Path) -> Metrics:
    """Read everything in the file; empty if there is none."""
    metrics = Metrics(path)
    while metrics.poll():
        pass
    return metrics


def read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return every row of a curve in the order of the file, and the number of unreadable lines.

    An incomplete last line is ignored; a missing file has no rows.
    """
    try:
        with open_data(path) as file:
            content = file.read(MOST_BYTES)
    except FileNotFoundError:
        return [], 0
    rows, corrupt = _good_rows(content[: content.rfind(b"\n") + 1])
    return [row for row in rows if row.get("kind") in ("train", "epoch")], corrupt


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows of `read_rows` as CSV with a header: kind, the fields of both kinds, and bands_1 … if any has bands.

    Missing values are empty cells.
    """
    names = list(dict.fromkeys(("kind", *TRAIN_FIELDS, *EPOCH_FIELDS)))
    most = max((len(_bands(row)) for row in rows), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, *(f"bands_{number}" for number in range(1, most + 1))])
    for row in rows:
        cells = [*(row.get(name) for name in names[1:]), *_bands(row)]
        cells += [None] * (len(names) - 1 + most - len(cells))
        writer.writerow([row["kind"], *("" if math.isnan(_number(cell)) else cell for cell in cells)])
    return text.getvalue()


def _bands(row: dict[str, Any]) -> list[Any]:
    bands = row.get("bands")
    return bands if isinstance(bands, list) else []
