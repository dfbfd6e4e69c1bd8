"""Looking through a folder or a zip for pictures: their names, where they are, a cheap fingerprint of them
all.

Opens no picture and imports nothing heavy, so that `data add` and `data list` are quick. What a picture is
goes by the name's ending here; whether it really is one shows when it is packed.
"""

import hashlib
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Final, Literal

from engine.data import unpack, zips
from engine.data.left_out import LeftOut
from engine.errors import UserError

ENDINGS: Final = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
) | {".pbm", ".pnm", ".tga", ".jp2", ".j2k", ".avif"}
PARTITIONS: Final = ("list_eval_partition.txt", "list_eval_partition.csv")
CELEBA_STEM: Final = "img_align_celeba"

Kind = Literal["folder", "zip"]


@dataclass
class Listing:
    """The pictures below `path` in the order in which they are packed: sorted by name."""

    path: Path
    """the folder or zip itself; may be a zip found inside the folder that was given"""
    kind: Kind
    names: list[str]
    """relative, '/' between, without the folders that all of them share: the zip of a folder has the same
    names"""
    shared: str
    """those shared folders, '' or ending in '/'"""
    places: list["array[int]"] = field(repr=False)
    """zip only: offset, stored, size, method, crc of each"""
    ignored: int
    """other files, hidden ones not counted"""
    left_out: LeftOut
    """the same by kind, and pictures that are not used"""
    unreadable: LeftOut
    """pictures of a zip that cannot be read from it, by what keeps them"""
    archive: str | None
    """a zip among those other files: it is not looked into"""
    total_bytes: int
    celeba: bool
    partition: bytes | None = field(repr=False)
    """the content of a list_eval_partition file that belongs to these pictures"""
    partition_at: str | None
    fingerprint: str

    def item(self, index: int) -> tuple[object, ...]:
        """What a decoding process needs to read picture `index`."""
        if self.kind == "folder":
            return (self.shared + self.names[index],)
        return tuple(column[index] for column in self.places)


def scan(path: Path) -> Listing:
    """List the pictures of a folder (nested, links followed) or a zip.

    Raises UserError with one clear line where there is nothing, nothing readable, or no picture.
    """
    try:
        is_folder = path.is_dir()
        exists = is_folder or path.exists()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not exists:
        raise UserError(f"{path} does not exist", "give a folder of pictures or a zip of them")
    if not is_folder:
        return _listing(path, "zip")
    listing = _listing(path, "folder")
    inner = path / f"{CELEBA_STEM}.zip"
    if not listing.names and inner.is_file():
        return _listing(inner, "zip")
    return listing


def _listing(path: Path, kind: Kind) -> Listing:
    names: list[str] = []
    columns = [array("q") for _ in range(5 if kind == "zip" else 1)]
    ignored = 0
    left_out, unreadable = LeftOut(), LeftOut()
    archive: str | None = None
    partition_name: str | None = None
    for name, facts in _folder_files(path) if kind == "folder" else _zip_files(path):
        last = name[name.rfind("/") + 1 :].lower()
        ending = last[last.rfind(".") :] if "." in last else "no ending"
        if ending in ENDINGS:
            if kind == "zip" and (obstacle := unpack.obstacle(facts[3])):
                (left_out if facts[3] == unpack.LINK else unreadable).add(obstacle, name)
                continue
            names.append(name)
            for column, fact in zip(columns, facts, strict=True):
                column.append(fact)
            continue
        ignored += 1
        if last not in PARTITIONS:
            left_out.add(ending, name)
        if last.endswith(".zip"):
            archive = min(archive or name, name)
        if last in PARTITIONS and (partition_name is None or len(name) < len(partition_name)):
            partition_name = name
    names, columns = _sorted(names, columns, left_out)
    left_out.merge(unreadable)
    shared = _shared_folders(names)
    if shared:
        names = [name[len(shared) :] for name in names]
    sizes = columns[2] if kind == "zip" else columns[0]
    celeba = _stem(path) in (CELEBA_STEM, "celeba") or f"/{CELEBA_STEM}/" in f"/{shared}"
    partition, partition_at = _read_partition(path, kind, partition_name, celeba)
    return Listing(
        path=path,
        kind=kind,
        names=names,
        shared=shared,
        places=columns if kind == "zip" else [],
        ignored=ignored,
        left_out=left_out,
        unreadable=unreadable,
        archive=archive,
        total_bytes=sum(sizes),
        celeba=celeba,
        partition=partition,
        partition_at=partition_at,
        fingerprint=_fingerprint(names, sizes, partition),
    )


