"""`data add` of tars, several paths and the hub, as a person types it."""

import tarfile
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.data.catalog import load_source
from tests.ddpm_tui.cli.conftest import Cli


def test_a_tar_and_a_folder_are_one_set(home: Home, cli: Cli, pictures: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "more.tar.gz", "w:gz") as archive:
        for path in sorted(pictures.iterdir())[:4]:
            archive.add(path, path.name)
    ended = cli("data", "add", str(tmp_path / "more.tar.gz"), str(pictures), "--no-pack", "--json")
    assert ended.code == 0, ended.err
    assert (ended.json["name"], ended.json["pictures"]) == ("more", 65)
    assert load_source(home, "more").path == str(home.source("more").download / "imported.zip")
    assert cli("data", "remove", "more").code == 0
    assert not home.source("more").download.exists()


def test_the_hub_that_cannot_be_reached_is_one_line(
    home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    ended = cli("data", "add", "hf:someone/faces")
    assert ended.code == 1
    (_, error) = ended.err.splitlines()
    assert error.startswith("error: hf:someone/faces cannot be downloaded: ")
    assert cli("data", "add", "hf:").code == 2
    monkeypatch.setattr("engine.data.hub.find_spec", lambda name: None)
    assert "pip install 'ddpm-tui[hub]'" in cli("data", "add", "hf:faces").error
