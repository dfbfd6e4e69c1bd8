"""One tiny checkpoint with random weights, in every format at once."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.api import load
from engine.base.folders import CheckpointFolder
from engine.base.home import Home
from engine.export.formats import FORMATS
from engine.export.job import run_export
from engine.jobs.context import Work
from engine.jobs.files import Result, new_job_folder, read_spec
from engine.models.build import unet_config
from engine.models.unet import UNet
from engine.runs.checkpoints import Manifest, publish
from engine.runs.record import read_record
from tests.tiny import make_run

SEEDS = 3


@dataclass(frozen=True)
class Exported:
    """folder: has one for each format · pictures: of seed 0, as this program draws them."""

    home: Home
    folder: Path
    result: Result
    pictures: np.ndarray

    def of(self, form: str) -> Path:
        return self.folder / form


def export(home: Home, target: Path, *formats: str, **args: Any) -> Result:
    asked = {"checkpoint": "r@latest", "target": str(target), "formats": list(formats), "n": SEEDS, **args}
    folder = new_job_folder(home, "export", "r", asked, "cpu")
    return run_export(Work(home, folder, read_spec(folder), io.StringIO()))


def home_with_a_run(root: Path) -> Home:
    """A home with the run `r`, of which one checkpoint has random weights."""
    home = Home(root).create()
    run = make_run(home, "r")

    def write(folder: CheckpointFolder) -> None:
        for seed, path in ((0, folder.model), (1, folder.ema), (2, folder.optimizer)):
            torch.manual_seed(seed)
            model = UNet(unet_config(read_record(run).profile))
            save_file({name: torch.randn_like(p) / 9 for name, p in model.named_parameters()}, path)

    publish(run, Manifest(step=7, epoch=1, images=56, position=0, steps_per_epoch=7, architecture="u"), write)
    return home


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    root = tmp_path_factory.mktemp("exported")
    home = home_with_a_run(root / "home")
    result = export(
        home, root / "out", *FORMATS, license="cc-by-4.0", command="ddpm-tui checkpoints export r root/out"
    )
    return Exported(
        home, root / "out", result, load("r@latest", home=home, device="cpu").sample(SEEDS, steps=3)
    )
