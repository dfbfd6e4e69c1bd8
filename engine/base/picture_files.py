"""Picture files of our own or given by a person, opened so that whatever is wrong with one is one plain error."""

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
    """The picture in a regular file, for the block. Whatever fails in opening or in decoding it is an OSError.

    FileNotFoundError if there is none; the text of the others says why, and names a file only by its path.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with open_data(path) as file, Image.open(file) as image:
            yield image
    except (FileNotFoundError, DdpmError):
        raise
    except UnidentifiedImageError:
        # Pillow names the open file by its number, as there is no path to it.
        raise OSError("it is no picture of a known kind") from None
    except Exception as error:
        # Pillow's plugins raise nearly every kind of exception on damaged input.
        raise OSError(_reason(error)) from error


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) else ""
    return words or " ".join(str(error).split()) or type(error).__name__
