"""EXIF orientations: the position of a square of the upright picture in the stored pixels, and turning it upright.

Cropping and scaling happen on the stored pixels, and the small result is turned, which is exact and faster than
turning the whole picture. Works on boxes and numbers; see the EXIF standard, tag 0x0112.
"""

from typing import Final

from PIL import Image

from engine.data.recipes import Box

ORIENTATION: Final = 0x0112

_LAID_DOWN: Final = 5
"""From here on, rows of the stored picture are columns of the upright one."""

_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_of(picture: Image.Image) -> int:
    """Return 1…8; 1 if the orientation is missing or invalid."""
    if picture.format == "JPEG" and "exif" not in picture.info:
        return 1  # CelebA then needs no EXIF parser
    value = picture.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(orientation: int, width: int, height: int) -> tuple[int, int]:
    """Return width and height of the upright picture, from those of the stored one."""
    return (height, width) if orientation >= _LAID_DOWN else (width, height)


def stored_box(box: Box, orientation: int, width: int, height: int) -> Box:
    """Return the same square in stored coordinates; `width` × `height` is the stored picture."""
    left, top, right, bottom = box
    if orientation >= _LAID_DOWN:
        left, top, right, bottom = top, left, bottom, right
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    return Box(left, top, right, bottom)


def turned_upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Turn a part of a stored picture upright."""
    turn = _UPRIGHT.get(orientation)
    return picture if turn is None else picture.transpose(turn)
