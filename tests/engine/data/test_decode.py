"""Pictures of every odd kind come out right or say why they cannot."""

import struct

import numpy as np
import pytest
from PIL import Image

from engine.data.decode import BrokenPictureError, decode
from tests.engine.data.odd_pictures import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    coordinates,
    encoded,
    png,
    quarters,
    stored_as,
    tiff,
)

CORNERS = {(0, 0): RED, (0, 1): GREEN, (1, 0): BLUE, (1, 1): YELLOW}


def corners(content: bytes, size: int = 16) -> dict[tuple[int, int], tuple[int, ...]]:
    pixels = decode(content, "whole", size).pixels
    assert pixels.shape == (3, size, size)
    assert pixels.dtype == np.uint8
    at = (size // 4, 3 * size // 4)
    return {(y, x): tuple(int(v) for v in pixels[:, at[y], at[x]]) for y in (0, 1) for x in (0, 1)}


def one_colour(content: bytes) -> tuple[int, ...]:
    pixels = decode(content, "whole", 8).pixels
    assert (pixels == pixels[:, :1, :1]).all()
    return tuple(int(v) for v in pixels[:, 0, 0])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_lossless_kinds(kind: str) -> None:
    assert corners(encoded(quarters(), kind)) == CORNERS


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("WEBP", {}),
        ("JPEG2000", {}),
    ],
)
def test_lossy_kinds(kind: str, options: dict[str, object]) -> None:
    for place, colour in corners(encoded(quarters(), kind, **options)).items():
        assert np.abs(np.subtract(colour, CORNERS[place])).max() < 12


def test_palette() -> None:
    assert corners(encoded(quarters().quantize(8))) == CORNERS
    assert corners(encoded(quarters().quantize(8), "GIF")) == CORNERS


def test_first_frame_of_an_animation() -> None:
    other = Image.new("RGB", (64, 64), "black").quantize(8)
    assert corners(encoded(quarters().quantize(8), "GIF", save_all=True, append_images=[other])) == CORNERS


def test_grey_becomes_three_equal_channels() -> None:
    for kind in ("PNG", "JPEG"):
        assert one_colour(encoded(Image.new("L", (20, 20), 77), kind)) == (77, 77, 77)


def test_bilevel() -> None:
    picture = Image.new("1", (16, 16), 0)
    picture.paste(1, (8, 0, 16, 16))
    pixels = decode(encoded(picture), "whole", 16).pixels
    assert set(np.unique(pixels)) == {0, 255}
    assert pixels[0, 8, 12] == 255


def test_cmyk() -> None:
    for place, colour in corners(encoded(quarters().convert("CMYK"), "JPEG", quality=95)).items():
        assert np.abs(np.subtract(colour, CORNERS[place])).max() < 20
    assert corners(encoded(quarters().convert("CMYK"), "TIFF")) == CORNERS


def test_transparency_is_laid_on_white() -> None:
    assert one_colour(encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0)))) == (255, 255, 255)
    assert one_colour(encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 255)))) == (255, 0, 0)
    half = one_colour(encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 128))))
    assert half == (127, 127, 127)
    assert one_colour(encoded(Image.new("LA", (20, 20), (10, 0)))) == (255, 255, 255)


def test_transparent_palette_entry_and_colour_key() -> None:
    palette = Image.new("RGB", (20, 20), RED).quantize(4)
    index = palette.getpixel((0, 0))
    assert one_colour(encoded(palette, transparency=index)) == (255, 255, 255)
    assert one_colour(encoded(Image.new("RGB", (20, 20), BLUE), transparency=BLUE)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (65_535, 255), (257 * 100, 100), (32_768, 128), (200, 1)]
)
def test_16_bit_grey_is_scaled_not_cut_off(value: int, expected: int) -> None:
    grey = np.full((10, 10), value, np.uint16)
    assert one_colour(encoded(Image.fromarray(grey))) == (expected,) * 3
    assert one_colour(encoded(Image.fromarray(grey), "TIFF")) == (expected,) * 3
    rows = (b"\0" + np.full(10, value, ">u2").tobytes()) * 10
    assert one_colour(png(10, 10, 16, 0, rows)) == (expected,) * 3


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("bits", "content", "expected"),
    [
        (16, 64, 64),
        (8, bytes([64] * 64), 64),
        (4, b"\x44" * 32, 68),
        (2, b"\x55" * 16, 85),
        (1, b"\xff" * 8, 255),
    ],
)
@pytest.mark.parametrize("photometric", [1, 0])
def test_tiffs_in_which_0_is_white(
    bits: int, content: bytes | int, expected: int, big: bool, photometric: int
) -> None:
    if isinstance(content, int):
        content = np.full(64, content * 257, ">u2" if big else "<u2").tobytes()
        if big and photometric == 0:
            return  # Pillow does not open it
    value = expected if photometric else 255 - expected
    assert one_colour(tiff(bits, content, photometric, big=big)) == (value,) * 3


