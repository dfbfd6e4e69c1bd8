"""Crop recipes: named choices of the square that is cut from a picture. Works on sizes and boxes only.

The recipes are defined for CelebA's aligned 178×218 and scale with the picture: CelebA at half size (89×109) gets
half the box, including fractions of a pixel. In pictures of any other shape the face's position is unknown, so every
recipe takes the largest centred square, as `whole` always does.
"""

from typing import Final, NamedTuple

from engine.base.named import pick
from engine.config.recipes import CROP_RECIPES

RESAMPLING: Final = "pillow-bicubic-draft3"
"""The scaling method: crop, then Pillow's antialiased bicubic filter; large JPEGs are first reduced by a power of two
in their decoder, to at least twice the target size. Must be renamed when `engine.data.decode` changes.
"""

OLDER_RESAMPLINGS: Final = ("pillow-bicubic-draft2",)
"""Methods of older versions, newest first; data packed with them is still used. draft2 differs for turned JPEGs, for
JPEGs whose size is not a multiple of 8, and for a few rare kinds of TIFF and PNG.
"""

CELEBA_WIDTH: Final = 178
CELEBA_HEIGHT: Final = 218


class Box(NamedTuple):
    """A rectangle in pixels, x to the right and y down; right and bottom are exclusive. May be fractional."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def side(self) -> float:
        return self.right - self.left

    def divided(self, factor: int) -> "Box":
        """Return the same rectangle on a picture `factor` times smaller."""
        return Box(self.left / factor, self.top / factor, self.right / factor, self.bottom / factor)


BOXES: Final = {name: Box(*recipe.box) for name, recipe in CROP_RECIPES.items() if recipe.box is not None}


def check_recipe(name: str) -> str:
    """Return `name` if it is a recipe; raise UserError with the nearest one otherwise."""
    pick(CROP_RECIPES, "crop recipe", name)
    return name


def is_celeba_shaped(width: int, height: int) -> bool:
    """Return whether a picture has CelebA's ratio of 178:218, within one pixel of rounding."""
    return width > 1 and abs(height - width * CELEBA_HEIGHT / CELEBA_WIDTH) <= 1


def crop_box(recipe: str, width: int, height: int) -> Box:
    """Return the square that `recipe` cuts from an upright picture of `width` × `height` pixels; it lies inside the
    picture.
    """
    box = BOXES.get(recipe)
    if box is None or not is_celeba_shaped(width, height):
        short = min(width, height)
        x, y = (width - short) // 2, (height - short) // 2
        return Box(x, y, x + short, y + short)
    scale = width / CELEBA_WIDTH
    side = min(box.side * scale, width, height)
    left = min(box.left * scale, width - side)
    # The height may be rounded: keep the box at the same place relative to the middle.
    middle = (box.top + box.bottom) / 2 / CELEBA_HEIGHT * height
    top = min(max(middle - side / 2, 0.0), height - side)
    return Box(left, top, left + side, top + side)
