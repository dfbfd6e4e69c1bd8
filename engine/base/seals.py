"""Records with a digest of their own content, so that damage on the disk or edits by hand are detected.

run.json and the manifest of a checkpoint decide what to train from and where to truncate a file, so their digest is
checked. Records of older versions have none; they are read too, and `is_sealed` distinguishes them.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from engine.base.errors import DamagedError
from engine.base.files import without_nan, write_json

KEY = "digest"


def digest(content: dict[str, Any]) -> str:
    """Return the SHA-256 of the content as JSON with sorted keys and no spaces, without the digest itself."""
    plain = without_nan({key: value for key, value in content.items() if key != KEY})
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write the content like `write_json`, with its digest."""
    write_json(path, {**content, KEY: digest(content)})


def is_sealed(content: dict[str, Any]) -> bool:
    """Return whether the content was written with a digest."""
    return KEY in content


def check_seal(content: dict[str, Any], what: str, path: Path) -> None:
    """Raise DamagedError if the content does not match its digest. Content without a digest is of an older version."""
    if is_sealed(content) and content[KEY] != digest(content):
        raise DamagedError(f"{what} has been altered (its digest differs): {path}")