def test_12_bits_that_the_file_calls_12_bits() -> None:
    assert one_colour(tiff(12, b"\x40\x04\x00" * 32)) == (64, 64, 64)  # 0x400 of 0xFFF
    assert one_colour(b"P5\n8 8\n4095\n" + np.full(64, 1024, ">u2").tobytes()) == (64, 64, 64)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(Image.fromarray(np.full((8, 8), 100, np.int32)), "TIFF"), "32-bit pixels"),
        (tiff(32, np.full(64, 100, "<u4").tobytes()), "32-bit pixels"),
        (tiff(16, np.full(64, 100, "<i2").tobytes(), sample_format=2), "signed pixels"),
        (tiff(8, bytes(64), sample_format=2), "signed pixels"),
    ],
    ids=["int32", "uint32", "int16", "int8"],
)
def test_numbers_without_a_known_range_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(BrokenPictureError, match=f"{reason} have no known range"):
        decode(content, "whole", 8)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_of_any_depth_is_white(depth: int) -> None:
    """The key stands in the file in its own depth."""
    row = {1: b"\0", 2: b"\x55" * 2, 4: b"\x55" * 4, 8: b"\x55" * 8, 16: b"\x12\x34" * 8}[depth]
    key = {1: 0, 2: 1, 4: 5, 8: 0x55, 16: 0x1234}[depth]
    rows = (b"\0" + row) * 8
    assert one_colour(png(8, 8, depth, 0, rows, (b"tRNS", struct.pack(">H", key)))) == (255, 255, 255)
    other = one_colour(png(8, 8, depth, 0, rows, (b"tRNS", struct.pack(">H", key ^ 1))))
    assert other == one_colour(png(8, 8, depth, 0, rows)) != (255, 255, 255)


def test_a_transparent_colour_of_16_bits_is_white() -> None:
    rows = (b"\0" + np.array([1000, 2000, 3000], ">u2").tobytes() * 8) * 8
    assert one_colour(png(8, 8, 16, 2, rows, (b"tRNS", struct.pack(">3H", 1000, 2000, 3000)))) == (255,) * 3
    assert one_colour(png(8, 8, 16, 2, rows, (b"tRNS", struct.pack(">3H", 1000, 2000, 9000)))) == (3, 7, 11)


