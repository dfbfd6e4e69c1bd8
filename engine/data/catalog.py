"""The data sets of $DDPM_HOME: their sources and their packed forms.

Imports neither torch nor NumPy, so that commands list data sets quickly. The data set "faces" is built in and always
available. The name of a packed folder depends on everything that affects its bytes, including the source's
fingerprint. If pictures are added to a source, packed data stays as it is (runs continue with it), `check_source`
reports the change, and adding the same path again registers the new state, which is packed into a new folder.
"""

import contextlib
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from engine.base import files
from engine.base.errors import BusyError, DamagedError, GoneError, UserError, unknown
from engine.base.folders import PackedFolder, SourceFolder
from engine.base.home import NAME, Home, given_path
from engine.base.records import read_json
from engine.base.text import plural, shell_word
from engine.base.typed import Migration, check_format, migrated, typed, unknown_fields
from engine.config.recipes import CROP_RECIPES
from engine.data.dataset_names import FACES, PACKED_NAME, check_dataset_name, derived_name
from engine.data.freshness import fingerprint_now
from engine.data.listing_checks import check_pictures, partition_words
from engine.data.manifest import FORMAT as PACKED_FORMAT
from engine.data.manifest import PackedManifest, is_whole, load_manifest
from engine.data.partition import Partition
from engine.data.recipes import OLDER_RESAMPLINGS, RESAMPLING, check_recipe
from engine.data.scan import Listing, Watch, scan
from engine.data.split import FEWEST_HELD_OUT, TRAIN, assign, choose

FORMAT: Final = 1

MIGRATIONS: Final[dict[int, Migration]] = {}
"""Functions that migrate source.json from each older format to the next."""


FACES_COUNT: Final = 10_000
"""The number of built-in faces if no limit is given."""
FACES_SEED: Final = 0
FACES_VERSION: Final = 1
"""Increased whenever `engine.data.faces` draws the same number differently; packed faces are then drawn again."""


@dataclass(frozen=True)
class Source:
    """The location of a data set's pictures, and their state when it was added."""

    name: str
    kind: Literal["folder", "zip", "built-in"]
    path: str
    """absolute; '' for the built-in faces"""
    pictures: int
    total_bytes: int
    fingerprint: str
    """of all names and sizes and the partition, see `engine.data.scan`; of the contents too if they were edited, see
    `engine.data.freshness`"""
    celeba: bool = False
    partition: str | None = None
    """the partition file that splits the pictures, if there is one that names some of them"""
    partition_problem: str = ""
    """why an existing partition file is not used"""
    partition_remark: str = ""
    """what `partition` leaves open, and how that is resolved"""
    ignored: int = 0
    """number of files that are not pictures by their name"""
    left_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    """these and unused pictures by kind, see `engine.data.left_out`"""
    leave_out_broken: bool = False
    """whether any number of broken pictures may be left out"""
    exclude: tuple[str, ...] = ()
    """patterns of names that are left out, see `engine.data.exclude`"""
    folders: dict[str, int] = field(default_factory=dict)
    """pictures in each top-level folder, if there are several; '' for those outside folders"""
    listed: str = ""
    """the fingerprint of names and sizes alone, if `fingerprint` differs from it"""
    splits: bool = False
    """whether folders called train, validation and test are a partition; not in those of older versions"""
    stamp: str = ""
    """changes whenever the files are written; '' from older versions"""
    format: int = FORMAT


# Sources


def add_source(
    home: Home,
    path: Path | str,
    name: str | None = None,
    leave_out_broken: bool = False,
    exclude: Sequence[str] | None = None,
    watch: Watch = lambda found, where: None,
) -> Source:
    """Register a folder or zip of pictures as data set `name` (by default derived from the path).

    Adding the same path again registers its current state. A data set whose pictures moved may be added from the new
    place under the old name. Nothing is decoded yet. `exclude` has the patterns of names to leave out; None keeps the
    earlier patterns. `watch` is called with the number of files seen so far and the current place.

    Raises UserError if there are fewer than two pictures, a pattern matches none, or the name is used for other
    pictures.
    """
    where = given_path(path).absolute()
    if name is not None:
        check_dataset_name(name)
    given = exclude is not None
    earlier = _earlier(home, where, name)
    if exclude is None:
        exclude = earlier.exclude if earlier else ()
    splits = earlier.splits if earlier else True
    listing = scan(where, exclude, watch, splits)
    if given and listing.unmatched:
        raise UserError(
            f"no file in {where} is named by --exclude {listing.unmatched[0]}",
            "a pattern is compared with each part of a path, or, if it contains '/', with the whole path",
        )
    check_pictures(where, listing, leave_out_broken)
    chosen = name or derived_name(where, listing)
    partition_problem, partition_remark = partition_words(listing)
    folder = home.source(chosen)
    before = load_source(home, chosen) if folder.record.exists() else None
    fingerprint = fingerprint_now(listing, before, _manifests(home, chosen))
    source = Source(
        name=chosen,
        kind=listing.kind,
        path=str(where),
        pictures=len(listing.names),
        total_bytes=listing.total_bytes,
        fingerprint=fingerprint,
        listed=listing.fingerprint if fingerprint != listing.fingerprint else "",
        stamp=listing.stamp,
        celeba=listing.celeba,
        partition=None if partition_problem else listing.partition_at,
        partition_problem=partition_problem,
        partition_remark=partition_remark,
        ignored=listing.ignored,
        left_out=listing.left_out.to_json(),
        leave_out_broken=leave_out_broken,
        exclude=tuple(exclude),
        folders=listing.folders,
        splits=splits,
    )
    if before is not None:
        _check_same(before, source)
    home.create()
    folder.path.mkdir(parents=True, exist_ok=True)
    others = {} if before is None else unknown_fields(_record(folder.record, chosen), Source)
    files.write_json(folder.record, others | asdict(source))
    if before is not None and before.fingerprint != source.fingerprint:
        _drop_unfinished(home, chosen)
    return source


