"""Names of data sets: reserved names, and names derived from paths."""

import re
import unicodedata
from pathlib import Path
from typing import Final

from engine.base.errors import UserError
from engine.base.home import check_name
from engine.data.scan import Listing

FACES: Final = "faces"
"""The built-in data set."""

PACKED_NAME: Final = re.compile(r"(.+)-([0-9a-f]{10})")
"""Names of packed folders, which are beside the records of data sets: the data set's name and a hash."""


def derived_name(path: Path, listing: Listing) -> str:
    """Return a name for a data set from its folder or zip: ASCII, at most 60 characters, never a reserved one."""
    if listing.celeba:
        return "celeba"
    stem = path.stem if listing.kind == "zip" and path.suffix.lower() == ".zip" else path.name
    return plain_name(stem)


def plain_name(text: str) -> str:
    """Return a name for a data set from any text: ASCII, at most 60 characters, never a reserved one."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:60] or "pictures"
    if name == FACES or PACKED_NAME.fullmatch(name):
        name += "-pictures"
    return name


def check_dataset_name(name: str) -> None:
    """Raise UserError for a name that a data set cannot have."""
    check_name("data set", name)
    if name == FACES:
        raise UserError(f"{FACES!r} is the built-in data set", "give another name with --name")
    if PACKED_NAME.fullmatch(name):
        raise UserError(
            f"{name!r} looks like a packed folder's name",
            "give one that does not end in a hyphen and ten of 0-9 and a-f",
        )
