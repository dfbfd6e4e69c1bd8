"""Whether the pictures of a data set are still those that were packed, though their names and lengths are.

Packing keeps a checksum of each file. The times of a folder's files, or the checksums in a zip, tell at once that
nothing happened; only if they differ are the files read and compared. So an edited picture is found, and a copied,
touched or restored folder is still the same. Knows listings and manifests, no home.
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
"""Files longer than this are never pictures; they are not read."""


class Known(Protocol):
    """What a data set's record says of the pictures when they were added."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def listed(self) -> str: ...
    @property
    def stamp(self) -> str: ...


def fingerprint_now(listing: Listing, before: Known | None, packed: Sequence[PackedManifest]) -> str:
    """The fingerprint of the pictures as they are.

    That of names and lengths, as long as nothing contradicts it; that of a packed state if the files have its
    checksums; else a new one, made of the checksums too. `packed` are the whole packed folders of the data set;
    those of older versions keep no checksums and contradict nothing.
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
    """Stands for the contents of files, by their CRC-32 in order."""
    numbers = array("I", sums)
    if sys.byteorder == "big":
        numbers.byteswap()
    return hashlib.sha256(numbers.tobytes()).hexdigest()[:16]


def checksums(listing: Listing) -> "array[int]":
    """The CRC-32 of each picture's file, 0 for one that cannot be read. Reads a folder's files whole."""
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
