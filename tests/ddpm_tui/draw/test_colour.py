import numpy as np
import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._ansi_theme import MONOKAI
from textual.color import Color as TextualColor
from textual.filter import ANSIToTruecolor

from ddpm_tui.draw.colour import (
    nearest_colour,
    palette,
    quantise,
    terminal_colour,
    to_bytes,
    to_linear,
    to_oklab,
)
from ddpm_tui.draw.terminal import Depth


def every_colour(step: int = 15) -> np.ndarray:
    axis = np.arange(0, 256, step, dtype=np.uint8)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    return grid.reshape(1, -1, 3)


def test_linear_light_inverts_exactly() -> None:
    levels = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    assert (to_bytes(to_linear(levels)) == levels).all()
    assert to_linear(np.array([[188]], dtype=np.uint8))[0, 0] == pytest.approx(0.5, abs=0.004)


def test_oklab_of_published_colours() -> None:
    # Ottosson's own table is in XYZ; white, and the sRGB primaries as CSS Color 4 gives them.
    colours = np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=np.uint8)
    expected = [
        [1, 0, 0],
        [0.62796, 0.22486, 0.12585],
        [0.86644, -0.23389, 0.17950],
        [0.45201, -0.03246, -0.31153],
    ]
    np.testing.assert_allclose(to_oklab(to_linear(colours)), expected, atol=2e-4)


@pytest.mark.parametrize("depth", [Depth.ANSI16, Depth.ANSI256])
@pytest.mark.parametrize("dither", ["none", "ordered"])
def test_a_palette_colour_is_drawn_as_itself(depth: Depth, dither: str) -> None:
    numbers, colours = palette(depth)
    # Four in a row each way, so that every place of the dithering pattern is met.
    flat = np.broadcast_to(colours[None, :, None, :], (4, len(colours), 4, 3)).reshape(4, -1, 3)
    drawn = quantise(flat, depth, dither)  # type: ignore[arg-type]
    looks = colours[drawn - numbers[0]]
    assert (looks == flat).all()


def test_256_colours_are_matched_as_well_as_they_can_be() -> None:
    pixels = every_colour()
    numbers, colours = palette(Depth.ANSI256)
    drawn = to_oklab(to_linear(colours[quantise(pixels, Depth.ANSI256, "none") - numbers[0]]))
    wanted = to_oklab(to_linear(pixels))
    error = np.linalg.norm(drawn - wanted, axis=-1)
    every = np.linalg.norm(wanted[0][:, None] - to_oklab(to_linear(colours))[None], axis=-1).min(axis=1)
    # The table is by six bits a channel: at most a little worse than the exact nearest.
    assert (error[0] - every).max() < 0.03
    assert np.mean(error[0] - every) < 5e-4


@pytest.mark.parametrize(("depth", "gain"), [(Depth.ANSI256, 0.9), (Depth.ANSI16, 0.75)])
def test_dithering_brings_the_mean_of_an_area_nearer(depth: Depth, gain: float) -> None:
    numbers, colours = palette(depth)

    def error(dither: str) -> float:
        total = []
        for colour in every_colour(51)[0]:
            area = np.broadcast_to(colour, (4, 4, 3))
            shown = to_linear(colours[quantise(area, depth, dither) - numbers[0]]).mean(axis=(0, 1))  # type: ignore[arg-type]
            total.append(np.linalg.norm(to_oklab(shown[None]) - to_oklab(to_linear(colour[None]))))
        return float(np.mean(total))

    assert error("ordered") < gain * error("none")


def test_dithering_does_not_flicker() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    changed = picture.copy()
    changed[3, 5] = 255 - changed[3, 5]
    before, after = quantise(picture, Depth.ANSI256), quantise(changed, Depth.ANSI256)
    assert np.argwhere(before != after).tolist() in ([], [[3, 5]])
    assert (quantise(picture, Depth.ANSI256) == before).all()


@pytest.mark.parametrize("depth", [Depth.ANSI16, Depth.ANSI256])
def test_palette_colours_pass_textual_and_rich_unchanged(depth: Depth) -> None:
    system = ColorSystem.STANDARD if depth is Depth.ANSI16 else ColorSystem.EIGHT_BIT
    textual = ANSIToTruecolor(MONOKAI)
    for number in palette(depth)[0]:
        segment = Segment("x", Style.from_color(terminal_colour(int(number), depth)))
        [after] = textual.apply([segment], TextualColor(0, 0, 0))
        assert after.style is not None
        assert after.style.color is not None
        assert after.style.color.downgrade(system).number == number


def test_one_colour_for_a_line() -> None:
    assert nearest_colour((1, 2, 3), Depth.NONE) is None
    exact = nearest_colour((1, 2, 3), Depth.TRUECOLOR)
    assert exact is not None
    assert exact.triplet == (1, 2, 3)
    orange = nearest_colour((230, 159, 0), Depth.ANSI256)
    assert orange is not None
    assert orange.number in (178, 172, 214)


def test_only_palettes_are_quantised_to() -> None:
    with pytest.raises(ValueError, match="16 or 256"):
        quantise(np.zeros((1, 1, 3), dtype=np.uint8), Depth.TRUECOLOR)
