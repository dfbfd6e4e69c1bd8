"""An exported checkpoint draws elsewhere what its run draws here."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.base.errors import DamagedError, UserError
from engine.base.folders import CheckpointFolder, SampleFolder
from engine.base.home import Home
from engine.jobs.context import Work
from engine.jobs.files import Result, new_job_folder, read_result, read_spec
from engine.models.build import unet_config
from engine.models.unet import UNet
from engine.runs.checkpoints import Manifest, publish, resolve
from engine.runs.export import export_checkpoint, read_export
from engine.runs.record import read_record
from engine.sampling.job import run_sampling
from tests.tiny import make_run, work


def drawn(home: Home, run: str | None, **args: Any) -> Result:
    folder = new_job_folder(home, "sample", run, {"n": 2, "trajectory": 1, **args}, "cpu")
    return run_sampling(Work(home, folder, read_spec(folder), io.StringIO()))


def pictures(result: Result) -> np.ndarray:
    found: np.ndarray = np.load(SampleFolder(Path(result.extra["folder"])).pictures)
    return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with the run `r`, which has a checkpoint, exported to `exported` with either weights."""
    home = Home(tmp_path / "home").create()
    run = make_run(home, "r")

    def write(folder: CheckpointFolder) -> None:
        for seed, path in ((0, folder.model), (1, folder.ema), (2, folder.optimizer)):
            torch.manual_seed(seed)
            model = UNet(unet_config(read_record(run).profile))
            save_file({name: torch.randn_like(p) / 9 for name, p in model.named_parameters()}, path)

    publish(run, Manifest(step=7, epoch=1, images=56, position=0, steps_per_epoch=7, architecture="u"), write)
    info = resolve(home, "r")[1]
    export_checkpoint(run, info, tmp_path / "exported")
    export_checkpoint(run, info, tmp_path / "raw", "raw")
    return home


@pytest.fixture
def elsewhere(tmp_path: Path, home: Home) -> Home:
    """Another home, that knows no run."""
    return Home(tmp_path / "elsewhere").create()


@pytest.mark.parametrize(("folder", "weights"), [("exported", "ema"), ("raw", "raw")])
def test_the_same_pictures_without_the_run(
    home: Home, elsewhere: Home, tmp_path: Path, folder: str, weights: str
) -> None:
    there = drawn(elsewhere, None, checkpoint=str(tmp_path / folder), grid=str(tmp_path / "grid.png"))
    here = drawn(home, "r", checkpoint="r@latest", weights=weights)
    assert np.array_equal(pictures(there), pictures(here))
    assert Path(there.extra["folder"]).parent == elsewhere.samples
    assert there.extra["files"] == [str(tmp_path / "grid.png")]
    record, known = (json.loads((Path(r.extra["folder"]) / "sample.json").read_text()) for r in (there, here))
    for clock in ("created", "seconds", "job"):
        del record[clock], known[clock]
    assert record == {**known, "export": str(tmp_path / folder)}
    assert record["weights"] == weights


def test_only_the_weights_that_were_exported(elsewhere: Home, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--weights raw: the export has the ema weights"):
        drawn(elsewhere, None, checkpoint=str(tmp_path / "exported"), weights="raw")


def test_folders_that_hold_no_whole_export(elsewhere: Home, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no exported checkpoint"):
        read_export(tmp_path / "nothing")
    job = new_job_folder(elsewhere, "sample", None, {"checkpoint": str(tmp_path / "gone"), "n": 2}, "cpu")
    assert work(job).returncode == 1
    ended = read_result(job)
    assert ended is not None
    assert (ended.outcome, ended.message) == ("failed", f"{tmp_path / 'gone'} has no exported checkpoint")
    export = read_export(tmp_path / "exported")
    weights = export.folder.weights.read_bytes()
    export.folder.weights.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(DamagedError, match=r"model\.safetensors has changed since it was exported"):
        drawn(elsewhere, None, checkpoint=str(export.folder.path))
    facts = json.loads(export.folder.record.read_text())
    for change, said in (
        ({"format": 3}, "newer ddpm-tui"),
        ({"weights": 3}, "is damaged"),
        ({"step": "x"}, "is damaged"),
    ):
        export.folder.record.write_text(json.dumps({**facts, **change}))
        with pytest.raises((UserError, DamagedError), match=said):
            read_export(export.folder.path)
    shutil.copy(tmp_path / "raw" / "export.json", export.folder.record)
    export.folder.profile.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        read_export(export.folder.path)


def test_the_script_of_the_page_draws_what_the_program_draws(
    elsewhere: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[3].joinpath("docs", "engine.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DDPM_HOME", str(elsewhere.root))
    made: dict[str, Any] = {}
    exec(script.replace("DIR", "exported"), made)
    here = drawn(elsewhere, None, checkpoint=str(tmp_path / "exported"), n=16)
    assert made["pictures"].shape == (16, 16, 16, 3)
    assert np.array_equal(made["pictures"], pictures(here))
