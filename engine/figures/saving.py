"""Saving a figure as a PNG with its origin in the metadata, without overwriting other files. Knows nothing about
runs.
"""

import io
import os
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from engine.base.errors import UsageError, UserError
from engine.base.files import unwritable, write_bytes
from engine.base.picture_files import open_picture


def save_figure(
    image: Image.Image, path: Path, command: str, facts: dict[str, str] | None = None, *, dpi: int = 300
) -> None:
    """Write a PNG atomically, with `command` and `facts` in its metadata. Raises UserError as `check_place`."""
    from PIL.PngImagePlugin import PngInfo

    check_place(path)
    info = PngInfo()
    for key, value in {"command": command, **(facts or {})}.items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info, dpi=(dpi, dpi))
    try:
        write_bytes(path, buffer.getvalue(), durable=False)
    except OSError as error:
        raise unwritable(path, error, "name another file") from None


def need_matplotlib() -> None:
    """Raise UserError if matplotlib, which draws curves and has the labels' font, is not installed."""
    if find_spec("matplotlib") is None:
        raise UserError("figures need matplotlib, which is not installed", "pip install 'ddpm-tui[figures]'")


def check_place(path: Path) -> None:
    """Check that a figure may be written: it may replace an earlier figure, but no other file.

    Raises UserError for another file, for a name that does not end in .png and for a folder that cannot be written
    to.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path} does not end in .png", "figures are PNG files")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserError(
            f"{path.parent} is not a folder that can be written to", "create it, or name another file"
        )
    if path.exists() and not _is_figure(path):
        raise UserError(
            f"{path} exists and is not a figure of this program", "name another file, or move it away"
        )


def _is_figure(path: Path) -> bool:
    try:
        with open_picture(path) as image:
            return "command" in getattr(image, "text", {})
    except OSError:
        return False
