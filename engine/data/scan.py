"""Scanning a folder or a zip for pictures: their names, positions, and a cheap fingerprint of all of them.

Opens no picture and imports nothing heavy, so that `data add` and `data list` are quick. Pictures are recognised by
their file extensions; packing finds out whether they can be decoded.
"""

import errno
import hashlib
import stat
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Final, Literal

from engine.base.errors import UserError
from engine.base.records import read_bytes
from engine.data import unpack, walk, zips
from engine.data.exclude import Exclude
from engine.data.left_out import LeftOut
from engine.data.partition import partition_csv, split_of

ENDINGS: Final = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
) | {".pbm", ".pnm", ".tga", ".jp2", ".j2k", ".avif"}
_LARGEST_PARTITION: Final = 1 << 28
PARTITIONS: Final = ("list_eval_partition.txt", "list_eval_partition.csv")
CELEBA_STEM: Final = "img_align_celeba"

Kind = Literal["folder", "zip"]


@dataclass
class Listing:
    """The pictures below `path` in packing order: sorted by name."""

    path: Path
    """the folder or zip itself; may be a zip found inside the folder that was given"""
    kind: Kind
    names: list[str]
    """relative, '/' between the parts, without common leading folders, so that a zip of a folder has the same names
    """
    shared: str
    """those common folders, '' or ending in '/'"""
    places: list["array[int]"] = field(repr=False)
    """zip only: offset, stored, size, method, crc of each"""
    ignored: int
    """number of other files, except hidden ones"""
    left_out: LeftOut
    """the same by kind, with unused pictures"""
    unreadable: LeftOut
    """pictures of a zip that cannot be read, by reason"""
    folders: dict[str, int]
    """pictures in each top-level folder, most first, if there are several; '' for those outside folders"""
    unmatched: tuple[str, ...]
    """--exclude patterns that match nothing"""
    archive: str | None
    """a zip among the other files; it is not opened"""
    total_bytes: int
    celeba: bool
    partition: bytes | None = field(repr=False)
    """the content of a list_eval_partition file that belongs to these pictures"""
    partition_at: str | None
    fingerprint: str
    """of names and lengths"""
    stamp: str
    """changes whenever the files are written: from the times of a folder, or the checksums of a zip"""

    def item(self, index: int) -> tuple[object, ...]:
        """Return the data that a decoding process needs to read picture `index`."""
        if self.kind == "folder":
            return (self.shared + self.names[index],)
        return tuple(column[index] for column in self.places)


Watch = Callable[[int, str], None]
"""Called during a scan with the number of files seen so far and the current place."""

_OFTEN: Final = 512
"""Files between two calls; each folder gets a call too."""


def _unwatched(found: int, where: str) -> None:
    pass


def scan(path: Path, exclude: Sequence[str] = (), watch: Watch = _unwatched, splits: bool = False) -> Listing:
    """List the pictures of a folder (with subfolders and links) or a zip, except those that `exclude` matches (see
    `engine.data.exclude`). `watch` may raise to stop. splits: folders called train, validation and test are a
    partition, if there is no file of one.

    Raises UserError if there are no readable pictures; UsageError for an invalid pattern.
    """
    patterns = Exclude(exclude)
    way_out = "give a folder of pictures or a zip of them"
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path} does not exist", way_out) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path} is a link to itself", way_out) from error
        raise _unreadable(path, error) from error
    if path.resolve() == Path("/"):
        raise UserError(f"{path} is the whole file system", "name the folder that the pictures are in")
    if stat.S_ISREG(mode):
        return _listing(path, "zip", patterns, watch, splits)
    if not stat.S_ISDIR(mode):
        what = (walk.no_file(mode) or "other things").removesuffix("s")
        raise UserError(f"{path} is neither a file nor a folder (it is a {what})", way_out)
    listing = _listing(path, "folder", patterns, watch, splits)
    inner = path / f"{CELEBA_STEM}.zip"
    if not listing.names and inner.is_file():
        return _listing(inner, "zip", patterns, watch, splits)
    return listing


def _listing(path: Path, kind: Kind, exclude: Exclude, watch: Watch, splits: bool) -> Listing:
    names: list[str] = []
    columns = [array("q") for _ in range(5 if kind == "zip" else 3)]
    ignored = 0
    left_out, unreadable = LeftOut(), LeftOut()
    archive: str | None = None
    partition_name: str | None = None
    matched: set[str] = set()
    peek = _Peek(path, kind)
    met = 0

    def enter(inside: str) -> None:
        watch(met, inside)

    files = _folder_files(path, left_out, enter) if kind == "folder" else _zip_files(path, left_out)
    for met, (name, facts) in enumerate(files, 1):
        if met % _OFTEN == 0:
            watch(met, name)
        if pattern := exclude.match(name):
            matched.add(pattern)
            left_out.add(f"excluded by {pattern}", name)
            continue
        last = name[name.rfind("/") + 1 :].lower()
        ending = last[last.rfind(".") :] if "." in last else "no ending"
        if ending in ENDINGS:
            if kind == "zip" and (obstacle := unpack.obstacle(facts[3])):
                (left_out if facts[3] == unpack.LINK else unreadable).add(obstacle, name)
                continue
            if pointer := peek.pointer(name, facts):
                left_out.add(pointer, name)
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
    if partition is None and splits and (codes := _split_folders(names)):
        partition, partition_at = partition_csv(codes), f"{path}, its folders"
    return Listing(
        path=path,
        kind=kind,
        names=names,
        shared=shared,
        places=columns if kind == "zip" else [],
        ignored=ignored,
        left_out=left_out,
        unreadable=unreadable,
        folders=_folders(names),
        unmatched=tuple(pattern for pattern in exclude.patterns if pattern not in matched),
        archive=archive,
        total_bytes=sum(sizes),
        celeba=celeba,
        partition=partition,
        partition_at=partition_at,
        fingerprint=_fingerprint(names, sizes, partition),
        stamp=_stamp(columns[4:] if kind == "zip" else columns),
    )


