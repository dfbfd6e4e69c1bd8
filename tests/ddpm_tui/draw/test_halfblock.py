import numpy as np
import pytest
from rich.segment import Segment

from ddpm_tui.draw.colour import palette
from ddpm_tui.draw.halfblock import RAMP, half_block_rows
from ddpm_tui.draw.terminal import Depth

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def picture(*rows: list[tuple[int, int, int]]) -> np.ndarray:
    return np.array(rows, dtype=np.uint8)


def described(row: list[Segment]) -> list[tuple[str, object, object]]:
    def triplet(colour: object) -> object:
        return tuple(colour.triplet) if colour is not None else None  # type: ignore[attr-defined]

    return [
        (s.text, triplet(s.style.color), triplet(s.style.bgcolor)) if s.style else (s.text, None, None)
        for s in row
    ]


def test_two_pixels_a_cell_exactly() -> None:
    rows = half_block_rows(picture([RED, RED, BLUE], [BLUE, BLUE, BLUE]), Depth.TRUECOLOR)
    assert [described(row) for row in rows] == [[("▀▀", RED, BLUE), (" ", None, BLUE)]]


def test_an_odd_row_leaves_the_terminals_background_below() -> None:
    rows = half_block_rows(picture([RED], [BLUE], [WHITE]), Depth.TRUECOLOR)
    assert [described(row) for row in rows] == [[("▀", RED, BLUE)], [("▀", WHITE, None)]]


def test_clear_pixels_show_the_terminal() -> None:
    rgba = np.zeros((2, 3, 4), dtype=np.uint8)
    rgba[0, 1] = (*RED, 255)
    rgba[1, 2] = (*BLUE, 255)
    [row] = half_block_rows(rgba, Depth.TRUECOLOR)
    assert described(row) == [(" ", None, None), ("▀", RED, None), ("▄", BLUE, None)]


def test_every_pixel_of_a_picture_can_be_read_back() -> None:
    pixels = np.random.default_rng(1).integers(0, 3, (6, 40, 3), dtype=np.uint8) * 100
    for y, row in enumerate(half_block_rows(pixels, Depth.TRUECOLOR)):
        x = 0
        for text, top, bottom in described(row):
            for _ in text:
                assert bottom == tuple(pixels[2 * y + 1, x])
                assert (top or bottom) == tuple(pixels[2 * y, x])
                x += 1
        assert x == 40


def test_equal_cells_share_a_segment() -> None:
    assert len(half_block_rows(np.full((2, 64, 3), 7, dtype=np.uint8), Depth.TRUECOLOR)[0]) == 1


@pytest.mark.parametrize("depth", [Depth.ANSI16, Depth.ANSI256])
def test_palette_depths_use_palette_numbers_only(depth: Depth) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    allowed = set(palette(depth)[0].tolist())
    for row in half_block_rows(pixels, depth):
        for segment in row:
            assert segment.style is not None
            for colour in (segment.style.color, segment.style.bgcolor):
                assert colour is None or colour.number in allowed


def test_without_unicode_a_cell_is_one_coloured_blank() -> None:
    [row] = half_block_rows(picture([RED, WHITE], [RED, (0, 0, 0)]), Depth.TRUECOLOR, unicode=False)
    # White over black is half the light: 188 in sRGB.
    assert described(row) == [(" ", None, RED), (" ", None, (188, 188, 188))]


@pytest.mark.parametrize("unicode", [True, False])
def test_without_colours_brighter_means_more_ink_and_no_escapes(unicode: bool) -> None:
    grey = np.arange(0, 256, 5, dtype=np.uint8)
    pixels = np.broadcast_to(grey[None, :, None], (2, len(grey), 3))
    [row] = half_block_rows(pixels, Depth.NONE, unicode)
    assert all(segment.style is None for segment in row)
    text = "".join(segment.text for segment in row)
    levels = [RAMP.index(char) for char in text]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, len(RAMP) - 1)
    assert text.isascii()