def _earlier(home: Home, where: Path, name: str | None) -> Source | None:
    """Return the data set with that name or path as it was added before."""
    for source in list_sources(home):
        if source.name == name or (name is None and source.path == str(where)):
            return source
    return None


def _drop_unfinished(home: Home, name: str) -> None:
    """Delete unfinished or refused packed data of an earlier state of the source, which can never be completed."""
    for folder, _ in packed_folders(home, name, whole_only=False):
        if folder.manifest.exists():
            continue
        with contextlib.suppress(GoneError):
            lock = files.FileLock.try_acquire(folder.lock)
            if lock is not None:  # otherwise another process is packing the earlier state
                with lock:
                    shutil.rmtree(folder.path, ignore_errors=True)


def _check_same(old: Source, new: Source) -> None:
    if old.path == new.path or (not Path(old.path).exists() and old.fingerprint == new.fingerprint):
        return
    if Path(old.path).exists():
        raise UserError(f"the data set {old.name!r} already names {old.path}", "give another one with --name")
    raise UserError(
        f"the data set {old.name!r} named {old.path}, which is gone, and {new.path} holds other pictures",
        f"give another name with --name, or first `ddpm-tui data remove {old.name}`",
    )


def faces_source() -> Source:
    """Return the built-in data set."""
    return Source(FACES, "built-in", "", FACES_COUNT, 0, f"faces-{FACES_VERSION}-{FACES_SEED}")


def load_source(home: Home, name: str) -> Source:
    """Return the data set `name`. Raises UserError with the nearest name if there is none, DamagedError for a damaged
    file.
    """
    if name == FACES:
        return faces_source()
    record = home.source(name).record if NAME.fullmatch(name) else None
    if record is None or not record.exists():
        if name == "celeba":  # never suggest another name: this one is unambiguous
            raise UserError(
                "there is no data set named 'celeba' yet",
                "`ddpm-tui data add PATH` adds its folder or zip, `ddpm-tui data add celeba` downloads it",
            )
        named = f" --name {name}" if NAME.fullmatch(name) else ""
        raise unknown("data set", name, _names(home), f"add it with `ddpm-tui data add PATH{named}`")
    return typed(Source, _record(record, name), f"the record of data set {name!r}", record)


def _record(path: Path, name: str) -> dict[str, Any]:
    """Return source.json, migrated to the newest format."""
    what = f"the record of data set {name!r}"
    return migrated(check_format(read_json(path, what), FORMAT, what, path), MIGRATIONS, FORMAT, what)


def list_sources(home: Home, complain: Callable[[str], None] = lambda text: None) -> list[Source]:
    """Return all data sets by name, the built-in one first; `complain` is called for each that cannot be read. Raises
    OSError if the folder of data sets cannot be read.
    """
    found = []
    for name in _names(home, complain):
        try:
            found.append(load_source(home, name))
        except (DamagedError, UserError) as error:
            complain(str(error))
    return found


def _names(home: Home, complain: Callable[[str], None] = lambda text: None) -> list[str]:
    found = []
    for path in sorted(home.data.iterdir()) if home.data.is_dir() else []:
        try:
            SourceFolder(path).record.stat()
        except (FileNotFoundError, NotADirectoryError):  # a packed folder
            continue
        except OSError as error:
            complain(f"{path} cannot be read ({(error.strerror or str(error)).lower()}), so it is left out")
            continue
        found.append(path.name)
    return [FACES, *(name for name in found if name != FACES)]


def check_source(home: Home, name: str) -> str | None:
    """Return one line if the pictures are gone or have changed since they were added, else None. Decodes nothing."""
    source = load_source(home, name)
    if source.kind == "built-in":
        return None
    try:
        open_source(home, source)
    except UserError as error:
        return str(error)
    return None


def place_of(source: Source) -> Path:
    """Return the folder or zip of a source that is not built in. Raises UserError if it is gone."""
    path = Path(source.path)
    if not path.exists():
        raise UserError(
            f"the pictures of {source.name!r} are no longer at {source.path}",
            f"move them back, or use `ddpm-tui data add NEW_PATH --name {source.name}`",
        )
    return path


