"""Where things are: one place joins paths, and no name leads out of it."""

import stat
from pathlib import Path

import pytest

from engine.base.errors import UserError
from engine.base.home import Home, check_name, shipped_profiles


def test_the_variable_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DDPM_HOME", str(tmp_path / "here"))
    assert Home.find().root == tmp_path / "here"
    assert not (tmp_path / "here").exists(), "looking makes nothing"


def test_a_relative_home_and_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DDPM_HOME", "state")
    assert Home.find().root == tmp_path / "state"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DDPM_HOME", "~/elsewhere")
    assert Home.find().root == tmp_path / "elsewhere"


def test_without_the_variable_it_is_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DDPM_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    found = Home.find().root
    assert found.name == "ddpm-tui"
    assert tmp_path in found.parents


def test_folders_are_the_users_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "state").create()
    for folder in (home.root, home.runs, home.jobs, home.trash, home.data, home.profiles, home.studies):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    home.create()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to .*file/state.*set DDPM_HOME"):
        Home(tmp_path / "file" / "state").create()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", ".hidden", "-flag", "a b", "ä", "x" * 81, "a\n"]
)
def test_names_that_cannot_be_folders(name: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    for make in (home.run, home.job, home.source, home.user_profile):
        with pytest.raises(UserError, match="cannot name a"):
            make(name)


@pytest.mark.parametrize("name", ["a", "celeba32-1", "A.b_c-9", "x" * 80])
def test_names_that_can(name: str) -> None:
    assert check_name("run", name) == name


def test_a_packed_folder_is_named_by_what_is_in_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    one = home.packed("dots", {"size": 32, "recipe": "whole"})
    assert one == home.packed("dots", {"recipe": "whole", "size": 32})
    assert one != home.packed("dots", {"size": 64, "recipe": "whole"})
    assert one.path.parent == home.data


def test_steps_sort_as_names_do(tmp_path: Path) -> None:
    run = Home(tmp_path).run("r")
    assert run.checkpoint(122).path.name == "00000122"
    assert run.checkpoint(122).step == 122
    assert sorted([run.preview(10).name, run.preview(9).name]) == [run.preview(9).name, run.preview(10).name]


def test_shipped_profiles_are_there() -> None:
    assert {p.stem for p in shipped_profiles().glob("*.toml")} >= {"demo", "celeba32", "celeba32-paper"}
