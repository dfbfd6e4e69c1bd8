"""Records that carry the digest of their own content: a digit that changed on the disk, or by hand, shows.

run.json and the manifest of a checkpoint say what to train from and where to cut a file, so they are believed as far
as their digest goes. Those of older versions have none; they are read all the same, and `is_sealed` tells them apart.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from engine.base.errors import DamagedError
from engine.base.files import without_nan, write_json
from engine.base.records import read_object

KEY = "digest"


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of the content as JSON with sorted keys and no spaces, without the digest itself."""
    plain = without_nan({key: value for key, value in content.items() if key != KEY})
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """As `write_json`, with the digest."""
    write_json(path, {**content, KEY: digest(content)})


def is_sealed(content: dict[str, Any]) -> bool:
    """Whether it was written with a digest."""
    return KEY in content


def check_seal(content: dict[str, Any], what: str, path: Path) -> None:
    """Raise DamagedError where the content is not what was written. One without a digest is of an older version."""
    if is_sealed(content) and content[KEY] != digest(content):
        raise DamagedError(f"{what} has been altered (its digest differs): {path}")


def read_sealed(path: Path, what: str) -> dict[str, Any]:
    """`read_object` of a record that is what was written. Raises DamagedError."""
    content = read_object(path, what)
    check_seal(content, what, path)
    return content
