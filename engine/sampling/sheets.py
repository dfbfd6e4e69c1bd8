"""Sheets of pictures: grids, strips and animations, as PNG and GIF. Uses NumPy and Pillow only."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from engine.base.files import replacing, write_bytes

GAP = 2

STRIP_FRAMES = 10
"""The number of frames in a strip."""


def gif_scale(size: int) -> int:
    """Return the factor by which pictures of `size` pixels are enlarged in an animation."""
    return max(1, 128 // size)


def strip_scale(size: int) -> int:
    """Return the factor for a strip, which has many pictures."""
    return max(1, 64 // size)


def grid(pictures: np.ndarray, columns: int | None = None, gap: int = GAP, scale: int = 1) -> np.ndarray:
    """Combine uint8 (n, H, W, C) into one uint8 (H', W', C) sheet, row by row on black; near-square by default."""
    count, height, width, channels = pictures.shape
    columns = columns or max(1, math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), np.uint8)
    for index, picture in enumerate(pictures):
        y, x = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[y : y + height, x : x + width] = picture
    return sheet.repeat(scale, 0).repeat(scale, 1)


def strip(frames: np.ndarray, count: int = STRIP_FRAMES, scale: int = 1) -> np.ndarray:
    """Combine uint8 (f, n, H, W, C) into a sheet with one picture per row and `count` frames from noise to face."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    rows = frames[chosen].swapaxes(0, 1)
    return grid(rows.reshape(-1, *frames.shape[2:]), columns=len(chosen), scale=scale)


def save_png(path: Path, picture: np.ndarray, text: dict[str, str] | None = None) -> None:
    """Write uint8 (H, W, C) atomically; `text` becomes the PNG's metadata."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", pnginfo=info)
    write_bytes(path, buffer.getvalue(), durable=False)


def save_gif(path: Path, frames: Sequence[np.ndarray], seconds: float = 3.0, hold: float = 1.5) -> None:
    """Write an animation of uint8 (H, W, C) sheets that pauses for `hold` seconds at the last one."""
    images = [Image.fromarray(frame) for frame in frames]
    each = max(20, int(1000 * seconds / max(1, len(images))))
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=[each] * (len(images) - 1) + [int(hold * 1000)],
        loop=0,
    )
    write_bytes(path, buffer.getvalue(), durable=False)


def save_npy(path: Path, values: np.ndarray) -> None:
    """Write an array atomically without copying it in memory."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, values)
