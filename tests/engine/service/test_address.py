import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.base.errors import UserError
from engine.base.home import Home
from engine.service import address
from engine.service.address import PATH_LIMIT, find_socket, place_socket, too_long

from .support import Service


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
        with pytest.raises(UserError, match="short private folder"):
            place_socket(long)


@pytest.mark.parametrize("planted", ["link", "file", "another user's"])
def test_a_folder_that_somebody_planted_is_refused_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    """In /tmp everybody can make a folder of the name that this user's would have."""
    with tempfile.TemporaryDirectory(prefix="s") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        monkeypatch.setattr(address.os, "getuid", lambda: 54321)
        folder = Path(short) / f"ddpm-tui-{address.os.getuid()}"
        words = {"link": "is a link", "file": "is not a folder", "another user's": "belongs to another user"}
        if planted == "link":
            (Path(short) / "elsewhere").mkdir(mode=0o700)
            folder.symlink_to(Path(short) / "elsewhere")
        elif planted == "file":
            folder.write_bytes(b"")
        else:
            folder.mkdir(mode=0o700)
        with pytest.raises(UserError, match=rf"no short private folder .*{folder.name} {words[planted]}"):
            place_socket(Home(tmp_path / ("x" * 100)).create())


def test_a_client_does_not_go_to_a_planted_folder_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="s") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        long = Home(tmp_path / ("x" * 120)).create()
        placed = place_socket(long)
        placed.parent.chmod(0o755)
        with pytest.raises(UserError, match=r"not safe in .*is open to others"):
            find_socket(long)
        aside = placed.parent.rename(placed.parent.with_name("mine"))
        aside.chmod(0o700)
        placed.parent.symlink_to(aside)
        with pytest.raises(UserError, match="is a link"):
            find_socket(long)


def test_nothing_was_ever_started(tmp_path: Path) -> None:
    home = Home(tmp_path / ("x" * 120))
    assert find_socket(home) == home.socket


@pytest.fixture
def names(tmp_path: Path) -> Iterator[dict[str, Home]]:
    """One home by three names: its own, which is too long for a socket, and two links, one short, one too long."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as short:
        long = Home(tmp_path / ("x" * 60) / ("y" * 60)).create()
        links = {"short link": Path(short) / "h", "long link": tmp_path / ("z" * 120)}
        for link in links.values():
            link.symlink_to(long.root)
        assert too_long(long.socket)
        yield {"itself": long, **{name: Home(link) for name, link in links.items()}}


@pytest.mark.parametrize("asks", ["itself", "short link", "long link"])
@pytest.mark.parametrize("starts", ["itself", "short link", "long link"])
def test_by_whatever_name_a_long_home_is_called_there_is_one_socket(
    names: dict[str, Home], starts: str, asks: str
) -> None:
    placed = place_socket(names[starts])
    assert not too_long(placed)
    assert find_socket(names[asks]) == placed


def test_a_short_home_by_a_long_name_has_its_socket_in_itself(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as short:
        link = tmp_path / ("z" * 120)
        link.symlink_to(short)
        socket = Path(short).resolve() / "engine.sock"
        assert place_socket(Home(link)) == find_socket(Home(link)) == find_socket(Home(Path(short))) == socket


def test_a_copy_of_a_home_does_not_ask_the_first_ones_engine(tmp_path: Path) -> None:
    long = Home(tmp_path / ("x" * 60) / ("y" * 60)).create()
    placed = place_socket(long)
    copy = Home(tmp_path / "copy")
    shutil.copytree(long.root, copy.root)
    assert find_socket(copy) == copy.socket
    long.root.rename(tmp_path / ("w" * 120))
    assert find_socket(Home(tmp_path / ("w" * 120))) == placed, "the same folder under another name"


def test_an_engine_is_found_by_every_name_of_its_home(
    names: dict[str, Home], services: Callable[..., Service]
) -> None:
    pids = [services(names[name]).request("status")["pid"] for name in ("short link", "itself", "long link")]
    assert len(set(pids)) == 1
