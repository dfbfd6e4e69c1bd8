"""What another user can have written is not used, and it is said whose it is."""

import os
from pathlib import Path

import pytest

from ddpm_tui.cli import doctor
from ddpm_tui.tui.keymap import read_keymap
from engine.base.home import Home
from engine.base.trust import distrust
from engine.service.settings import QueueSettings, read_settings

COMMAND = '[queue]\non_end = "id"\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home").create()
    home.settings.write_text(COMMAND)
    home.keymap.write_text('[queue]\npause = "p"\n')
    return home


def obeyed(home: Home) -> bool:
    settings, problems = read_settings(home.settings)
    keys, complaints = read_keymap(home.keymap)
    assert bool(problems) is bool(complaints)
    assert bool(settings == QueueSettings()) is bool(not keys) is bool(problems)
    return not problems


def test_ones_own_file_in_ones_own_folder(home: Home) -> None:
    assert obeyed(home)
    home.settings.chmod(0o644)
    home.root.chmod(0o755)
    assert obeyed(home)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_that_everybody_can_write_to(home: Home, mode: int) -> None:
    home.root.chmod(mode)
    assert not obeyed(home)
    (problem,) = read_settings(home.settings)[1]
    assert problem == (
        f"{home.settings} is not used: everybody can write to {home.root} (chmod go-w {home.root} ends that); "
        "until then the defaults apply"
    )


def test_a_file_that_everybody_can_write_to(home: Home) -> None:
    home.settings.chmod(0o666)
    home.keymap.chmod(0o666)
    assert not obeyed(home)


def test_a_group_with_others_in_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.root.chmod(0o770)
    monkeypatch.setattr("engine.base.trust._alone_in", lambda gid: False)
    assert not obeyed(home)
    monkeypatch.setattr("engine.base.trust._alone_in", lambda gid: True)
    assert obeyed(home)


def test_files_of_another_user(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(home.settings, 12345, 12345)
        os.chown(home.keymap, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert not obeyed(home)
    assert "belongs to" in (distrust(home.settings) or "")


def test_a_link_to_a_file_of_another_user_or_in_an_open_folder(home: Home, tmp_path: Path) -> None:
    elsewhere = tmp_path / "open"
    elsewhere.mkdir()
    for path in (home.settings, home.keymap):
        path.rename(elsewhere / path.name)
        path.symlink_to(elsewhere / path.name)
    assert obeyed(home)
    elsewhere.chmod(0o777)
    assert not obeyed(home)


def test_no_file_is_no_problem_whoever_can_write(home: Home) -> None:
    home.settings.unlink()
    home.root.chmod(0o777)
    assert read_settings(home.settings) == (QueueSettings(), [])


def test_doctor_warns_of_every_open_folder(home: Home) -> None:
    for folder in (home.root, home.profiles, home.jobs):
        folder.chmod(0o777)
    said = [f"{f.what} → {f.hint}" for f in doctor.state(home) if f.level == "warning"]
    for folder in (home.root, home.profiles, home.jobs):
        assert any(f"everybody can write to {folder} " in line for line in said), said
    assert any("is not used" in line for line in said)
