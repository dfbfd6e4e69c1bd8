"""Crop recipes: which square of a picture is used, by name. Knows sizes and boxes, no pictures and no files.

The recipes are given for CelebA's aligned 178×218 and scale with the picture: CelebA at half size (89×109)
gets half the box, fractions of a pixel included. Pictures of any other shape have no face at a known place,
so every recipe takes their largest centred square, which is also what `whole` means everywhere.
"""

from typing import Final, NamedTuple

from engine.base.named import pick
from engine.config.recipes import CROP_RECIPES

RESAMPLING: Final = "pillow-bicubic-draft3"
"""How pictures are scaled: cropped first, then Pillow's antialiased bicubic; large JPEGs are first reduced
by a power of two in their decoder, to no less than twice the wanted size. To be renamed when
`engine.data.decode` changes."""

OLDER_RESAMPLINGS: Final = ("pillow-bicubic-draft2",)
"""What packed data of older versions says, newest first; it goes on being used. draft2 differs for turned JPEGs, for
JPEGs whose size is not a multiple of 8, and for a few rare kinds of TIFF and PNG."""

CELEBA_WIDTH: Final = 178
CELEBA_HEIGHT: Final = 218


class Box(NamedTuple):
    """A rectangle in pixels, x to the right and y down; right and bottom lie just outside. May be
    fractional."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def side(self) -> float:
        return self.right - self.left

    def divided(self, factor: int) -> "Box":
        """The same rectangle on a picture `factor` times smaller."""
        return Box(self.left / factor, self.top / factor, self.right / factor, self.bottom / factor)


BOXES: Final = {name: Box(*recipe.box) for name, recipe in CROP_RECIPES.items() if recipe.box is not None}


def check_recipe(name: str) -> str:
    """Return `name` if it is a recipe; raise UserError with the nearest one otherwise."""
    pick(CROP_RECIPES, "crop recipe", name)
    return name


def is_celeba_shaped(width: int, height: int) -> bool:
    """Whether a picture has CelebA's 178:218, to within the pixel that scaling it may have rounded away."""
    return width > 1 and abs(height - width * CELEBA_HEIGHT / CELEBA_WIDTH) <= 1


def crop_box(recipe: str, width: int, height: int) -> Box:
    """The square that `recipe` takes of an upright picture of `width` × `height` pixels; lies inside it."""
    box = BOXES.get(recipe)
    if box is None or not is_celeba_shaped(width, height):
        short = min(width, height)
        x, y = (width - short) // 2, (height - short) // 2
        return Box(x, y, x + short, y + short)
    scale = width / CELEBA_WIDTH
    side = min(box.side * scale, width, height)
    left = min(box.left * scale, width - side)
    # The height may be a rounded one: keep the box where it is relative to the middle.
    middle = (box.top + box.bottom) / 2 / CELEBA_HEIGHT * height
    top = min(max(middle - side / 2, 0.0), height - side)
    return Box(left, top, left + side, top + side)
