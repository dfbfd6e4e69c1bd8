"""Write a sheet of built-in faces: python -m engine.data.faces SHEET.png [COLUMNS] [SIZE]."""

import sys
from pathlib import Path

from PIL import Image

from engine.data.faces.making import faces

SEED = 0


def main(path: str, columns: int = 16, size: int = 64) -> None:
    drawn = faces(SEED, 0, columns * columns, size)
    sheet = (
        drawn.reshape(columns, columns, size, size, 3)
        .swapaxes(1, 2)
        .reshape(columns * size, columns * size, 3)
    )
    image = Image.fromarray(sheet).quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    image.save(Path(path), optimize=True)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:]))
