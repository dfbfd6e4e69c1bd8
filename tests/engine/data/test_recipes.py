"""The crop boxes, in numbers and on pictures whose pixels say where they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import UserError
from engine.config.recipes import CROP_RECIPES
from engine.data.decode import decode
from engine.data.recipes import Box, check_recipe, crop_box, is_celeba_shaped
from tests.engine.data.odd_pictures import coordinates, encoded

FULL = {
    "center178": Box(0, 20, 178, 198),
    "center140": Box(19, 39, 159, 179),
    "box128": Box(25, 57, 153, 185),  # 64 to each side of (89, 121)
    "whole": Box(0, 20, 178, 198),
}
HALF = {
    "center178": Box(0, 10, 89, 99),
    "center140": Box(9.5, 19.5, 79.5, 89.5),
    "box128": Box(12.5, 28.5, 76.5, 92.5),
    "whole": Box(0, 10, 89, 99),
}


@pytest.mark.parametrize("recipe", list(CROP_RECIPES))
def test_boxes_on_celeba(recipe: str) -> None:
    assert crop_box(recipe, 178, 218) == FULL[recipe]


@pytest.mark.parametrize("recipe", list(CROP_RECIPES))
def test_boxes_scale_with_the_picture(recipe: str) -> None:
    assert crop_box(recipe, 89, 109) == pytest.approx(HALF[recipe])
    assert crop_box(recipe, 356, 436) == pytest.approx(tuple(2 * edge for edge in FULL[recipe]))


@pytest.mark.parametrize("recipe", list(CROP_RECIPES))
@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (300, 200, (50, 0, 250, 200)),
        (200, 301, (0, 50, 200, 250)),
        (64, 64, (0, 0, 64, 64)),
        (1, 1, (0, 0, 1, 1)),
    ],
)
def test_other_shapes_give_their_largest_centred_square(
    recipe: str, width: int, height: int, box: tuple[int, ...]
) -> None:
    assert crop_box(recipe, width, height) == box


@pytest.mark.parametrize("recipe", ["center178", "center140", "box128"])
def test_pixels_of_the_crop_are_those_of_the_box(recipe: str) -> None:
    box = FULL[recipe]
    size = round(box.side)
    pixels = decode(encoded(coordinates(178, 218)), recipe, size).pixels
    x = np.arange(box.left, box.right)
    y = np.arange(box.top, box.bottom)
    assert np.array_equal(pixels[0], np.broadcast_to(x, (size, size)))
    assert np.array_equal(pixels[1], np.broadcast_to(y[:, None], (size, size)))


@pytest.mark.parametrize("recipe", ["center178", "center140", "box128"])
def test_half_pixels_of_a_scaled_box_are_honoured(recipe: str) -> None:
    """On a gradient every resampled pixel is the coordinate of its centre, whatever the symmetric filter."""
    box, size = HALF[recipe], 32
    pixels = decode(encoded(coordinates(89, 109)), recipe, size).pixels
    step = box.side / size
    inside = slice(4, size - 4)  # at the edges the filter is one-sided
    centres = (np.arange(size) + 0.5) * step - 0.5
    assert np.abs(pixels[0, 16, inside] - (box.left + centres)[inside]).max() <= 0.51
    assert np.abs(pixels[1, inside, 16] - (box.top + centres)[inside]).max() <= 0.51


@given(
    recipe=st.sampled_from(list(CROP_RECIPES)),
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    celeba=st.booleans(),
)
def test_boxes_are_squares_inside_the_picture(recipe: str, width: int, height: int, celeba: bool) -> None:
    if celeba:
        height = max(1, round(width * 218 / 178))
    box = crop_box(recipe, width, height)
    assert box.left >= 0
    assert box.top >= 0
    assert box.right <= width + 1e-6
    assert box.bottom <= height + 1e-6
    assert box.right - box.left == pytest.approx(box.bottom - box.top)
    assert box.side > 0


@given(st.integers(2, 4000))
def test_scaled_celeba_is_recognised_whatever_way_it_was_rounded(width: int) -> None:
    assert is_celeba_shaped(width, round(width * 218 / 178))
    assert is_celeba_shaped(width, int(width * 218 / 178))


def test_common_photo_shapes_are_not_celeba() -> None:
    for width, height in ((1080, 1350), (3000, 4000), (2000, 3000), (512, 512), (218, 178), (1, 1)):
        assert not is_celeba_shaped(width, height)


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UserError, match="center178"):
        check_recipe("centre178")
