import tempfile
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.home import Home
from engine.service import address
from engine.service.address import PATH_LIMIT, find_socket, place_socket


def test_the_usual_place(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert place_socket(home) == find_socket(home) == tmp_path / "engine.sock"
    assert not home.socket_elsewhere.exists()


def test_a_path_that_is_too_long_falls_back_to_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="s") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        long = Home(tmp_path / ("x" * 60) / ("ä" * 30)).create()
        placed = place_socket(long)
        assert len(str(placed).encode()) <= PATH_LIMIT
        assert placed.is_relative_to(short)
        assert placed.parent.stat().st_mode & 0o777 == 0o700
        assert find_socket(long) == placed
        other = Home(tmp_path / ("x" * 60) / ("ö" * 30)).create()
        assert place_socket(other) != placed


def test_a_folder_that_others_can_enter_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="s") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        monkeypatch.setattr(address.os, "getuid", lambda: 54321)
        folder = Path(short) / "ddpm-tui-54321"
        folder.mkdir(mode=0o755)
        long = Home(tmp_path / ("x" * 100)).create()
        with pytest.raises(UserError, match="short private place"):
            place_socket(long)


def test_nothing_was_ever_started(tmp_path: Path) -> None:
    home = Home(tmp_path / ("x" * 120))
    assert find_socket(home) == home.socket