def _sorted(
    names: list[str], columns: list["array[int]"], left_out: LeftOut
) -> tuple[list[str], list["array[int]"]]:
    """Sort by name; of equal names (which a zip may have) keep the last. Uses arrays, because objects would take much
    memory.
    """
    order = array("q", sorted(range(len(names)), key=names.__getitem__))
    kept = array("q")
    for index in order:
        if kept and names[kept[-1]] == names[index]:
            kept.pop()
            left_out.add("same names", names[index])
        kept.append(index)
    return [names[index] for index in kept], [array("q", map(column.__getitem__, kept)) for column in columns]


def _folder_files(
    root: Path, left_out: LeftOut, enter: Callable[[str], None]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield (relative name, facts) of every file. Raises UserError if the folder cannot be read."""
    try:
        yield from walk.folder_files(root, left_out, enter)
    except OSError as error:
        raise _unreadable(root, error) from error


def _zip_files(path: Path, left_out: LeftOut) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield (name, facts) of a zip's files: (offset, stored, size, method, crc)."""
    shadows: set[str] = set()
    for entry in zips.entries(path):
        *folders, last = entry.name.split("/")
        kinds = [*(walk.shadow(part, True) for part in folders), walk.shadow(last, False)]
        at = next((at for at, kind in enumerate(kinds) if kind), None)
        if at is None:
            yield entry.name, (entry.offset, entry.stored, entry.size, entry.method, entry.crc)
            continue
        whole = "/".join([*folders, last][: at + 1])
        if whole not in shadows:  # count a folder once, as on a disk
            shadows.add(whole)
            left_out.add(str(kinds[at]), whole)


POINTERS: Final = {
    b"version https://git-lfs": "git-lfs pointers",
    b"/annex/objects/": "git-annex pointers",
    b"../.git/annex/objects/": "git-annex pointers",
}
"""Beginnings of the placeholder files that git extensions leave for pictures stored elsewhere."""
_LARGEST_POINTER: Final = 1024


class _Peek:
    """Reads the smallest files: a real picture is hardly ever as small as a placeholder."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self.kind = kind

    def pointer(self, name: str, facts: tuple[int, ...]) -> str | None:
        """Return the kind of placeholder of a file with a picture's name, None for a picture."""
        if max(facts[1:3] if self.kind == "zip" else facts[:1]) > _LARGEST_POINTER:
            return None
        start = self._start(name, facts)
        return next((kind for words, kind in POINTERS.items() if start.startswith(words)), None)

    def _start(self, name: str, facts: tuple[int, ...]) -> bytes:
        try:
            if self.kind == "folder":
                return read_bytes(self.path / name, _LARGEST_POINTER)
            with open(self.path, "rb") as file:
                return zips.read_entry(file.fileno(), *facts)
        except (OSError, ValueError, zips.UnreadableEntryError):
            return b""  # packing reports the problem


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} cannot be read: {error.strerror}", "check its permissions")


def _shared_folders(names: list[str]) -> str:
    if not names:
        return ""
    first, last = (
        names[0].split("/")[:-1],
        names[-1].split("/")[:-1],
    )  # in a sorted list, the first and the last name share the common folders
    shared = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    return "".join(f"{folder}/" for folder in shared)


def _split_folders(names: list[str]) -> dict[str, int]:
    """Return the code of each picture, if every top-level folder is one of train, validation and test, and train and
    another are there; else nothing.
    """
    firsts = {name.partition("/")[0] if "/" in name else "" for name in names}
    codes = {first: split_of(f"{first}/") for first in firsts if first}
    if len(codes) != len(firsts) or None in codes.values() or not {0} < set(codes.values()):
        return {}
    return {name: code for name in names if (code := codes[name.partition("/")[0]]) is not None}


MOST_FOLDERS: Final = 12


def _folders(names: list[str]) -> dict[str, int]:
    """Return the pictures in each top-level folder, most first; those beyond the first few are combined as '…'."""
    counts = Counter(name.partition("/")[0] if "/" in name else "" for name in names)
    if len(counts) < 2:
        return {}
    first = counts.most_common(MOST_FOLDERS)
    rest = sum(counts.values()) - sum(count for _, count in first)
    return dict(first) | ({"…": rest} if rest else {})


def _stem(path: Path) -> str:
    return (path.stem if path.suffix.lower() == ".zip" else path.name).lower()


def _read_partition(
    path: Path, kind: Kind, inside: str | None, celeba: bool
) -> tuple[bytes | None, str | None]:
    """Read the partition file inside, or for CelebA beside, above, or in the `Eval` folder that its authors use."""
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
        return read_bytes(path, _LARGEST_PARTITION)
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise UserError(f"{path} cannot be read: {error}", "is it a list of names and numbers?") from error


def _fingerprint(names: list[str], sizes: "array[int]", partition: bytes | None) -> str:
    """Return a value that changes if a picture is added, removed, renamed or changes its length, or if the partition
    changes.
    """
    digest = hashlib.sha256(hashlib.sha256(partition or b"").digest())
    for name, size in zip(names, sizes, strict=True):
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _stamp(columns: list["array[int]"]) -> str:
    digest = hashlib.sha256()
    for column in columns:
        digest.update(column.tobytes())
    return digest.hexdigest()[:16]
