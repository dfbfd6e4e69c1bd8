"""Data sets as screen 7 shows them: read from the disk in a thread, with some of their pictures. NumPy; torch never."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddpm_tui.words import plural, size
from engine.base.errors import DdpmError
from engine.base.folders import PackedFolder
from engine.base.home import Home
from engine.data.catalog import Source, check_source, list_sources, packed_folders
from engine.data.faces import attributes, draw_face
from engine.data.left_out import LeftOut
from engine.data.manifest import PackedManifest, remarks, verify_packed
from engine.data.packed import open_packed

Pixels = NDArray[np.uint8]
FACE = 64
"""Pixels a side of a built-in face that is shown here."""


@dataclass(frozen=True)
class DataSet:
    """packed: its whole packed forms, the folder and the manifest of each."""

    source: Source
    packed: tuple[tuple[PackedFolder, PackedManifest], ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def built_in(self) -> bool:
        return self.source.kind == "built-in"

    @property
    def recipe(self) -> str:
        """Return how a run on it crops: as its newest packed form, else the usual way for such pictures."""
        if self.packed and not self.built_in:
            return self.packed[-1][1].recipe
        return "center178" if self.source.celeba else "whole"


class DataReader:
    """All data sets; the same object while nothing changed."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._all: tuple[DataSet, ...] | None = None
        self._stamp: tuple[object, ...] = ()

    def read(self) -> tuple[DataSet, ...]:
        stamp = self._look()
        if self._all is None or stamp != self._stamp:
            self._stamp = stamp
            found = []
            for source in list_sources(self.home):
                packed = tuple((f, m) for f, m in packed_folders(self.home, source.name) if m is not None)
                found.append(DataSet(source, packed))
            self._all = tuple(found)
        return self._all

    def _look(self) -> tuple[object, ...]:
        """Return a stamp that changes when a data set comes, goes or is packed."""
        try:
            entries = sorted(os.scandir(self.home.data), key=lambda entry: entry.name)
        except OSError:
            return ()
        found: list[object] = []
        for entry in entries:
            try:
                found += [entry.name, entry.stat().st_mtime_ns]
            except OSError:
                continue
        return tuple(found)


def thumbnails(data: DataSet, count: int = 24) -> list[Pixels]:
    """Return some of its pictures, spread over all, uint8 (H, W, 3) each; [] if it is not packed or cannot be read."""
    if data.built_in:
        return [draw_face(attributes(0, index), FACE) for index in range(count)]
    for folder, _ in reversed(data.packed):
        try:
            pictures = open_packed(folder).pictures
        except (DdpmError, OSError, ValueError):
            continue
        which = np.unique(np.linspace(0, len(pictures) - 1, count).astype(int))
        return [np.ascontiguousarray(np.moveaxis(pictures[i], 0, -1)) for i in which]
    return []


def facts(data: DataSet) -> list[tuple[str, str]]:
    """Return the facts about it: its folder, the files left out and why, how it is packed."""
    source = data.source
    left_out = LeftOut.from_json(source.left_out)
    said = [
        (
            "data set",
            f"{source.name}, {plural(source.pictures, 'picture')}" + (", CelebA" if source.celeba else ""),
        ),
        ("where", source.path or "drawn by the program"),
        ("bytes", size(source.total_bytes) if source.total_bytes else ""),
        ("left out", left_out.in_words()),
        ("", f"for example {next(iter(left_out)).example}" if left_out else ""),
        ("excluded", ", ".join(source.exclude)),
        ("folders", ", ".join(f"{name or '(top)'} {count:,}" for name, count in source.folders.items())),
        ("split by", source.partition or ("" if data.built_in else "name: 2 % held out, at least 2")),
        ("", source.partition_problem or source.partition_remark),
    ]
    for folder, manifest in data.packed:
        split = f"{manifest.train:,} to train on, {manifest.held_out:,} held out"
        split += f", {manifest.test:,} for tests" if manifest.test else ""
        said.append(
            (f"at {manifest.size} px", f"{manifest.recipe}: {plural(manifest.count, 'picture')}, {split}")
        )
        if manifest.broken:
            broken = plural(manifest.broken, "picture")
            said.append(("", f"{broken} could not be read, named in {folder.report}"))
        if manifest.enlarged:
            said.append(("", f"{manifest.enlarged:,} were smaller than {manifest.size} px and enlarged"))
        said += [("", line) for line in remarks(manifest)]
    if not data.packed:
        said.append(("packed", "not yet: a run packs it when it starts"))
    return [fact for fact in said if fact[1]]


def check(home: Home, data: DataSet) -> tuple[str, bool]:
    """Read every packed byte and look whether the originals changed; return a sentence, and whether all is whole."""
    problems = [problem for folder, _ in data.packed for problem in verify_packed(folder)]
    changed = check_source(home, data.name) if not data.built_in else None
    if problems:
        return f"{data.name}: {problems[0]}" + (
            f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        ), False
    whole = f"{data.name}: {plural(len(data.packed), 'packed form')} whole, byte for byte"
    return (f"{whole}; but {changed}", False) if changed else (whole, True)


def completions(text: str, most: int = 200) -> list[str]:
    """Return folders and archives whose path begins with `text`, folders with a slash, hidden ones only if asked
    for."""
    path = Path(text or "~/").expanduser()
    folder, begun = (path, "") if text.endswith("/") or not text else (path.parent, path.name)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name.lower())
    except OSError:
        return []
    found = []
    for entry in entries:
        name = entry.name
        if not name.lower().startswith(begun.lower()) or (name.startswith(".") and not begun.startswith(".")):
            continue
        try:
            is_folder = entry.is_dir()
        except OSError:
            continue
        if is_folder or name.lower().endswith(".zip"):
            found.append(str(folder / name) + ("/" if is_folder else ""))
        if len(found) >= most:
            break
    return found


def common_start(paths: Sequence[str]) -> str:
    """Return the beginning shared by all of them, letter by letter."""
    first, last = min(paths), max(paths)
    same = next(
        (n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:same]
