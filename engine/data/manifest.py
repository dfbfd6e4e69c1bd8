"""The contents of one packed folder, and checks of its completeness. Knows nothing about the source of its pictures.

Needs neither NumPy nor Pillow, so that data sets can be listed from their manifests.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.base.errors import DamagedError, UserError
from engine.base.folders import PackedFolder
from engine.base.records import read_json
from engine.base.text import plural
from engine.base.typed import Migration, check_format, migrated, typed

FORMAT: Final = 1

MIGRATIONS: Final[dict[int, Migration]] = {}
"""Functions that migrate the manifest from each older format to the next."""


@dataclass(frozen=True)
class PackedManifest:
    """The contents of a packed folder. It is written last, so a folder with a manifest is complete. It contains no
    times, so packing the same pictures twice gives the same bytes.
    """

    dataset: str
    size: int
    recipe: str
    """'drawn' for the built-in faces"""
    resampling: str
    limit: int | None
    fingerprint: str
    source: str
    """the path of the source"""
    count: int
    train: int
    held_out: int
    test: int
    split_by: str
    """'partition' or 'name' (about 2 % held out by a hash of the name)"""
    broken: int
    celeba_shaped: int
    """pictures on which a CelebA recipe's own box was used; the others use their largest centred square"""
    enlarged: int
    """pictures whose crop was smaller than `size`"""
    files: dict[str, dict[str, Any]]
    """name → {"size", "sha256"}"""
    smallest: int = 0
    """pixels per side of the smallest crop that was enlarged; 0 if none was, or if an older version packed it"""
    largest: int = 0
    """the same for the largest"""
    listed: str = ""
    """the fingerprint of names and lengths alone, if `fingerprint` stands for edited pictures"""
    contents: str = ""
    """digest of the checksums of all pictures' files, see `engine.data.freshness`; '' from older versions"""
    darkest: int | None = None
    brightest: int | None = None
    """the smallest and largest number among all pixels; None from older versions"""
    format: int = FORMAT

    @property
    def identity(self) -> str:
        """Return an identifier of the packed bytes, with which a run checks that it still trains on the same
        pictures.
        """
        return str(self.files["pictures.u8"]["sha256"])


def load_manifest(folder: PackedFolder) -> PackedManifest:
    """Read the manifest. Raises DamagedError if it is missing, unreadable or from a newer version."""
    content = read_json(folder.manifest, "the manifest of a packed data set")
    try:
        what = "the manifest of a packed data set"
        content = migrated(check_format(content, FORMAT, what, folder.manifest), MIGRATIONS, FORMAT, what)
        manifest = typed(PackedManifest, content, what)
        if "pictures.u8" not in manifest.files or not all(map(_is_entry, manifest.files.items())):
            raise DamagedError("its files")
    except UserError:
        raise DamagedError(
            f"{folder.path} was packed by a newer ddpm-tui", "update ddpm-tui, or pack it again"
        ) from None
    except DamagedError as error:
        raise DamagedError(
            f"the manifest of a packed data set is damaged: {folder.manifest}",
            "delete the folder; it is packed again",
        ) from error
    return manifest


def _is_entry(item: tuple[str, Any]) -> bool:
    """Return whether a name and its facts are those of a file in the folder."""
    name, facts = item
    inside = name not in ("", ".", "..") and "/" not in name and isinstance(facts, dict)
    return inside and type(facts.get("size")) is int and isinstance(facts.get("sha256"), str)


UNUSED_HALF: Final = 128


def remarks(manifest: PackedManifest) -> list[str]:
    """Return remarks on packed pictures, one line each."""
    if manifest.recipe == "drawn":
        return []
    found = []
    if not manifest.contents:
        found.append(
            "packed by an older version without checksums, so later edits of the pictures are not detected; "
            "`ddpm-tui data add` with --repack packs them again"
        )
    way_out = "if their files use a part of the range, as 12 bits in 16 do, stretch it and add them again"
    if manifest.brightest is not None and manifest.brightest < UNUSED_HALF:
        found.append(f"no picture is brighter than {manifest.brightest} of 255; {way_out}")
    if manifest.darkest is not None and manifest.darkest >= UNUSED_HALF:
        found.append(f"no picture is darker than {manifest.darkest} of 255; {way_out}")
    return found


def quick_problems(folder: PackedFolder, manifest: PackedManifest) -> list[str]:
    """Return files that are missing or have the wrong length, without reading them."""
    found = []
    for name, facts in manifest.files.items():
        try:
            size = (folder.path / name).stat().st_size
        except OSError as error:
            found.append(f"{folder.path / name}: {error.strerror}")
            continue
        if size != facts["size"]:
            found.append(f"{folder.path / name} has {size:,} bytes instead of {facts['size']:,}")
    return found


def is_whole(folder: PackedFolder) -> bool:
    """Return whether the folder is completely packed, without reading pictures."""
    try:
        return folder.manifest.exists() and not quick_problems(folder, load_manifest(folder))
    except DamagedError:
        return False  # derived data can simply be packed again


BLOCK = 8 << 20


def verify_packed(folder: PackedFolder, between: Callable[[], object] = lambda: None) -> list[str]:
    """Check files, lengths, SHA-256 and counts, and return all problems, one line each. Reads everything; `between`
    is called after every few megabytes and may raise to stop.
    """
    try:
        manifest = load_manifest(folder)
    except DamagedError as error:
        return [str(error)]
    found = quick_problems(folder, manifest)
    if found:
        return found
    for name, facts in manifest.files.items():
        try:
            digest = _sha256(folder.path / name, between)
        except OSError as error:
            return [f"{folder.path / name}: {error.strerror}"]
        if digest != facts["sha256"]:
            found.append(f"{folder.path / name} is altered (SHA-256 differs)")
    bytes_each = 3 * manifest.size * manifest.size
    if manifest.files["pictures.u8"]["size"] != manifest.count * bytes_each:
        found.append(
            f"{folder.pictures} does not hold {plural(manifest.count, 'picture')} of {manifest.size}×{manifest.size}"
        )
    split = folder.split.read_bytes()
    counts = tuple(split.count(code) for code in (0, 1, 2))
    if len(split) != manifest.count or counts != (manifest.train, manifest.held_out, manifest.test):
        found.append(f"{folder.split} does not agree with the manifest")
    return found


def _sha256(path: Path, between: Callable[[], object]) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            between()
    return digest.hexdigest()
