"""One address for what is drawn from and scored: RUN@WHICH, or the folder of an exported checkpoint."""

import builtins
import os
import shutil
from pathlib import Path

import pytest

from engine.base.errors import DamagedError, UserError
from engine.base.home import Home
from engine.base.scarcity import ScarceError
from engine.data.catalog import add_source, packed_folder
from engine.data.packing import pack
from engine.runs.checkpoints import resolve
from engine.runs.export import export_checkpoint
from engine.runs.record import freeze
from engine.runs.trained import find_trained
from engine.sampling.load import load_weights
from tests.torchless import trained_run


@pytest.fixture
def home(tmp_path: Path, pictures: Path) -> Home:
    """The run `r` of the data set `dots`, its checkpoint at step 14 exported with the raw weights to `out`."""
    home = Home(tmp_path / "home").create()
    source = add_source(home, pictures, "dots")
    run = trained_run(home, "r", 2)
    folder = packed_folder(home, "dots", 16, "whole", None)
    freeze(run, data={"folder": folder.path.name, "fingerprint": source.fingerprint})
    export_checkpoint(run, resolve(home, "r")[1], tmp_path / "out", "raw")
    return home


def test_both_addresses_mean_the_same_weights(home: Home, tmp_path: Path) -> None:
    exported, own = find_trained(home, f"{tmp_path}/./out"), find_trained(home, "r@e2")
    assert (own.reference, own.run, own.name) == ("r@14", "r", "r@14")
    assert (exported.reference, exported.run, exported.name) == (str(tmp_path / "out"), None, "r@14")
    assert (own.step, own.epochs, own.profile) == (exported.step, exported.epochs, exported.profile)
    assert exported.sha256("raw") == own.sha256("raw") != own.sha256("ema")
    assert (own.place.samples, exported.place.samples) == (home.run("r").samples, home.samples)
    assert exported.drew({"checkpoint": 14, "weights_sha256": own.sha256("raw")})
    assert not exported.drew({"checkpoint": 14, "weights_sha256": own.sha256("ema")})
    assert own.drew({"checkpoint": 14})


def test_an_exported_folder_given_as_a_run_is_told_from_one(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no run named 'out'.*this folder is \./out$"):
        find_trained(home, "out")


@pytest.mark.parametrize(
    ("reference", "words"),
    [("r@" + "1" * 5000, "no checkpoint of 'r' named"), ("r" * 300, "no run named")],
    ids=["checkpoint", "run"],
)
def test_a_name_longer_than_any_files_is_an_unknown_one(home: Home, reference: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        find_trained(home, reference)


def test_an_export_has_only_its_own_weights(home: Home, tmp_path: Path) -> None:
    exported = find_trained(home, str(tmp_path / "out"))
    assert exported.settings({"steps": 5, "n": 3}).weights == "raw"
    assert find_trained(home, "r").settings({"weights": "ema"}).weights == "ema"
    with pytest.raises(UserError, match="--weights ema: the export has the raw weights"):
        exported.settings({"weights": "ema"})


def test_an_export_knows_which_pictures_it_learned_from(home: Home, pictures: Path, tmp_path: Path) -> None:
    own, exported = (find_trained(home, at) for at in ("r", str(tmp_path / "out")))
    pack(home, "dots", 16, "whole", processes=1)
    assert exported.pictures(home) == own.pictures(home)

    elsewhere = Home(tmp_path / "elsewhere").create()
    with pytest.raises(
        UserError, match=r"the pictures that .*/out learned from .*: no data set named 'dots'"
    ):
        exported.pictures(elsewhere)
    add_source(elsewhere, pictures, "dots")
    assert exported.pictures(elsewhere).path.name == own.pictures(home).path.name

    others = Home(tmp_path / "others").create()
    fewer = tmp_path / "fewer"
    shutil.copytree(pictures, fewer)
    next(fewer.iterdir()).unlink()
    add_source(others, fewer, "dots")
    with pytest.raises(UserError, match="began with are gone, and data set 'dots' has others now"):
        exported.pictures(others)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_weights_of_which_a_bit_was_changed_name_the_whole_checkpoint_before(home: Home) -> None:
    flip(home.run("r").checkpoint(14).ema)
    with pytest.raises(DamagedError, match=r"checkpoint r@14 is damaged: .* — the newest whole one is r@7$"):
        load_weights(find_trained(home, "r"), "ema", "cpu")
    flip(home.run("r").checkpoint(7).model)
    with pytest.raises(DamagedError, match="run 'r' has no whole checkpoint"):
        load_weights(find_trained(home, "r"), "ema", "cpu")


def test_a_shortage_of_files_is_no_damage(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file and folder of a run fails to open in turn."""
    checkpoint = home.run("r").checkpoint(14)
    for path in (
        home.run("r").checkpoints,
        home.run("r").tags,
        checkpoint.manifest,
        checkpoint.ema,
        checkpoint.model,
    ):

        def short(real, path=path):  # type: ignore[no-untyped-def]
            def opening(given, *args, **kwargs):  # type: ignore[no-untyped-def]
                if isinstance(given, str | Path) and Path(given) == path:
                    raise OSError(24, "Too many open files", str(given))
                return real(given, *args, **kwargs)

            return opening

        with monkeypatch.context() as patch:
            for owner in (os, builtins):
                patch.setattr(owner, "open", short(owner.open))
            patch.setattr(os, "listdir", short(os.listdir))
            with pytest.raises(ScarceError, match="too many open files"):
                load_weights(find_trained(home, "r@latest"), "ema", "cpu")
