"""Opening picture files, whoever made them, with one clear error for everything that can be wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.base.errors import DdpmError
from engine.base.records import open_data

if TYPE_CHECKING:
    from PIL import Image


@contextmanager
def open_picture(path: Path) -> Iterator["Image.Image"]:
    """Open the picture in a regular file. Any failure to open or decode it is an OSError.

    FileNotFoundError if there is none; the other errors give the reason and name files only by their path.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with open_data(path) as file, Image.open(file) as image:
            yield image
    except (FileNotFoundError, DdpmError):
        raise
    except UnidentifiedImageError:
        # Pillow's message names the open file by its number, because it has no path.
        raise OSError("it is not a picture of a known format") from None
    except Exception as error:
        # Pillow's plugins raise nearly every kind of exception for damaged input.
        raise OSError(_reason(error)) from error


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) else ""
    return words or " ".join(str(error).split()) or type(error).__name__
