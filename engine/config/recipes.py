"""The table of crop recipes: which square of a picture is used, by name. `engine.data.recipes` does the cutting.

To add one, add its line to `CROP_RECIPES`. Profiles, the command line, the forms and the docs read it from here. Must
not import torch or numpy.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.base.named import names_of


@dataclass(frozen=True)
class CropRecipe:
    """A line of the table.

    box: left, top, right, bottom in pixels of CelebA's aligned 178×218; right and bottom lie just outside. None, and
    every picture of another shape, is the largest centred square · words: what it is, for people.
    """

    box: tuple[int, int, int, int] | None
    words: str


CROP_RECIPES = {
    "center178": CropRecipe(
        (0, 20, 178, 198), "the centred 178 × 178 of CelebA, as the face-diffusion paper trains"
    ),
    "center140": CropRecipe(
        (19, 39, 159, 179), "the centred 140 × 140 of CelebA, as score-SDE and many after it"
    ),
    "box128": CropRecipe(
        (25, 57, 153, 185), "128 × 128 around the face, at (89, 121) of CelebA, as DDIM and ADM-IP"
    ),
    "whole": CropRecipe(None, "the largest centred square of every picture"),
}

if TYPE_CHECKING:
    RecipeName = str
else:
    RecipeName = names_of(CROP_RECIPES)
