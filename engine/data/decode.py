"""One encoded picture to one uint8 square: turned upright, on white, cropped by recipe, scaled.

Runs in the decoding processes, so it imports nothing heavier than NumPy and Pillow, and knows no folders.
"""

import io
import math
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from engine.data.recipes import Box, crop_box, is_celeba_shaped

MAX_PIXELS: Final = 89_478_485
"""Pictures with more pixels than this are refused (Pillow's own limit for decompression bombs)."""

MAX_BYTES: Final = 256 << 20
"""Encoded pictures longer than this are refused."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF")
"""What is opened. Pillow knows more, among them some that start other programs."""

JPEGS: Final = ("JPEG", "MPO")

ORIENTATION: Final = 0x0112

# MAX_PIXELS answers for this, with a reason in the report instead of a line on the terminal.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class BrokenPictureError(Exception):
    """This picture cannot be used; the message says why, for the report."""


@dataclass(frozen=True)
class Decoded:
    """One packed picture and what was noticed on the way."""

    pixels: NDArray[np.uint8]
    """(3, size, size); a view of rows of RGB"""
    celeba_shaped: bool
    enlarged: bool
    """the crop was smaller than `size`"""


def decode(content: bytes, recipe: str, size: int) -> Decoded:
    """Decode, turn, crop and scale one picture.

    Grey becomes RGB; CMYK is converted by Pillow's plain formula; anything transparent is laid on white;
    16-bit grey is scaled to 8 bits; of an animation the first frame is used. Colour profiles are ignored.

    Raises BrokenPictureError with the reason for whatever cannot be decoded.
    """
    if not content:
        raise BrokenPictureError("the file is empty")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            return _decode(picture, recipe, size)
    except BrokenPictureError:
        raise
    except UnidentifiedImageError:
        raise BrokenPictureError("not a picture, or of a kind that is not supported") from None
    except Image.DecompressionBombError:
        raise BrokenPictureError(f"more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise BrokenPictureError("does not fit into memory") from None
    except Exception as error:
        # Pillow's plugins raise nearly every kind of exception on damaged input.
        reason = " ".join(str(error).split()) or "cannot be decoded"
        raise BrokenPictureError(f"{reason} ({type(error).__name__})") from error


def _decode(picture: Image.Image, recipe: str, size: int) -> Decoded:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise BrokenPictureError(f"{width}×{height} is more than {MAX_PIXELS:,} pixels")
    orientation = _orientation(picture)
    factor = 1
    if picture.format in JPEGS:
        if orientation >= 5:  # lies on its side
            width, height = height, width
        box = crop_box(recipe, width, height)
        factor = _reduce_in_decoder(picture, box.side / (2 * size))
    picture.load()
    upright = ImageOps.exif_transpose(picture) if orientation > 1 else picture
    if picture.format not in JPEGS:
        width, height = upright.size  # only now: Pillow turns TIFF by itself while loading
        box = crop_box(recipe, width, height)
    square = _scaled(upright, box.divided(factor), size)
    pixels = np.frombuffer(square.tobytes(), np.uint8).reshape(size, size, 3).transpose(2, 0, 1)
    return Decoded(pixels, is_celeba_shaped(width, height), enlarged=box.side < size)


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or nonsense."""
    if picture.format == "JPEG" and "exif" not in picture.info:
        return 1  # spares CelebA the parser
    value = picture.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _reduce_in_decoder(picture: Image.Image, allowed: float) -> int:
    """Let the JPEG decoder shrink by 2, 4 or 8, at most by `allowed`; return the factor."""
    if allowed < 2:
        return 1
    width, height = picture.size
    factor = min(8, 1 << int(math.log2(allowed)))
    picture.draft(picture.mode, (max(1, width // factor), max(1, height // factor)))
    return max(1, round(width / picture.size[0]))


def _scaled(picture: Image.Image, box: Box, size: int) -> Image.Image:
    """RGB, size × size. Pixels outside the box never bleed in: it is cropped first, as the peers do."""
    left, top = math.floor(box.left), math.floor(box.top)
    right = min(picture.width, math.ceil(box.right))
    bottom = min(picture.height, math.ceil(box.bottom))
    cut = _rgb(picture.crop((left, top, right, bottom)))
    inside = (
        box.left - left,
        box.top - top,
        min(box.right - left, cut.width),
        min(box.bottom - top, cut.height),
    )
    return cut.resize((size, size), Image.Resampling.BICUBIC, box=inside)


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return _from_16_bits(picture)
    if picture.mode == "F":
        raise BrokenPictureError("floating-point pixels have no known range")
    if "transparency" in picture.info or picture.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        with_alpha = picture.convert("RGBA")
        white = Image.new("RGBA", with_alpha.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return picture.convert("RGB")


def _from_16_bits(picture: Image.Image) -> Image.Image:
    """Pillow's own conversion cuts everything above 255 off; this one scales 0…65,535 to 0…255."""
    values = np.asarray(picture).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 65_535):
        raise BrokenPictureError("32-bit pixels have no known range")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
