"""Detecting edited pictures whose names and lengths are unchanged.

Packing stores a checksum of each file. If the times of a folder's files, or the checksums in a zip, are unchanged,
nothing has happened; only otherwise are the files read and compared. So edited pictures are detected, and a copied,
touched or restored folder counts as unchanged. Uses listings and manifests only.
"""

import hashlib
import os
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from engine.data.manifest import PackedManifest
from engine.data.scan import Listing
from engine.data.split import choose

LARGEST: Final = 256 << 20
"""Files with more bytes than this are never pictures; they are not read."""


class KnownPictures(Protocol):
    """The state of the pictures when a data set was added."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def listed(self) -> str: ...
    @property
    def stamp(self) -> str: ...


def fingerprint_now(listing: Listing, before: KnownPictures | None, packed: Sequence[PackedManifest]) -> str:
    """Return the current fingerprint of the pictures.

    It is that of names and lengths, unless checksums differ; that of a packed state with the same checksums; or a new
    one that includes the checksums. `packed` are the complete packed folders of the data set; those of older versions
    have no checksums.
    """
    names_alone = listing.fingerprint
    same_names = before is not None and (before.listed or before.fingerprint) == names_alone
    if before is not None and same_names and before.stamp and before.stamp == listing.stamp:
        return before.fingerprint
    known = [m for m in packed if m.contents and (m.listed or m.fingerprint) == names_alone]
    if not known:
        return before.fingerprint if before is not None and same_names else names_alone
    sums = checksums(listing)
    for manifest in known:
        places = choose(listing.names, manifest.limit) if manifest.limit else range(len(sums))
        if digest(sums[place] for place in places) == manifest.contents:
            return manifest.fingerprint
    return hashlib.sha256(f"{names_alone} {digest(sums)}".encode()).hexdigest()[:16]


def digest(sums: Iterable[int]) -> str:
    """Return a digest of the contents of files, from their CRC-32 in order."""
    numbers = array("I", sums)
    if sys.byteorder == "big":
        numbers.byteswap()
    return hashlib.sha256(numbers.tobytes()).hexdigest()[:16]


def checksums(listing: Listing) -> "array[int]":
    """Return the CRC-32 of each picture's file, 0 for an unreadable one. Reads all files of a folder."""
    if listing.kind == "zip":
        return array("I", listing.places[4])
    return array("I", (_checksum(os.path.join(listing.path, str(listing.item(i)[0])))  # noqa: PTH118
                       for i in range(len(listing.names))))  # fmt: skip


def _checksum(path: str) -> int:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            size = os.fstat(file).st_size
            return zlib.crc32(os.read(file, size)) if size <= LARGEST else 0
        finally:
            os.close(file)
    except OSError:
        return 0
