import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_tui.draw.colour import to_linear
from ddpm_tui.draw.layout import contact_sheet, grid_layout, resize, shown_size


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def fitted(picture: np.ndarray, cells_w: int, cells_h: int) -> np.ndarray:
    height, width = picture.shape[:2]
    return resize(picture, *shown_size((width, height), cells_w, cells_h))


def test_integer_scaling_repeats_pixels() -> None:
    picture = noise(8, 8)
    shown = fitted(picture, 39, 20)
    assert shown.shape == (32, 32, 3)
    assert (shown[::4, ::4] == picture).all()
    assert (shown[3::4, 3::4] == picture).all()


def test_too_large_a_picture_keeps_its_shape_and_its_light() -> None:
    picture = noise(64, 48)
    shown = fitted(picture, 80, 12)
    assert shown.shape == (24, 18, 3)
    np.testing.assert_allclose(to_linear(shown).mean(), to_linear(picture).mean(), atol=0.003)


def test_area_average_of_whole_blocks() -> None:
    black_and_white = np.indices((8, 8)).sum(axis=0) % 2 * 255
    picture = np.repeat(black_and_white[..., None], 3, axis=2).astype(np.uint8)
    # A checker is half the light, which sRGB writes as 188 and not as 128.
    assert (resize(picture, 4, 4) == 188).all()


def test_a_grid_takes_the_largest_scale_at_which_all_fit() -> None:
    layout = grid_layout(8, (32, 32), 200, 50)
    assert (layout.width, layout.columns, layout.rows) == (32, 6, 2)
    assert grid_layout(2, (32, 32), 200, 50).width == 96
    assert grid_layout(1, (64, 64), 80, 24).width == 48  # too tall by itself: cut to what the rows allow


def test_a_grid_that_cannot_show_all_has_pages() -> None:
    layout = grid_layout(500, (64, 64), 80, 22)
    assert layout.per_page == layout.columns * layout.rows < 500
    # Sixteen pixels at least, and then as many as leave no fewer on the page.
    assert (layout.width, layout.columns, layout.rows) == (19, 4, 2)
    assert layout.pages(500) == -(-500 // layout.per_page)
    assert grid_layout(500, (64, 64), 80, 22, edge=32).width == 32


@settings(max_examples=200)
@given(
    n=st.integers(1, 300),
    size=st.sampled_from([16, 28, 32, 64, 128]),
    width=st.integers(1, 220),
    height=st.integers(1, 70),
    label=st.integers(0, 1),
)
def test_every_grid_stays_in_its_room(n: int, size: int, width: int, height: int, label: int) -> None:
    layout = grid_layout(n, (size, size), width, height, label_rows=label)
    wide, tall = layout.cells
    assert wide <= width
    assert tall <= max(height, 1 + label)
    corners = {layout.place(i) for i in range(layout.per_page)}
    assert len(corners) == layout.per_page
    assert all(x + layout.width <= wide and y + layout.tile_cells[1] <= tall for x, y in corners)


def test_a_contact_sheet_puts_each_picture_in_its_place() -> None:
    pictures = [np.full((16, 16, 3), i, dtype=np.uint8) for i in range(1, 8)]
    layout = grid_layout(7, (16, 16), 70, 17)
    assert (layout.columns, layout.rows) == (4, 2)
    sheet = contact_sheet(pictures, layout)
    assert sheet.shape == (2 * layout.cells[1], layout.cells[0], 4)
    x, y = layout.place(5)
    assert (sheet[2 * y : 2 * y + 16, x : x + 16] == [6, 6, 6, 255]).all()
    assert (sheet[:, 16, 3] == 0).all()  # the gap
    x, y = layout.place(7)
    assert (sheet[2 * y :, x:, 3] == 0).all()  # the place nobody takes


def test_the_second_page_starts_where_the_first_ended() -> None:
    pictures = [np.full((16, 16, 3), i, dtype=np.uint8) for i in range(10)]
    layout = grid_layout(10, (16, 16), 33, 8, edge=16)
    assert layout.per_page == 2
    assert contact_sheet(pictures, layout, page=2)[0, 0, 0] == 4


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 1), (1, 5)])
def test_the_smallest_pictures(height: int, width: int) -> None:
    assert fitted(noise(height, width), 10, 10).shape[2] == 3
