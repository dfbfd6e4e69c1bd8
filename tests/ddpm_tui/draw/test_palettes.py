from itertools import combinations

import numpy as np
import pytest

from ddpm_tui.draw.colour import to_linear, to_oklab
from ddpm_tui.draw.palettes import OKABE_ITO, RGB, Ink, blend, curve_style, legible, lightness
from ddpm_tui.draw.terminal import Depth

# Machado, Oliveira, Fernandes 2009, severity 1.0: linear RGB as seen without one kind of cone.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
DARK, LIGHT = (18, 18, 18), (250, 250, 250)


def lab(colour: RGB, eye: np.ndarray | None = None) -> np.ndarray:
    linear = to_linear(np.array(colour, dtype=np.uint8))
    seen = linear if eye is None else np.clip(eye @ linear, 0, 1).astype(np.float32)
    return to_oklab(seen)


@pytest.mark.parametrize("eye", [None, DEUTERANOPIA, PROTANOPIA])
def test_runs_are_told_apart_by_every_eye(eye: np.ndarray | None) -> None:
    for a, b in combinations(OKABE_ITO[:4], 2):
        assert np.linalg.norm(lab(a, eye) - lab(b, eye)) > 0.06


@pytest.mark.parametrize("ground", [DARK, LIGHT])
def test_curves_stand_off_their_ground_and_dim_ones_less(ground: RGB) -> None:
    ink = Ink(OKABE_ITO, ground)
    for slot in range(8):
        bright = abs(lightness(ink.bright(slot)) - lightness(ground))
        dim = abs(lightness(ink.dim(slot)) - lightness(ground))
        assert bright >= 0.5
        assert 0.1 < dim < bright


def test_a_legible_colour_is_left_alone() -> None:
    assert legible((255, 255, 255), DARK) == (255, 255, 255)
    assert legible((240, 240, 240), LIGHT) != (240, 240, 240)


def test_blending_is_in_linear_light() -> None:
    assert blend((0, 0, 0), (255, 255, 255), 0.5) == (188, 188, 188)
    assert blend((10, 20, 30), (0, 0, 0), 0.0) == (10, 20, 30)


def test_sixteen_colours_come_in_two_strengths() -> None:
    on_dark = [curve_style(Ink(ground=DARK), 0, Depth.ANSI16, dim).color.number for dim in (False, True)]  # type: ignore[union-attr]
    on_light = [curve_style(Ink(ground=LIGHT), 0, Depth.ANSI16, dim).color.number for dim in (False, True)]  # type: ignore[union-attr]
    assert on_dark == [14, 6]
    assert on_light == [6, 14]


def test_without_colours_bold_and_dim_tell_the_lines() -> None:
    bright, dim = (curve_style(Ink(), 0, Depth.NONE, d) for d in (False, True))
    assert (bright.bold, bright.dim, dim.bold, dim.dim) == (True, None, None, True)
    assert bright.color is None
