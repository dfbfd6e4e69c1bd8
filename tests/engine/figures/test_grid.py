"""Batches of samples, their denoising and runs beside each other, from what runs have on disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.base.errors import UserError
from engine.base.folders import RunFolder
from engine.figures.grid import choose_set, compared, denoising, sample_sets, samples
from engine.figures.sheet import GAP, MARGIN
from tests.engine.figures.test_stages import make_run


def add_set(run: RunFolder, name: str, step: int, value: int, frames: bool = False) -> None:
    folder = run.sample(name)
    folder.path.mkdir(parents=True)
    np.save(folder.pictures, np.full((5, 8, 8, 3), value, np.uint8))
    if frames:
        steps = [np.full((5, 8, 8, 3), 10 * i, np.uint8) for i in range(5)]
        np.save(folder.trajectory, np.stack(steps))
    record = {
        "run": run.name,
        "checkpoint": step,
        "epoch": 2.0,
        "sampler": "ddim",
        "steps": 4,
        "weights": "ema",
        "seed": 7,
    }
    folder.record.write_text(json.dumps(record))


def inside(sheet: Image.Image) -> np.ndarray:
    """Without the white margin."""
    whole = np.asarray(sheet)
    assert (whole[:MARGIN] == 255).all()
    return whole[MARGIN:-MARGIN, MARGIN:-MARGIN]


def test_the_newest_set_or_the_one_that_is_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path, 1)
    add_set(run, "000003", 100, 30, frames=True)
    add_set(run, "000004", 200, 40)

    def chosen(wanted: str | None = None, **how: Any) -> str | None:
        found = choose_set(sample_sets(run.samples), "run", wanted, **how)
        return found and found.folder.path.name

    assert chosen() == "000004"
    assert chosen("3") == "000003"
    assert chosen(step=100) == "000003"
    assert chosen(frames=True) == "000003"
    assert chosen(step=300) is None
    assert chosen(step=200, frames=True) is None
    for args, said in (
        ({"wanted": "9"}, "no sample set '9'"),
        ({"wanted": "3", "step": 200}, "not of run@200"),
        ({"wanted": "4", "frames": True}, "has no stored denoising"),
    ):
        with pytest.raises(UserError, match=said):
            chosen(**args)  # type: ignore[arg-type]
    (only, _) = sample_sets(run.samples)
    assert "ddim 4 steps" in only.words


def test_pictures_in_rows_and_frames_from_noise_to_face(tmp_path: Path) -> None:
    run = make_run(tmp_path, 1)
    add_set(run, "000003", 100, 30, frames=True)
    (chosen,) = sample_sets(run.samples)
    sheet = inside(samples(chosen, pictures=5, columns=3, scale=2, caption=False))
    assert sheet.shape == (2 * 16 + GAP, 3 * 16 + 2 * GAP, 3)
    assert sheet[-1, 0, 0] == 30
    assert sheet[-1, -1, 0] == 255
    way = inside(denoising(chosen, pictures=2, columns=3, scale=10, caption=False))
    assert [way[-1, x, 0] for x in (0, 80 + GAP, 2 * (80 + GAP))] == [0, 20, 40]


def test_runs_down_and_the_epochs_they_share_across(tmp_path: Path) -> None:
    few, many = make_run(tmp_path / "few", 2), make_run(tmp_path / "many", 4)
    sheet = inside(compared([few, many], epochs=None, columns=4, pictures=1, scale=10))
    assert [sheet[-1, x, 0] for x in (-1, -(80 + GAP + 1))] == [20, 10], "epochs 1 and 2"
    with pytest.raises(UserError, match="epoch 3 has no preview in every run"):
        compared([few, many], epochs=[1, 3], columns=4, pictures=1, scale=2)
