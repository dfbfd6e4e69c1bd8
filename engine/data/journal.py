"""The growing pictures file and the journal of its finished blocks, with which packing continues after a kill.

Each finished block is appended to the pictures, and then recorded in the journal with the checksum of its pixels.
When packing starts again, blocks are accepted as long as their checksums match; the rest is truncated and done again,
so neither a torn write nor a power cut leaves a wrong pixel. Knows nothing about the source of pictures.
"""

import hashlib
import json
import os
import zlib
from array import array
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Self

from engine.base import failpoints, files
from engine.base.folders import PackedFolder
from engine.base.records import loads_json
from engine.data.decoder import DecodedBlock


@dataclass
class PackedTotals:
    """The totals of the finished blocks."""

    blocks: int = 0
    good: int = 0
    broken: list[tuple[int, str]] = field(default_factory=list)
    """(index among all pictures, reason)"""
    celeba_shaped: int = 0
    enlarged: int = 0
    smallest: int = 0
    largest: int = 0
    """pixels per side of the smallest and of the largest crop that was enlarged"""
    contents: "array[int]" = field(default_factory=lambda: array("I"))
    """CRC-32 of every picture's file"""
    darkest: int = 255
    brightest: int = 0


class Journal:
    """The open files `pictures.u8.part` and `journal.jsonl` of a folder. The caller holds the folder's lock."""

    def __init__(
        self, folder: PackedFolder, identity: dict[str, object], picture_bytes: int, per_block: int
    ) -> None:
        self.folder = folder
        self.progress = PackedTotals()
        self._header = {"identity": identity, "per_block": per_block, "checksums": True}
        self._picture_bytes = picture_bytes
        self._per_block = per_block
        self._part_path = folder.pictures.with_name(folder.pictures.name + ".part")
        self._journal_path = folder.path / "journal.jsonl"
        self._digest = hashlib.sha256()
        self._part: IO[bytes] | None = None
        self._journal: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._part, self._journal):
            if file is not None:
                file.close()
        self._part = self._journal = None

    def resume(self) -> PackedTotals:
        """Open the files, accept the valid blocks of an earlier attempt, and return the progress, which is kept up to
        date.
        """
        self.folder.manifest.unlink(missing_ok=True)
        if not self._part_path.exists() and self.folder.pictures.exists():
            os.replace(
                self.folder.pictures, self._part_path
            )  # the process was killed between renaming this file and writing the manifest
        self._part_path.touch()
        self._journal_path.touch()
        self._part = open(self._part_path, "r+b", buffering=0)  # noqa: SIM115 - closed by __exit__
        self._journal = open(self._journal_path, "r+b", buffering=0)  # noqa: SIM115
        kept = self._believe(self._journal.read().splitlines(keepends=True))
        self._journal.truncate(kept)
        self._journal.seek(kept)
        self._part.truncate(self.progress.good * self._picture_bytes)
        self._part.seek(0, os.SEEK_END)
        if not kept:
            self._line(self._header)
        return self.progress

    def _believe(self, lines: list[bytes]) -> int:
        """Accept blocks while they match the pictures; return the number of valid bytes of the journal."""
        if not lines or _parse(lines[0]) != self._header:
            return 0
        kept = len(lines[0])
        for line in lines[1:]:
            entry = _parse(line)
            if entry is None or entry.get("block") != self.progress.blocks or not self._agrees(entry):
                break
            self._count(entry)
            kept += len(line)
        return kept

    def _agrees(self, entry: dict[str, Any]) -> bool:
        """Return whether the next pixels of the file match the entry, and add them to the digest."""
        assert self._part is not None
        length = int(entry["good"]) * self._picture_bytes
        pixels = self._part.read(length) if length else b""
        if len(pixels) < length or zlib.crc32(pixels) != entry["crc"]:
            return False
        self._digest.update(pixels)
        return True

    def append(self, result: DecodedBlock) -> None:
        """Append a block: first its pixels, then its line. Raises DiskFullError."""
        assert self._part is not None
        with files.disk_errors(self._part_path):
            _write_all(self._part, result.pixels)
            failpoints.reach("pack.pixels")
            entry = {
                "block": result.index,
                "good": result.good,
                "crc": zlib.crc32(result.pixels),
                "broken": result.broken,
                "celeba": result.celeba_shaped,
                "enlarged": result.enlarged,
                "smallest": result.smallest,
                "largest": result.largest,
                "contents": result.contents,
                "darkest": result.darkest,
                "brightest": result.brightest,
            }
            self._line(entry)
        self._digest.update(result.pixels)
        self._count(entry)
        failpoints.reach("pack.block")

    def _line(self, content: dict[str, Any]) -> None:
        assert self._journal is not None
        _write_all(self._journal, json.dumps(content).encode() + b"\n")

    def _count(self, entry: dict[str, Any]) -> None:
        progress = self.progress
        start = progress.blocks * self._per_block
        progress.blocks += 1
        progress.good += entry["good"]
        progress.broken += [(start + int(place), str(reason)) for place, reason in entry["broken"]]
        progress.celeba_shaped += entry["celeba"]
        progress.enlarged += entry["enlarged"]
        smallest = int(entry.get("smallest", 0))  # missing in a journal that an older version began
        progress.smallest = min(progress.smallest or smallest, smallest or progress.smallest)
        progress.largest = max(progress.largest, int(entry.get("largest", 0)))
        progress.contents.extend(entry["contents"])
        progress.darkest = min(progress.darkest, entry["darkest"])
        progress.brightest = max(progress.brightest, entry["brightest"])

    def finish(self) -> dict[str, object]:
        """Make the pictures durable under their final name; return their size and SHA-256."""
        assert self._part is not None
        with files.disk_errors(self._part_path):
            os.fsync(self._part.fileno())
        os.replace(self._part_path, self.folder.pictures)
        files.fsync_folder(self.folder.path)
        failpoints.reach("pack.rename")
        return {"size": self.progress.good * self._picture_bytes, "sha256": self._digest.hexdigest()}

    def forget(self) -> None:
        """Delete the journal after everything is published."""
        self._journal_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete this attempt, so that the next one starts from the beginning."""
        self._part_path.unlink(missing_ok=True)
        self._journal_path.unlink(missing_ok=True)


def _parse(line: bytes) -> dict[str, Any] | None:
    """Parse one line; None if it is torn or invalid."""
    if not line.endswith(b"\n"):
        return None
    try:
        content = loads_json(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _write_all(file: IO[bytes], content: bytes) -> None:
    """Write everything; an unbuffered file may write less at once."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
