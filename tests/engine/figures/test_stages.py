"""Stages of training: the chosen epochs, the same seeds, legible labels."""

from pathlib import Path

import numpy as np
import pytest

from engine.base.errors import DamagedError, UserError
from engine.base.folders import RunFolder
from engine.figures.sheet import GAP, MARGIN
from engine.figures.stages import read_preview, stages
from engine.sampling.sheets import grid, save_png


def make_run(folder: Path, epochs: int) -> RunFolder:
    run = RunFolder(folder / "run")
    run.previews.mkdir(parents=True)
    for epoch in range(1, epochs + 1):
        pictures = np.stack([np.full((8, 8, 3), 10 * epoch + seed, np.uint8) for seed in range(6)])
        text = {"epoch": str(epoch), "count": "6", "size": "8"}
        save_png(run.preview(epoch * 100), grid(pictures, gap=0), text)
    return run


def test_a_sheet_is_cut_into_its_pictures(tmp_path: Path) -> None:
    preview = read_preview(make_run(tmp_path, 1).preview(100))
    assert preview.pictures.shape == (6, 8, 8, 3)
    assert [int(p[0, 0, 0]) for p in preview.pictures] == [10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize(
    "wrong", [{"size": "0"}, {"size": "7"}, {"size": "x"}, {"epoch": "?"}, {"count": ""}]
)
def test_a_sheet_that_says_nonsense_is_named(tmp_path: Path, wrong: dict[str, str]) -> None:
    path = make_run(tmp_path, 1).preview(100)
    save_png(path, np.zeros((16, 32, 3), np.uint8), {"epoch": "1", "count": "6", "size": "8", **wrong})
    with pytest.raises(DamagedError, match=path.name):
        read_preview(path)
    save_png(path.with_name("mine.png"), np.zeros((16, 32, 3), np.uint8), {})
    with pytest.raises(DamagedError, match=r"mine\.png"):
        read_preview(path.with_name("mine.png"))


def test_epochs_across_and_seeds_down(tmp_path: Path) -> None:
    whole = np.asarray(stages(make_run(tmp_path, 9), pictures=3, columns=5, scale=10))
    sheet = whole[MARGIN:-MARGIN, MARGIN:-MARGIN]
    label = len(sheet) - 3 * 80 - 2 * GAP
    assert sheet.shape == (label + 3 * 80 + 2 * GAP, 5 * 80 + 4 * GAP, 3)
    for column, epoch in enumerate((1, 3, 5, 7, 9)):
        for row in range(3):
            assert sheet[label + row * (80 + GAP), column * (80 + GAP), 0] == 10 * epoch + row
    assert (sheet[:label] < 100).any(), "labels are written"


def test_epochs_that_are_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path, 9)
    sheet = np.asarray(stages(run, pictures=1, scale=10, epochs=[2, 7]))[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert sheet.shape[1] == 2 * 80 + GAP
    assert [sheet[-1, x, 0] for x in (0, 80 + GAP)] == [20, 70]
    with pytest.raises(UserError, match=r"no preview of epoch 12.*nearest is of epoch 9"):
        stages(run, epochs=[12])


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path, 1)
    run.preview(100).write_bytes(b"not a picture")
    with pytest.raises(DamagedError, match="cannot be read"):
        stages(run)
    run.preview(100).unlink()
    with pytest.raises(UserError, match="has no previews"):
        stages(run)
