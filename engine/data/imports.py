"""Pictures from tars, webdataset shards, parquet files and several sources at once, brought into one zip of the home.

The files are copied as they are, so that what is packed has the same pixels whatever they came in; the zip then is a
source like any other. Opens one picture at a time. Imports neither torch nor, unless there is a parquet file, pyarrow.
"""

import contextlib
import importlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from engine.base import files
from engine.base.errors import DamagedError, DiskFullError, UserError
from engine.base.home import Home
from engine.base.records import read_json
from engine.base.text import plural
from engine.data import zips
from engine.data.dataset_names import plain_name
from engine.data.entry_names import clean_name
from engine.data.partition import partition_csv, split_of
from engine.data.scan import ENDINGS, PARTITIONS, scan

Report = Callable[[int, str], None]
"""Called with (pictures so far, the file that is read)."""
Picture = tuple[str, bytes]
"""A relative name and the file's bytes."""

TARS: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "lzma"}
"""Beginnings of compressed files, and the modules that open them."""
PARQUET: Final = ".parquet"
IMPORTED: Final = "imported.zip"
LARGEST: Final = 256 << 20
"""Bytes of the largest file that is taken for a picture."""
_COLUMNS: Final = ("image", "img", "picture", "jpg", "jpeg", "png", "webp", "bytes")
"""Names of columns with pictures, if the file does not say which one has them."""


@dataclass(frozen=True)
class _Origin:
    """A file that was imported, as it was then."""

    path: str
    size: int
    modified: int


def needs_import(paths: Sequence[Path]) -> bool:
    """Return whether the paths are not simply one folder or zip of pictures."""
    return len(paths) > 1 or any(_is_container(path) or _shards(path) for path in paths)


def usual_name(paths: Sequence[Path]) -> str:
    """Return the name that a data set of these paths gets unless one is given."""
    return plain_name(import_name(paths))


def import_name(paths: Sequence[Path]) -> str:
    """Return the name from which a data set's name is derived: that of the first path, without endings."""
    name = paths[0].name
    for ending in (*TARS, PARQUET, ".zip"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def import_pictures(
    home: Home, name: str, paths: Sequence[Path], report: Report = lambda done, text: None
) -> Path:
    """Return the zip in the data set's folder that has the pictures of all `paths`; it is made unless they are as they
    were when it was.

    Pictures keep their names; those of several files get the file's name as a folder. Names of files and folders that
    say train, validation or test become a partition. Raises UserError naming the file that cannot be read, is cut short
    or has no pictures; DiskFullError.
    """
    parts = [part for path in paths for part in _parts(path)]
    origins = [_origin(part) for part in parts]
    folder = home.source(name).download
    target, record = folder / IMPORTED, folder / "import.json"
    known = [asdict(origin) for origin in origins]
    if target.is_file() and _known(record) == known:
        return target
    home.create()
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".{IMPORTED}.*.tmp"):  # of an import that was killed
        left.unlink(missing_ok=True)
    files.require_free(folder, sum(_weight(part) for part in parts))
    prefixes = _prefixes(parts)
    with files.replacing(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        splits: dict[str, int] = {}
        count = 0
        for part, prefix in zip(parts, prefixes, strict=True):
            before = count
            for picture_name, content in _pictures(part):
                whole = prefix + picture_name
                archive.writestr(zipfile.ZipInfo(whole), content)
                if (split := split_of(whole)) is not None:
                    splits[whole] = split
                count += 1
                report(count, part.name)
            if count == before:
                raise UserError(f"{part} has no pictures", "they are known by their endings: .jpg, .png, …")
        if {0} < set(splits.values()):
            archive.writestr(PARTITIONS[1], partition_csv(splits))
    files.write_json(record, known)
    return target


def _known(record: Path) -> Any:
    with contextlib.suppress(DamagedError, OSError):
        return read_json(record, "the record of an import")
    return None


def _origin(path: Path) -> _Origin:
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", "check the path and its permissions"
        ) from None
    return _Origin(str(path), status.st_size, status.st_mtime_ns)


def _weight(path: Path) -> int:
    return path.stat().st_size if path.is_file() else scan(path).total_bytes


