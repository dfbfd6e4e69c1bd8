"""Every folder that is made below the home is its user's alone, whatever the umask says."""

import os
import stat
from pathlib import Path

import numpy as np

from engine.base.home import ExportPlace, Home
from engine.evaluation.kept import KeptEvaluation
from engine.sampling.drawing import Drawn
from engine.sampling.job import store


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made_of_an_export_is_private(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        home = Home(tmp_path / "home").create()
        place = ExportPlace(home, "r", "0" * 64)
        pictures = np.zeros((1, 8, 8, 3), np.uint8)
        store(place.samples, "000001", [Drawn(range(1), pictures, None)], {"run": "r", "checkpoint": 1})
        KeptEvaluation.open(place.evaluations, {"a": 1}, 8)
    finally:
        os.umask(before)
    assert [path.name for path in home.root.iterdir() if path.is_dir() and mode(path) != 0o700] == []
    assert {"samples", "evaluations"} <= {path.name for path in home.root.iterdir()}
