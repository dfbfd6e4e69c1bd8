"""The labels of a data set in a home: found beside its pictures or given, kept with it, and put beside what is packed.

`data/<dataset>/labels.safetensors` has them by picture. A packed folder has a file for each state that they were in,
named by its digest, and `labels.json`, which says which one counts: a run that learned from an earlier state goes on
with it. Knows nothing of runs; needs no torch.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.base.errors import DamagedError, DdpmError, UserError
from engine.base.files import write_json
from engine.base.folders import PackedFolder
from engine.base.home import Home, given_path
from engine.base.records import MissingError, read_bytes, read_json
from engine.base.text import plural, shell_word
from engine.base.typed import Count, check_format, typed
from engine.data import zips
from engine.data.catalog import FACES_SEED, Source, load_source, open_source, packed_folders
from engine.data.faces.labels import NAMES as FACE_NAMES
from engine.data.faces.labels import face_labels
from engine.data.label_files import FOLDERS, LARGEST, NAMES, aligned, class_folders, read_label_file
from engine.data.labels import Labels, LabelTable, read_table, write_table
from engine.data.manifest import PackedManifest, is_whole, load_manifest
from engine.data.scan import Listing
from engine.data.split import choose

FORMAT: Final = 1

EDITED: Final = " (edited)"
"""Behind the source of labels that were changed by hand: they are not read again."""


@dataclass(frozen=True)
class PackedLabels:
    """labels.json: which labels count for packed pictures. digest: of `Labels` and in the name of their file."""

    digest: str
    kind: str
    names: tuple[str, ...]
    count: Count
    unlabelled: Count = 0
    source: str = ""
    format: int = FORMAT


def label_source(home: Home, name: str, given: Path | str | None = None) -> LabelTable | None:
    """Take the labels of a data set: from the file `given`, else those it has, else a label file or class folders that
    are found. What is packed of it gets them too. None if there are none.

    Raises UserError for a file that has no labels, or those of other pictures; DamagedError.
    """
    source = load_source(home, name)
    if source.kind == "built-in":
        if given is not None:
            raise UserError(f"{name!r} is built in and knows its own labels", "leave --labels out")
        return source_labels(home, name)
    listing = open_source(home, source)
    path = home.source(name).labels
    before = read_table(path) if path.exists() else None
    edited = before is not None and before.source.endswith(EDITED)
    where = given_path(given).absolute() if given is not None else None
    if where is None and before is not None and not edited and Path(before.source).is_file():
        where = Path(before.source)  # it may say more by now
    if where is not None:
        table = read_label_file(_content(where), str(where))
    elif before is not None and (edited or before.source != FOLDERS):
        table = before
    else:
        found = _found(listing)
        if found is None:
            return None
        table = found
    labels, remarks = aligned(table, listing.names, table.source or str(given))
    made = LabelTable(tuple(listing.names), labels, table.source, tuple(remarks))
    write_table(path, made)
    _attach_all(home, name)
    return made


def source_labels(home: Home, name: str) -> LabelTable | None:
    """The labels of a data set by picture; of the built-in faces their names alone. None if it has none."""
    if load_source(home, name).kind == "built-in":
        return LabelTable(
            (), Labels("attributes", FACE_NAMES, np.empty((0, len(FACE_NAMES)), np.int8)), "built-in"
        )
    path = home.source(name).labels
    return read_table(path) if path.exists() else None


def _found(listing: Listing) -> LabelTable | None:
    """A label file beside the pictures, else their folders as classes. A file that cannot be used is a remark."""
    remarks: list[str] = []
    for where, read in _candidates(listing):
        try:
            table = read_label_file(read(), where)
            aligned(table, listing.names, where)
            return table
        except DdpmError as error:
            remarks.append(f"{where} is not used: {error.what}")
    folders = class_folders(listing.names)
    if folders is None:
        return None
    return LabelTable(folders.pictures, folders.labels, folders.source, (*remarks, *folders.remarks))


def _candidates(listing: Listing) -> list[tuple[str, Callable[[], bytes]]]:
    """Label files that may belong to these pictures: (how errors call it, what reads it)."""
    found: list[tuple[str, Callable[[], bytes]]] = []
    if listing.kind == "zip":
        inside = {entry.name: entry for entry in zips.entries(listing.path)}
        for wanted in NAMES:
            for name in sorted((n for n in inside if n.rpartition("/")[2] == wanted), key=len)[:1]:
                found.append((f"{listing.path}:{name}", partial(_from_zip, listing.path, inside[name])))
    places = [listing.path, listing.path / listing.shared] if listing.kind == "folder" else []
    if listing.celeba:
        parent = listing.path.parent
        places += [parent, parent / "Anno", parent.parent, parent.parent / "Anno"]
    elif listing.kind == "zip":
        places.append(listing.path.parent)
    for wanted in NAMES:
        for place in dict.fromkeys(places):
            path = place / wanted
            # Beside a zip or a folder of faces lie other things too: only what is CelebA's by its name.
            own = place in (listing.path, listing.path / listing.shared)
            if (own or "celeba" in wanted) and path.is_file():
                found.append((str(path), partial(_content, path)))
    return found


def _from_zip(path: Path, entry: zips.ZipEntry) -> bytes:
    with open(path, "rb") as file:
        try:
            return zips.read_entry(file.fileno(), *entry[1:])
        except zips.UnreadableEntryError as error:
            raise UserError(f"{entry.name} in {path} {error}", "download or copy the zip again") from None


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, LARGEST)
    except FileNotFoundError:
        raise UserError(
            f"--labels {path}: there is no such file", "see docs/labels.md for the forms"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", "check its permissions") from None
    except ValueError as error:
        raise UserError(f"{path} cannot be read: {error}", "is it a list of names and labels?") from None


# Beside packed pictures.


def packed_labels(home: Home, folder: PackedFolder, digest: str | None = None) -> Labels | None:
    """The labels of packed pictures, in their order; those of an earlier state by their digest. Attached first if the
    data set has some and these pictures have not got them. None if there are none.

    Raises UserError if those of the digest are gone, DamagedError.
    """
    if digest is None and (record := read_packed(folder)) is None:
        record = attach(home, folder)
        if record is None:
            return None
    wanted = digest or (record.digest if record else "")
    path = folder.labels(wanted)
    if not path.exists():
        raise UserError(
            f"the labels that are wanted of {folder.path.name} are gone ({wanted})",
            "start a new run with those there are",
        )
    labels = read_table(path).labels
    if labels.digest() != wanted or len(labels) != load_manifest(folder).count:
        raise DamagedError(f"{path} is altered", "delete it; `ddpm-tui data add PATH` makes it anew")
    return labels


def read_packed(folder: PackedFolder) -> PackedLabels | None:
    """What is written of the labels of packed pictures; None if nothing is. Raises DamagedError, UserError."""
    try:
        what = f"the record of the labels of {folder.path.name}"
        content = check_format(read_json(folder.label_record, what), FORMAT, what, folder.label_record)
        return typed(PackedLabels, content, what, folder.label_record)
    except MissingError:
        return None


def attach(home: Home, folder: PackedFolder) -> PackedLabels | None:
    """Put the data set's labels beside packed pictures, without packing anything again. None if it has none.

    Raises UserError if the pictures have changed since they were packed, so that it cannot be told which is which.
    """
    manifest = load_manifest(folder)
    source = load_source(home, manifest.dataset)
    if source.kind == "built-in":
        labels = Labels("attributes", FACE_NAMES, face_labels(FACES_SEED, manifest.count))
        return _write(folder, LabelTable((), labels, "built-in"))
    table = source_labels(home, manifest.dataset)
    if table is None:
        return None
    labels, remarks = aligned(table, _names(home, source, folder, manifest), table.source)
    return _write(folder, LabelTable((), labels, table.source, tuple(remarks)))


def _write(folder: PackedFolder, table: LabelTable) -> PackedLabels:
    labels = table.labels
    record = PackedLabels(
        labels.digest(), labels.kind, labels.names, len(labels), labels.unlabelled, table.source
    )
    if not folder.labels(record.digest).exists():
        write_table(folder.labels(record.digest), table)
    write_json(folder.label_record, asdict(record))
    return record


def _attach_all(home: Home, name: str) -> list[str]:
    """Put labels beside everything that is packed of a data set as it is now; what could not be, in a line each."""
    fingerprint = load_source(home, name).fingerprint
    said = []
    for folder, manifest in packed_folders(home, name):
        if manifest and manifest.fingerprint == fingerprint and is_whole(folder):
            try:
                attach(home, folder)
            except UserError as error:
                said.append(f"{folder.path.name}: {error}")
    return said


def _names(home: Home, source: Source, folder: PackedFolder, manifest: PackedManifest) -> list[str]:
    """The names of packed pictures in their order: those of the source, without what was chosen out or was broken."""
    again = f"`ddpm-tui data add {shell_word(source.path)} --name {source.name}` packs them anew, with their labels"
    if manifest.fingerprint != source.fingerprint:
        raise UserError(
            f"{folder.path.name} was packed of other pictures than {source.name!r} has now", again
        )
    listing = open_source(home, source)
    names: Sequence[str] = listing.names
    if manifest.limit is not None:
        names = [listing.names[index] for index in choose(listing.names, manifest.limit)]
    broken = _broken(folder)
    left = [name for name in names if _as_reported(name) not in broken] if broken else list(names)
    if len(left) != manifest.count:
        raise UserError(
            f"{folder.path.name} holds {plural(manifest.count, 'picture')}, and {len(left):,} are known by name",
            again,
        )
    return left


def _broken(folder: PackedFolder) -> set[str]:
    with contextlib.suppress(OSError):
        return {line.partition("\t")[0] for line in folder.report.read_text("utf-8").splitlines() if line}
    return set()


def _as_reported(name: str) -> str:
    """A name as packing writes it into its report of broken pictures."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")