def test_16_bit_colour() -> None:
    rows = (b"\0" + np.array([257 * 200, 257 * 100, 0], ">u2").tobytes() * 10) * 10
    assert one_colour(png(10, 10, 16, 2, rows)) == (200, 100, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_turned_pictures_are_upright(orientation: int, kind: str) -> None:
    upright = Image.new("RGB", (64, 96), "white")
    upright.paste(quarters(), (0, 16))
    for place, colour in corners(stored_as(upright, orientation, kind, quality=95)).items():
        assert np.abs(np.subtract(colour, CORNERS[place])).max() < 16


def waves(width: int, height: int) -> Image.Image:
    """Fine enough that a tenth of a packed pixel shows, coarse enough that no way of scaling blurs it."""
    y, x = np.mgrid[0:height, 0:width]
    unit = min(width, height) / 50
    value = 128 + 100 * np.sin(x / unit) * np.cos(y / unit * 1.3)
    return Image.fromarray(np.stack([value, 255 - value, value], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("width", "height"), [(600, 450), (451, 603), (712, 872), (713, 873), (355, 1003), (357, 437)]
)
def test_all_orientations_agree_to_a_level(width: int, height: int, kind: str) -> None:
    """However the size divides by what the decoder reduces it by, and wherever the square lies in it."""
    scene = waves(width, height)
    options = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {"compress_level": 1}
    packed = [
        decode(stored_as(scene, orientation, kind, **options), "whole", 32).pixels.astype(int)
        for orientation in range(1, 9)
    ]
    for turned in packed[1:]:
        off = np.abs(turned - packed[0])
        assert off.mean() < 0.2
        assert off.max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_filling_of_a_jpegs_last_blocks_does_not_bleed_in(orientation: int) -> None:
    """996 pixels are 124.5 blocks. What an encoder puts behind them is its own business."""
    filled = Image.new("RGB", (1000, 1000), "red")
    filled.paste((90, 90, 90), (0, 0, 996, 996))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = bytearray(encoded(filled, "JPEG", quality=100, subsampling=0, exif=exif))
    at = content.find(b"\xff\xc0") + 5
    assert content[at : at + 4] == struct.pack(">HH", 1000, 1000)
    struct.pack_into(">HH", content, at, 996, 996)
    pixels = decode(bytes(content), "whole", 32).pixels.astype(int)
    assert np.abs(pixels - 90).max() <= 1


def test_a_jpeg_of_108_megapixels_is_reduced_and_a_png_of_them_refused() -> None:
    content = encoded(Image.new("L", (12_000, 9_000), 77), "JPEG")
    assert one_colour(content) == (77, 77, 77)
    odd = encoded(Image.new("L", (12_001, 9_001), 77), "JPEG")
    assert one_colour(odd) == (77, 77, 77)
    with pytest.raises(BrokenPictureError, match="is more than"):
        decode(png(12_000, 9_000, 8, 0, b""), "whole", 32)


def test_a_turned_celeba_picture_gets_celebas_box() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = coordinates(178, 218).transpose(Image.Transpose.ROTATE_90)
    decoded = decode(encoded(turned, exif=exif), "box128", 128)
    assert decoded.celeba_shaped
    assert decoded.pixels[:2, 0, 0].tolist() == [25, 57]


def test_nonsense_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert corners(encoded(quarters(), exif=exif)) == CORNERS


def test_one_pixel_and_one_line() -> None:
    assert one_colour(encoded(Image.new("RGB", (1, 1), (9, 8, 7)))) == (9, 8, 7)
    assert one_colour(encoded(Image.new("RGB", (1, 300), (9, 8, 7)))) == (9, 8, 7)
    assert decode(encoded(Image.new("RGB", (1, 1))), "center178", 8).enlarged


@pytest.mark.parametrize("turn", [1, 6])
def test_reduction_in_the_jpeg_decoder_changes_next_to_nothing(turn: int) -> None:
    """The same large picture as JPEG (reduced while decoding) and as PNG (not)."""
    generator = np.random.default_rng(0)
    few = generator.integers(0, 256, (27, 22, 3), dtype=np.uint8)
    large = Image.fromarray(few).resize((1781, 2183), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = turn
    content = encoded(large, "JPEG", quality=97, exif=exif)
    with_draft = decode(content, "center140", 32).pixels.astype(float)
    without = decode(encoded(large, "PNG", exif=exif, compress_level=1), "center140", 32).pixels.astype(float)
    assert np.abs(with_draft - without).mean() < 1.5
    assert np.abs(with_draft - without).max() < 12


def test_colours_outside_the_box_do_not_bleed_in() -> None:
    picture = Image.new("RGB", (178, 218), "black")
    picture.paste("white", (25, 57, 153, 185))
    assert (decode(encoded(picture), "box128", 32).pixels == 255).all()


BROKEN = {
    "empty": (b"", "empty"),
    "text": (b"this is no picture\n" * 20, "not a picture"),
    "html": (b"<!DOCTYPE html><html></html>", "not a picture"),
    "truncated jpeg": (encoded(quarters(256), "JPEG")[:900], "truncated"),
    "truncated png": (encoded(coordinates(200, 200))[:200], "."),
    "head only": (encoded(quarters(), "JPEG")[:3], "."),
    "huge": (png(40_000, 40_000, 8, 2, b""), "pixels"),
    "large": (png(10_000, 10_000, 1, 0, b""), "100,?000|pixels"),
    "float": (encoded(Image.new("F", (8, 8), 0.5), "TIFF"), "floating-point"),
    "32 bit": (encoded(Image.fromarray(np.full((8, 8), 1 << 20, np.int32)), "TIFF"), "32-bit"),
    "no rows": (png(16, 16, 8, 2, b""), "."),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "not a picture"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", BROKEN)
def test_broken_pictures_say_why(name: str) -> None:
    content, reason = BROKEN[name]
    with pytest.raises(BrokenPictureError, match=reason) as caught:
        decode(content, "center178", 32)
    assert "\n" not in str(caught.value)
