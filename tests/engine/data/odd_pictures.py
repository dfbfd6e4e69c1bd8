"""Encoded pictures of every kind people have, made on the spot, in folders and zips. A test helper."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)


def quarters(size: int = 64) -> Image.Image:
    """Red, green / blue, yellow: shows a wrong turn, a mirror and swapped channels."""
    picture = Image.new("RGB", (size, size))
    half = size // 2
    for colour, at in ((RED, (0, 0)), (GREEN, (half, 0)), (BLUE, (0, half)), (YELLOW, (half, half))):
        picture.paste(colour, (*at, at[0] + half, at[1] + half))
    return picture


def coordinates(width: int, height: int) -> Image.Image:
    """Red is x, green is y: every pixel says where it was. At most 256 a side."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8))


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """`picture` as a file of the given kind."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand, for the kinds that Pillow reads and does not write (16-bit colour, impossible sizes)."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = (
        (b"IHDR", head),
        *chunks,
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(bits: int, content: bytes, photometric: int = 1, sample_format: int = 1, big: bool = False) -> bytes:
    """An uncompressed grey TIFF of 8×8 by hand. photometric: 0 white is zero, 1 black is zero · sample_format: 1
    unsigned, 2 signed."""
    order = ">" if big else "<"
    head = (b"MM" if big else b"II") + struct.pack(order + "HL", 42, 8)
    tags = [(256, 8), (257, 8), (258, bits), (259, 1), (262, photometric), (273, 134), (277, 1), (278, 8)]
    tags += [(279, len(content)), (339, sample_format)]
    listed = b"".join(struct.pack(order + "HHLHH", tag, 3, 1, value, 0) for tag, value in tags)
    return head + struct.pack(order + "H", len(tags)) + listed + struct.pack(order + "L", 0) + content


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How the upright picture is stored under each EXIF orientation."""


def stored_as(picture: Image.Image, orientation: int, kind: str, **options: object) -> bytes:
    """`picture` stored under an EXIF orientation, so that upright it is itself again."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = picture.transpose(TURNS[orientation]) if orientation > 1 else picture
    return encoded(turned, kind, exif=exif, **options)


def small_jpeg(seed: int, width: int = 22, height: int = 27) -> bytes:
    """A blurry picture of CelebA's shape that differs for each seed."""
    generator = np.random.default_rng(seed)
    few = generator.integers(0, 256, (4, 3, 3), dtype=np.uint8)
    return encoded(Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC), "JPEG", quality=90)


def fill(folder: Path, count: int, start: int = 0) -> Path:
    """Write `count` small JPEGs with CelebA's names into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        (folder / f"{number:06d}.jpg").write_bytes(small_jpeg(number))
    return folder


def zipped(folder: Path, path: Path, root: Path | None = None) -> Path:
    """Zip the files of `folder`, in reverse order, with names from `root` on (else from the folder's parent)."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            if file.is_file():
                archive.write(file, file.relative_to(root or folder.parent))
    return path