# Editing.


def edit_labels(home: Home, name: str, change: Callable[[Labels], Labels]) -> LabelTable:
    """Change the labels of a data set, and those beside what is packed of it; earlier states stay for the runs that
    began with them. Raises UserError for a data set that has none, or is built in."""
    source = load_source(home, name)
    if source.kind == "built-in":
        raise UserError(
            f"{name!r} is built in, and so are its labels", "a profile chooses among them: [labels] names"
        )
    table = source_labels(home, name)
    if table is None:
        raise UserError(f"data set {name!r} has no labels", no_labels_hint(source))
    source_words = table.source.removesuffix(EDITED) + EDITED
    made = LabelTable(table.pictures, change(table.labels), source_words, table.remarks)
    write_table(home.source(name).labels, made)
    _attach_all(home, name)
    return made


def forget_labels(home: Home, name: str) -> None:
    """Take all labels of a data set away; what is packed keeps its files for the runs that began with them."""
    if load_source(home, name).kind == "built-in":
        raise UserError(f"{name!r} is built in, and so are its labels")
    home.source(name).labels.unlink(missing_ok=True)
    for folder, _ in packed_folders(home, name):
        folder.label_record.unlink(missing_ok=True)


def no_labels_hint(source: Source) -> str:
    return (
        f"`ddpm-tui data add {shell_word(source.path)} --name {source.name} --labels FILE` gives it some, "
        "without packing again"
    )


def facts_of(table: LabelTable) -> dict[str, Any]:
    """What `data show` says, as plain data."""
    counts = table.labels.counts()
    return {
        "kind": table.labels.kind,
        "source": table.source,
        "pictures": len(table.labels),
        "unlabelled": table.labels.unlabelled if len(table.labels) else 0,
        "labels": [
            {"name": name, "present": present, "absent": absent, "unknown": unknown}
            for name, present, absent, unknown in counts
        ],
        "remarks": list(table.remarks),
    }
