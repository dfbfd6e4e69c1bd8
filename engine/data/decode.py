"""Decoding one picture to a uint8 square: cropped by recipe, on white, scaled, turned upright.

Runs in the decoding processes, so it imports nothing heavier than NumPy and Pillow, and knows no folders.
"""

import io
import math
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from engine.data.recipes import Box, crop_box, is_celeba_shaped
from engine.data.to_rgb import Samples, UnknownRangeError, samples_of, to_rgb
from engine.data.turns import orientation_of, stored_box, turned_upright, upright_size

MAX_PIXELS: Final = 89_478_485
"""Pictures are refused if more pixels than this would be decoded (Pillow's own limit for decompression bombs). JPEGs
may have more, because they are reduced during decoding.
"""

MAX_JPEG_PIXELS: Final = 1 << 28
"""JPEGs with more pixels than this are refused; phones take pictures of up to 200 million."""

MAX_BYTES: Final = 256 << 20
"""Encoded pictures longer than this are refused."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF")
"""Allowed formats. Pillow supports more, some of which start other programs."""

JPEGS: Final = ("JPEG", "MPO")

# MAX_PIXELS replaces this check, with a reason in the report instead of a line on the terminal.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS // 2  # Pillow refuses twice this number


class BrokenPictureError(Exception):
    """A picture that cannot be used; the message is the reason, for the report."""


@dataclass(frozen=True)
class Decoded:
    """One packed picture and remarks on it."""

    pixels: NDArray[np.uint8]
    """(3, size, size); a view of rows of RGB"""
    celeba_shaped: bool
    enlarged: bool
    """the crop was smaller than `size`"""
    side: int
    """pixels per side of the crop in the stored picture"""


def decode(content: bytes, recipe: str, size: int) -> Decoded:
    """Decode, turn, crop and scale one picture.

    Grey becomes RGB; CMYK is converted by Pillow's plain formula; anything transparent is laid on white;
    12- and 16-bit grey is scaled to 8 bits; of an animation the first frame is used. Colour profiles are ignored.

    Raises BrokenPictureError with the reason for whatever cannot be decoded.
    """
    if not content:
        raise BrokenPictureError("the file is empty")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            return _decode(picture, content, recipe, size)
    except BrokenPictureError:
        raise
    except UnknownRangeError as error:
        raise BrokenPictureError(str(error)) from None
    except UnidentifiedImageError:
        raise BrokenPictureError("not a picture, or of a format that is not supported") from None
    except Image.DecompressionBombError:
        raise BrokenPictureError(f"more than {MAX_JPEG_PIXELS:,} pixels") from None
    except MemoryError:
        raise BrokenPictureError("does not fit into memory") from None
    except Exception as error:
        # Pillow's plugins raise nearly every kind of exception for damaged input.
        reason = " ".join(str(error).split()) or "cannot be decoded"
        raise BrokenPictureError(f"{reason} ({type(error).__name__})") from error


def _decode(picture: Image.Image, content: bytes, recipe: str, size: int) -> Decoded:
    samples = samples_of(picture, content)
    jpeg = picture.format in JPEGS
    if not jpeg:
        _check_pixels(picture, 1)
        picture.load()  # not earlier: Pillow turns TIFF while loading, and PNG's EXIF may be at its end
    orientation = orientation_of(picture)
    stored = picture.size
    width, height = upright_size(orientation, *stored)
    box = crop_box(recipe, width, height)
    if orientation > 1:
        box = stored_box(box, orientation, *stored)
    factor = _reduce_in_decoder(picture, box, size) if jpeg else 1
    square = turned_upright(_scaled(picture, box.divided(factor), size, samples), orientation)
    pixels = np.frombuffer(square.tobytes(), np.uint8).reshape(size, size, 3).transpose(2, 0, 1)
    return Decoded(pixels, is_celeba_shaped(width, height), box.side < size, int(box.side))


def _check_pixels(picture: Image.Image, factor: int) -> None:
    """Raise BrokenPictureError if more pixels than MAX_PIXELS would be decoded when reduced by `factor`."""
    width, height = picture.size
    if width * height > MAX_PIXELS * factor**2:
        raise BrokenPictureError(f"{width}×{height} is more than {MAX_PIXELS:,} pixels")


def _reduce_in_decoder(picture: Image.Image, box: Box, size: int) -> int:
    """Let the JPEG decoder reduce by 2, 4 or 8, to at least twice `size` for the box; return the factor.

    If the factor does not divide the picture, the last reduced column or row partly consists of padding. Such a
    factor is used only if the box ends before it, or if the picture is too large otherwise.
    """
    width, height = picture.size
    largest = min(8, 1 << int(math.log2(max(1.0, box.side / (2 * size)))))
    factor = largest
    while factor > 1 and (box.right > width // factor * factor or box.bottom > height // factor * factor):
        factor //= 2
    if width * height > MAX_PIXELS * factor**2:
        factor = largest
    _check_pixels(picture, factor)
    if factor == 1:
        return 1
    picture.draft(picture.mode, (width // factor, height // factor))
    return max(1, round(width / picture.size[0]))


def _scaled(picture: Image.Image, box: Box, size: int, samples: Samples) -> Image.Image:
    """Return RGB pixels, size × size. Cropping comes first, so that pixels outside the box have no influence."""
    left, top = math.floor(box.left), math.floor(box.top)
    right = min(picture.width, math.ceil(box.right))
    bottom = min(picture.height, math.ceil(box.bottom))
    cut = to_rgb(picture.crop((left, top, right, bottom)), samples)
    inside = (
        box.left - left,
        box.top - top,
        min(box.right - left, cut.width),
        min(box.bottom - top, cut.height),
    )
    return cut.resize((size, size), Image.Resampling.BICUBIC, box=inside)