def _is_container(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith((*TARS, PARQUET))


def _shards(folder: Path) -> list[Path]:
    """The tars and parquet files of a folder and the folders in it, by name; none if there are pictures beside them."""
    found = []
    try:
        within = (
            [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
        )
        for inner in [path for path in within if path.is_dir()]:
            within += [path for path in inner.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []  # the scan says what cannot be read
    for path in within:
        if path.name.lower().endswith((*ENDINGS, ".zip")):
            return []
        if _is_container(path):
            found.append(path)
    return sorted(found)


def _parts(path: Path) -> list[Path]:
    return _shards(path) or [path]


def _prefixes(parts: Sequence[Path]) -> list[str]:
    """A folder for the pictures of each file, if there are several."""
    if len(parts) == 1:
        return [""]
    stems = [import_name([part]) for part in parts]
    return [f"{stem}/" if stems.count(stem) == 1 else f"{stem}-{index}/" for index, stem in enumerate(stems)]


def _pictures(path: Path) -> Iterator[Picture]:
    name = path.name.lower()
    if path.is_file() and name.endswith(TARS):
        return _from_tar(path)
    if path.is_file() and name.endswith(PARQUET):
        return _from_parquet(path)
    return _from_source(path)


def _from_source(path: Path) -> Iterator[Picture]:
    """The pictures of a folder or a zip."""
    listing = scan(path)
    if listing.kind == "folder":
        for index, name in enumerate(listing.names):
            yield name, (listing.path / str(listing.item(index)[0])).read_bytes()
        return
    with open(listing.path, "rb") as file:
        for index, name in enumerate(listing.names):
            try:
                place = [int(str(number)) for number in listing.item(index)]
                yield name, zips.read_entry(file.fileno(), place[0], place[1], place[2], place[3], place[4])
            except zips.UnreadableEntryError:
                yield name, b""  # packing names it as broken


def _from_tar(path: Path) -> Iterator[Picture]:
    """The pictures of a tar, compressed or not, read once from the beginning to the end."""
    count = 0
    _check_end(path)
    try:
        with _uncompressed(path) as file, tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # else it keeps all of them
                name = clean_name(member.name)
                hidden = any(part.startswith(".") for part in name.split("/"))
                if not member.isfile() or hidden or not name.lower().endswith(tuple(ENDINGS)):
                    continue
                content = archive.extractfile(member)
                assert content is not None
                body = content.read() if member.size <= LARGEST else b""
                if len(body) != member.size and member.size <= LARGEST:
                    raise tarfile.ReadError("unexpected end of data")
                count += 1
                yield name, body
    except tarfile.ReadError:
        if count == 0 and not tarfile_like(path):
            raise UserError(f"{path} is not a tar file", "download or copy it again") from None
        raise _cut(path, count) from None
    except (EOFError, zlib.error, lzma.LZMAError):
        raise _cut(path, count) from None
    except OSError as error:
        if isinstance(error, DiskFullError) or files.is_disk_full(error):
            raise
        raise _cut(path, count) from None


def _uncompressed(path: Path) -> IO[bytes]:
    """The tar itself. Python's own decompressors, unlike those of `tarfile`, raise EOFError at an end that is none."""
    with open(path, "rb") as file:
        start = file.read(6)
    for magic, module in _COMPRESSED.items():
        if start.startswith(magic):
            opened: IO[bytes] = importlib.import_module(module).open(path, "rb")
            return opened
    return open(path, "rb")


def _check_end(path: Path) -> None:
    """Raise UserError for an uncompressed tar without the empty block at its end, which `tarfile` does not miss."""
    if path.suffix.lower() != ".tar" or not tarfile_like(path):
        return
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - tarfile.BLOCKSIZE))
        if length % tarfile.BLOCKSIZE or any(file.read()):
            raise _cut(path)


def tarfile_like(path: Path) -> bool:
    """Return whether a file begins like a tar, compressed or not."""
    with open(path, "rb") as file:
        start = file.read(512)
    return start[257:262] == b"ustar" or start.startswith(tuple(_COMPRESSED))


def _cut(path: Path, count: int = 0) -> UserError:
    after = f" after {plural(count, 'picture')}" if count else ""
    return UserError(f"{path} is cut short or damaged{after}", "download or copy it again")


def _from_parquet(path: Path) -> Iterator[Picture]:
    """The pictures of a parquet file in the Hugging Face layout: bytes, or paths of files beside it."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise UserError(
            f"{path} needs pyarrow, which is not installed", "pip install 'ddpm-tui[parquet]'"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            column = _picture_column(path, file.schema_arrow, pyarrow)
            number = 0
            for batch in file.iter_batches(batch_size=64, columns=[column]):
                for value in batch.column(0).to_pylist():
                    yield _picture(path, number, value)
                    number += 1
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and files.is_disk_full(error):
            raise
        said = str(error).splitlines()[0]
        raise UserError(f"{path} cannot be read as parquet: {said}", "download or copy it again") from None


def _picture_column(path: Path, schema: Any, pyarrow: Any) -> str:
    """The column with pictures: a struct of bytes and path, or bytes or text under a usual name."""
    kinds: dict[str, Any] = {field.name: field.type for field in schema}
    for name, kind in kinds.items():
        if pyarrow.types.is_struct(kind) and "bytes" in {kind.field(i).name for i in range(kind.num_fields)}:
            return name
    for name in _COLUMNS:
        kind = kinds.get(name)
        if kind is not None and any(
            is_it(kind)
            for is_it in (pyarrow.types.is_binary, pyarrow.types.is_large_binary, pyarrow.types.is_string)
        ):
            return name
    raise UserError(
        f"{path} has no column with pictures (it has {', '.join(list(kinds)[:8]) or 'none'})",
        "such a column is called image, and holds bytes or paths",
    )


def _picture(path: Path, number: int, value: Any) -> Picture:
    content, name = value, ""
    if isinstance(value, dict):
        content, name = value.get("bytes"), str(value.get("path") or "")
    elif isinstance(value, str):
        content, name = None, value
    if content is None and name:
        beside = path.parent / clean_name(name)
        content = beside.read_bytes() if beside.is_file() else b""
    body = bytes(content or b"")
    return f"{number:08d}{_ending(body, name)}", body


def _ending(body: bytes, name: str) -> str:
    """The ending of a picture's name: by its first bytes, else by the name that it had."""
    for start, ending in ((b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"BM", ".bmp")):
        if body.startswith(start):
            return ending
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return ".webp"
    own = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a name, not a path
    return own if own in ENDINGS else ".png"