def open_source(home: Home, source: Source) -> Listing:
    """List the pictures of a source again.

    Raises UserError if they have moved or changed since they were added.
    """
    listing = scan(place_of(source), source.exclude, splits=source.splits)
    if fingerprint_now(listing, source, _manifests(home, source.name)) != source.fingerprint:
        same_names = listing.fingerprint == (source.listed or source.fingerprint)
        how = f"{plural(source.pictures, 'picture')} then, {len(listing.names):,} now"
        raise UserError(
            f"{source.path} has changed since {source.name!r} was added "
            f"({'pictures were edited, names and lengths are the same' if same_names else how})",
            f"`ddpm-tui data add {shell_word(source.path)} --name {source.name}` adds it again; packed data is kept",
        )
    return listing


def _manifests(home: Home, name: str) -> list[PackedManifest]:
    return [manifest for _, manifest in packed_folders(home, name) if manifest]


def trains_at_most(source: Source, limit: int | None, listing: Listing | None) -> int:
    """Return the number of training pictures if none is broken; without a listing, an upper limit."""
    total = (
        min(limit or source.pictures, source.pictures) if source.kind != "built-in" else limit or FACES_COUNT
    )
    if listing is None or total < 2:
        return max(0, total - (FEWEST_HELD_OUT if total >= 2 * FEWEST_HELD_OUT else 1))
    chosen = choose(listing.names, total) if total < len(listing.names) else range(len(listing.names))
    partition = Partition(listing.partition) if listing.partition else None
    split, _ = assign([listing.names[index] for index in chosen], partition)
    return split.count(TRAIN)


def remove_source(home: Home, name: str) -> list[Path]:
    """Forget a data set: its record and its packed folders go to the trash; the pictures themselves stay.

    Returns their former paths. Raises UserError for the built-in one, BusyError while it is being packed.
    """
    if name == FACES:
        raise UserError(f"{FACES!r} is built in and cannot be removed")
    load_source(home, name)
    from engine.base.trash import discard

    folders = [folder for folder, _ in packed_folders(home, name, whole_only=False)]
    for folder in folders:
        if files.is_locked(folder.lock):
            raise BusyError(f"{name!r} is being packed", "wait for it or stop it first")
    gone = [*(folder.path for folder in folders), home.source(name).path]
    group = uuid.uuid4().hex
    for path in gone:
        discard(home, "data", path.name, path, group)
    return gone


# Packed folders


def packed_folder(
    home: Home, dataset: str, size: int, recipe: str, limit: int | None, fingerprint: str | None = None
) -> PackedFolder:
    """Return the folder of this data set packed with this recipe, whether it exists or not.

    The folder may be of an older version, or of another recipe if no picture has CelebA's shape, because all recipes
    then take the same square. `fingerprint` selects the state of the pictures with which a run began; the default is
    the newest.
    """
    source = load_source(home, dataset)
    own = own_packed_folder(home, source, size, recipe, limit, fingerprint)
    if source.kind == "built-in" or is_whole(own):
        return own
    for resampling in (RESAMPLING, *OLDER_RESAMPLINGS):
        for other in (recipe, *(name for name in CROP_RECIPES if name != recipe)):
            identity = packed_identity(source, size, other, limit, fingerprint) | {"resampling": resampling}
            folder = home.packed(dataset, identity)
            if is_whole(folder) and (other == recipe or not load_manifest(folder).celeba_shaped):
                return folder
    return own


def own_packed_folder(
    home: Home, source: Source, size: int, recipe: str, limit: int | None, fingerprint: str | None = None
) -> PackedFolder:
    """Return the folder that this version uses for exactly this recipe."""
    return home.packed(source.name, packed_identity(source, size, recipe, limit, fingerprint))


def packed_identity(
    source: Source, size: int, recipe: str, limit: int | None, fingerprint: str | None = None
) -> dict[str, object]:
    """Return everything that affects the packed bytes. Recipe and limit are normalised if they have no effect."""
    check_recipe(recipe)
    built_in = source.kind == "built-in"
    if built_in:
        limit = limit or FACES_COUNT
    elif limit is not None and limit >= source.pictures:
        limit = None
    return {
        "format": PACKED_FORMAT,
        "size": size,
        "recipe": "drawn" if built_in else recipe,
        "resampling": "none" if built_in else RESAMPLING,
        "limit": limit,
        "fingerprint": fingerprint or source.fingerprint,
    }


def packed_folders(
    home: Home, dataset: str | None = None, *, whole_only: bool = True
) -> list[tuple[PackedFolder, PackedManifest | None]]:
    """Return the packed folders (of one data set) with their manifests; None for damaged and unfinished ones."""
    found: list[tuple[PackedFolder, PackedManifest | None]] = []
    for path in sorted(home.data.glob("*")):
        match = PACKED_NAME.fullmatch(path.name)
        if not match or (dataset is not None and match[1] != dataset) or not path.is_dir():
            continue
        folder = PackedFolder(path)
        try:
            manifest = load_manifest(folder)
        except DamagedError:
            manifest = None
        if manifest is not None or not whole_only:
            found.append((folder, manifest))
    return found