def _sorted(
    names: list[str], columns: list["array[int]"], left_out: LeftOut
) -> tuple[list[str], list["array[int]"]]:
    """By name; of equal names (a zip may hold two) the last one. Arrays, because an object a number adds up."""
    order = array("q", sorted(range(len(names)), key=names.__getitem__))
    kept = array("q")
    for index in order:
        if kept and names[kept[-1]] == names[index]:
            kept.pop()
            left_out.add("same names", names[index])
        kept.append(index)
    return [names[index] for index in kept], [array("q", map(column.__getitem__, kept)) for column in columns]


def _folder_files(root: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(relative name, (size,)) of every file that is not hidden; a folder linked into itself is entered
    once."""
    entered: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        folder = root / inside
        try:
            facts = folder.stat()
            if (facts.st_dev, facts.st_ino) in entered:
                continue
            entered.add((facts.st_dev, facts.st_ino))
            with os.scandir(folder) as listed:
                for entry in listed:
                    if _hidden(entry.name):
                        continue
                    name = inside + entry.name
                    if entry.is_dir():
                        waiting.append(name + "/")
                    elif entry.is_file():
                        yield name, (entry.stat().st_size,)
        except OSError as error:
            raise _unreadable(folder, error) from error


def _zip_files(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    for entry in zips.entries(path):
        if not any(_hidden(part) for part in entry.name.split("/")):
            yield entry.name, (entry.offset, entry.stored, entry.size, entry.method, entry.crc)


def _hidden(name: str) -> bool:
    """Dot files, and the shadows that macOS and Windows leave beside pictures."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} cannot be read: {error.strerror}", "check its permissions")


def _shared_folders(names: list[str]) -> str:
    if not names:
        return ""
    first, last = names[0].split("/")[:-1], names[-1].split("/")[:-1]  # sorted: the ends share what all share
    shared = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    return "".join(f"{folder}/" for folder in shared)


def _stem(path: Path) -> str:
    return (path.stem if path.suffix.lower() == ".zip" else path.name).lower()


def _read_partition(
    path: Path, kind: Kind, inside: str | None, celeba: bool
) -> tuple[bytes | None, str | None]:
    """The partition file inside, or for CelebA beside, above, or in the `Eval` folder its makers use."""
    if inside is not None and kind == "folder":
        return _read(path / inside), str(path / inside)
    if inside is not None:
        with open(path, "rb") as file:
            for entry in zips.entries(path):
                if entry.name == inside:
                    try:
                        return zips.read_entry(file.fileno(), *entry[1:]), f"{path}:{inside}"
                    except zips.UnreadableEntryError as error:
                        raise UserError(
                            f"{inside} in {path} {error}", "download or copy the zip again"
                        ) from None
    if celeba:
        for folder in (path.parent, path.parent / "Eval", path.parent.parent, path.parent.parent / "Eval"):
            for name in PARTITIONS:
                if (folder / name).is_file():
                    return _read(folder / name), str(folder / name)
    return None, None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _fingerprint(names: list[str], sizes: "array[int]", partition: bytes | None) -> str:
    """Changes when a picture is added, removed, renamed or changes its length, or the partition changes."""
    digest = hashlib.sha256(hashlib.sha256(partition or b"").digest())
    for name, size in zip(names, sizes, strict=True):
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
