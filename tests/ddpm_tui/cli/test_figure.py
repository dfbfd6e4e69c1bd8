"""`figure`: what it writes and says, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.base.folders import SampleFolder
from engine.base.home import Home
from engine.config.store import load_profile
from engine.data.catalog import add_source
from engine.figures.grid import sample_sets
from engine.runs.checkpoints import resolve
from engine.runs.export import export_checkpoint, read_export
from engine.runs.record import create_run
from tests import tiny
from tests.ddpm_tui.cli.conftest import Cli
from tests.engine.figures.test_stages import make_run
from tests.torchless import trained_run


@pytest.fixture
def runs(home: Home, tmp_path: Path) -> tuple[str, str]:
    for name, epochs in (("one", 3), ("two", 2)):
        create_run(home, name, load_profile(home, "demo"))
        made = make_run(tmp_path / name, epochs)
        made.previews.rename(home.run(name).previews)
    return "one", "two"


def test_figures_say_what_made_them(cli: Cli, runs: tuple[str, str], tmp_path: Path) -> None:
    for number, arguments in enumerate((("stages", "one", "--epochs", "1,3"), ("compare", *runs))):
        out = tmp_path / f"{number}.png"
        ended = cli("figure", *arguments, "--out", str(out))
        assert ended.code == 0, ended.err
        with Image.open(out) as picture:
            assert ended.out.strip() == f"{out}: {picture.width}×{picture.height}"
            text = picture.text  # type: ignore[attr-defined]
        assert text["command"].startswith("ddpm-tui")
        assert text.get("run") == "one" or text.get("runs") == "one two"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("stages", "on"), 1, "no run named 'on'"),
        (("stages", "one", "--epochs", "9"), 1, "nearest is of epoch 3"),
        (("stages", "one", "--epochs", "a"), 2, "whole numbers"),
        (("compare", "one"), 2, "two different runs"),
        (("compare", "one", "two", "--epochs", "3"), 1, "epoch 3 has no preview in every run"),
        (("grid", "one"), 1, "run 'one' has no checkpoint"),
        (("denoise", "one"), 1, "run 'one' has no checkpoint"),
        (("grid", "one", "--set", "4"), 1, "no sample set '4'"),
        (("curves", "one"), 1, "no eps error"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    cli: Cli, runs: tuple[str, str], tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    out = tmp_path / "out.png"
    ended = cli("figure", *arguments, "--out", str(out))
    assert ended.code == code
    assert said in ended.error
    assert not out.exists()


def test_files_that_are_not_figures_are_left_alone(cli: Cli, runs: tuple[str, str], tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (2, 2)).save(photo)
    assert "not a figure" in cli("figure", "stages", "one", "--out", str(photo)).error
    assert ".png" in cli("figure", "stages", "one", "--out", str(tmp_path / "a.jpg")).error


def test_a_set_that_has_fewer_is_said(cli: Cli, home: Home, runs: tuple[str, str], tmp_path: Path) -> None:
    folder = home.run("one").sample("000007")
    folder.path.mkdir(parents=True)
    np.save(folder.pictures, np.zeros((4, 8, 8, 3), np.uint8))
    np.save(folder.trajectory, np.zeros((3, 2, 8, 8, 3), np.uint8))
    folder.record.write_text('{"run": "one", "checkpoint": 70}')
    out = str(tmp_path / "out.png")
    said = cli("figure", "grid", "one", "--pictures", "32", "--out", out).err
    assert said == "sample set 7 has 4 of 32 pictures: `ddpm-tui sample one@70 -n 32` draws them\n"
    said = cli("figure", "denoise", "one", "--pictures", "3", "--out", out).err
    assert "has 2 of 3 pictures: `ddpm-tui sample one@70 -n 3 --trajectory-of 3` draws them" in said
    assert cli("figure", "grid", "one", "--pictures", "4", "--out", out).err == ""


def test_an_exported_folder_has_the_sets_that_were_drawn_from_it(
    cli: Cli, home: Home, tmp_path: Path
) -> None:
    run = trained_run(home, "r", 2)
    for step in (7, 14):
        export_checkpoint(run, resolve(home, f"r@{step}")[1], tmp_path / f"at{step}")
    for name, step in (("000003", 7), ("000004", 14)):
        folder = SampleFolder(home.samples / name)
        folder.path.mkdir(parents=True)
        np.save(folder.pictures, np.zeros((4, 8, 8, 3), np.uint8))
        digest = read_export(tmp_path / f"at{step}").sha256
        folder.record.write_text(json.dumps({"run": "r", "checkpoint": step, "weights_sha256": digest}))
    out = tmp_path / "out.png"
    ended = cli("figure", "grid", str(tmp_path / "at7"), "--pictures", "5", "--out", str(out))
    assert ended.code == 0, ended.err
    assert f"sample set 3 has 4 of 5 pictures: `ddpm-tui sample {tmp_path / 'at7'} -n 5`" in ended.err
    ended = cli("figure", "grid", str(tmp_path / "at7"), "--set", "4", "--out", str(out))
    assert f"{tmp_path / 'at7'} has no sample set '4' — there are: 3" in ended.error


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.usefixtures("forked_workers")
def test_pictures_that_are_not_there_are_drawn_and_kept(
    cli: Cli, home: Home, many_pictures: Path, tmp_path: Path
) -> None:
    add_source(home, many_pictures, "dots")
    run = tiny.make_run(home, "tiny")
    assert tiny.work(tiny.job(home, run, 1)).returncode == 0
    out, photo = tmp_path / "out.png", tmp_path / "photo.png"
    Image.new("RGB", (2, 2)).save(photo)

    assert "not a figure" in cli("figure", "grid", "tiny", "--out", str(photo)).error
    assert sample_sets(run.samples) == [], "nothing is drawn for a figure that cannot be written"
    ended = cli("figure", "grid", "tiny@latest", "--pictures", "3", "--out", str(out))
    assert ended.code == 0, ended.err
    assert "no samples of tiny@latest: drawing 3" in ended.err
    (grid,) = sample_sets(run.samples)
    assert len(np.load(grid.folder.pictures)) == 3

    for said in (
        "no samples of tiny have a stored denoising: drawing 2",
        "",
    ):  # the second time they are there
        ended = cli("figure", "denoise", "tiny", "--pictures", "2", "--out", str(out))
        assert ended.code == 0, ended.err
        assert said in ended.err
        assert ("drawing" in ended.err) == bool(said)
        assert len(sample_sets(run.samples)) == 2
    with Image.open(out) as picture:
        assert picture.text["samples"] == sample_sets(run.samples)[1].words  # type: ignore[attr-defined]
    assert (
        "has no stored"
        in cli("figure", "denoise", "tiny", "--set", grid.folder.path.name, "--out", str(out)).error
    )
