"""Sheets and curves: where pictures and labels are, and files that say what made them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.base.errors import UserError
from engine.figures.curves import FigureCurve, loss_curves
from engine.figures.saving import save_figure
from engine.figures.sheet import GAP, labelled_sheet


def flat(value: int, side: int = 8) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def test_pictures_stand_at_the_lower_right_of_their_labels() -> None:
    plain = np.asarray(labelled_sheet([[flat(10), flat(20)], [flat(30), None]], scale=5))
    assert plain.shape == (80 + GAP, 80 + GAP, 3)
    assert (plain[0, 0, 0], plain[0, -1, 0], plain[-1, 0, 0]) == (10, 20, 30)
    assert plain[-1, -1, 0] == 255, "an empty place is white"
    named = np.asarray(labelled_sheet([[flat(10), flat(20)]], ["first"], ["one", "two"], scale=5))
    assert named[-1, -1, 0] == 20
    assert (named[-40:, :-82] < 100).any(), "the row's name"
    assert (named[:-40, -82:] < 100).any(), "the columns' names"


def test_groups_stand_apart_under_one_name_and_long_captions_are_wrapped() -> None:
    cells = [[flat(10)] * 4]
    together, apart = (labelled_sheet(cells, scale=5, group=group) for group in (1, 2))
    assert apart.width == together.width + 2 * GAP
    one, more = (labelled_sheet(cells, scale=5, caption="word " * n) for n in (2, 60))
    assert more.width == one.width
    assert more.height > one.height + 20


@pytest.mark.parametrize("side", [16, 24])
def test_smaller_pictures_are_enlarged_to_stand_beside_larger_ones(side: int) -> None:
    small = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    sheet = np.asarray(labelled_sheet([[small, flat(1, 32)]], scale=2))
    assert sheet.shape == (64, 2 * 64 + GAP, 3)
    assert (sheet[0, 0] == small[0, 0]).all()
    assert (sheet[-1, 63] == small[-1, -1]).all()
    assert {tuple(p) for p in sheet[:, :64].reshape(-1, 3)} <= {tuple(p) for p in small.reshape(-1, 3)}


def test_a_sheet_without_pictures_is_refused() -> None:
    with pytest.raises(UserError, match="no pictures"):
        labelled_sheet([[None]])


def test_curves_have_each_series_in_its_colour() -> None:
    x = np.arange(5.0)
    series = [
        FigureCurve("a", x, 10.0**-x),
        FigureCurve("b", x, 0.5 * 10.0**-x, 0.4 * 10.0**-x, 0.6 * 10.0**-x),
    ]
    drawn = np.asarray(loss_curves(series, x_label="epoch", y_label="loss"))
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        assert (drawn == colour).all(axis=2).sum() > 200
    alone = np.asarray(loss_curves(series[:1], x_label="epoch", y_label="loss"))
    assert not (alone == (0xD5, 0x5E, 0x00)).all(axis=2).any()


def test_a_figure_says_what_made_it_and_replaces_only_figures(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for _ in range(2):
        save_figure(Image.new("RGB", (4, 4)), path, "ddpm-tui figure stages demo", dpi=150)
    with Image.open(path) as found:
        assert found.text["command"] == "ddpm-tui figure stages demo"  # type: ignore[attr-defined]
        assert round(found.info["dpi"][0]) == 150
    other = tmp_path / "photo.png"
    Image.new("RGB", (4, 4)).save(other)
    with pytest.raises(UserError, match="not a figure"):
        save_figure(Image.new("RGB", (4, 4)), other, "x")
    with pytest.raises(UserError, match=r"\.png"):
        save_figure(Image.new("RGB", (4, 4)), tmp_path / "a.jpg", "x")
    with pytest.raises(UserError, match="not a folder"):
        save_figure(Image.new("RGB", (4, 4)), tmp_path / "no" / "a.png", "x")
