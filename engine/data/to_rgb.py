"""Conversion of pictures of any kind to RGB in 0…255, on white.

The meaning of a picture's numbers (how many bits, whether 0 is white, which value is transparent) is in its header,
and Pillow keeps little of it after loading the pixels; so the header is read first, as `Samples`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, TiffImagePlugin

_BITS: Final = 258
_PHOTOMETRIC: Final = 262
_SAMPLE_FORMAT: Final = 339
_WHITE_IS_ZERO: Final = 0
_SIGNED: Final = 2
_FLOAT: Final = 3


class UnknownRangeError(Exception):
    """Raised if it is unknown which number is white; the message is the reason."""


@dataclass(frozen=True)
class Samples:
    """The meaning of a picture's numbers."""

    largest: int = 65_535
    """the number for white, for more than 8 bits"""
    inverted: bool = False
    """whether 0 is white, if Pillow has not inverted it"""
    transparent: int | tuple[int, ...] | None = None
    """the transparent value in the loaded pixels"""


_PLAIN: Final = Samples()


def samples_of(picture: Image.Image, content: bytes) -> Samples:
    """Read an opened picture's header; `content` is its file. Raises UnknownRangeError."""
    if picture.format == "JPEG":
        return _PLAIN
    if picture.mode == "F":
        raise UnknownRangeError("floating-point pixels have no known range")
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return _of_tiff(picture)
    if picture.mode == "I" and picture.format not in ("PPM", "PNG"):
        raise UnknownRangeError("32-bit pixels have no known range")
    key = picture.info.get("transparency")
    if picture.format == "PNG" and key is not None and not isinstance(key, bytes):
        return Samples(transparent=_scaled_key(picture, key, depth=content[24]))
    return _PLAIN


def _of_tiff(picture: TiffImagePlugin.TiffImageFile) -> Samples:
    tags = picture.tag_v2
    formats, bits = _numbers(tags.get(_SAMPLE_FORMAT, 1)), max(_numbers(tags.get(_BITS, 1)), default=1)
    if _FLOAT in formats:
        raise UnknownRangeError("floating-point pixels have no known range")
    if bits > 16:
        raise UnknownRangeError(f"{bits}-bit pixels have no known range")
    if _SIGNED in formats:
        raise UnknownRangeError("signed pixels have no known range")
    # Pillow inverts pictures of 8 bits and fewer itself.
    inverted = picture.mode.startswith("I;16") and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    return Samples(largest=(1 << bits) - 1 if bits > 8 else 65_535, inverted=inverted)


def _numbers(value: object) -> tuple[int, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple(number for number in values if isinstance(number, int))


def _scaled_key(picture: Image.Image, key: int | tuple[int, ...], depth: int) -> int | tuple[int, ...]:
    """Convert a PNG's transparent value from the file's depth to that of the loaded pixels."""
    if picture.mode == "L" and isinstance(key, int) and depth < 8:
        return key * 255 // ((1 << depth) - 1)
    if picture.mode == "RGB" and isinstance(key, tuple) and depth == 16:
        return tuple(value >> 8 for value in key)  # as Pillow does with the pixels
    return key


def to_rgb(picture: Image.Image, samples: Samples) -> Image.Image:
    """Return the pixels of a loaded picture, or of a part of it, as RGB."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return _from_16_bits(picture, samples)
    if samples.transparent is not None:
        picture.info["transparency"] = samples.transparent
    if "transparency" in picture.info or picture.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        with_alpha = picture.convert("RGBA")
        white = Image.new("RGBA", with_alpha.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return picture.convert("RGB")


def _from_16_bits(picture: Image.Image, samples: Samples) -> Image.Image:
    """Scale 0…largest to 0…255; Pillow's own conversion would clip everything above 255."""
    values = np.asarray(picture).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > samples.largest):
        raise UnknownRangeError(f"pixels outside 0…{samples.largest:,} have no known range")
    scaled = (values * 510 + samples.largest) // (2 * samples.largest)
    if samples.inverted:
        scaled = 255 - scaled
    if samples.transparent is not None:
        scaled[values == samples.transparent] = 255
    return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
