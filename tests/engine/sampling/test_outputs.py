"""What cannot be kept or handed out is refused before the first step, in one line that names it."""

import io
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.errors import DdpmError, DiskFullError
from engine.home import Home
from engine.jobs import new_job_folder, read_spec
from engine.sampling import job, outputs
from engine.work import Work
from tests.torchless import trained_run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    def drawing_began(*_: object, **__: object) -> None:
        raise AssertionError("the checkpoint was loaded")

    monkeypatch.setattr(job, "load", drawing_began)
    home = Home(tmp_path / "home").create()
    trained_run(home, "r", 1)
    return home


def refused(home: Home, **args: Any) -> DdpmError:
    folder = new_job_folder(home, "sample", "r", {"checkpoint": "r@latest", **args})
    with pytest.raises(DdpmError) as caught:
        job.run_sampling(Work(home, folder, read_spec(folder), io.StringIO()))
    assert "\n" not in str(caught.value)
    assert not home.run("r").samples.exists()
    return caught.value


def test_more_pictures_than_memory_holds(home: Home) -> None:
    said = str(refused(home, n=10**9))
    assert "1,000,000,000 pictures of 16×16 need 2,304.0 GB of memory and " in said
    assert "at once; another --seed gives others" in said


def test_more_pictures_than_the_disk_holds(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    class Plenty:
        available = 10**18

    monkeypatch.setattr(psutil, "virtual_memory", Plenty)
    error = refused(home, n=10**9)
    assert isinstance(error, DiskFullError)
    assert error.exit_code == 73
    assert f"{home.run('r').path} has " in str(error)


@pytest.mark.parametrize("n", [0, -3])
def test_no_pictures(home: Home, n: int) -> None:
    assert f"-n {n}: draw at least one picture" in str(refused(home, n=n))


@pytest.mark.parametrize("key", ["grid", "npy", "trajectory_file", "out"])
def test_a_place_that_cannot_be_written(home: Home, tmp_path: Path, key: str) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "x", Path("/proc/x")):
        said = str(refused(home, n=2, **{key: str(path)}))
        assert said.startswith(f"cannot write {path} (")
        assert said.endswith("nothing was drawn")


def test_a_folder_where_a_file_is_wanted(home: Home, tmp_path: Path) -> None:
    assert "Is a directory" in str(refused(home, n=2, grid=str(tmp_path)))


def test_places_that_can_be_written_are_left_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "old.png").write_bytes(b"old")
    outputs.check_places({"grid": str(tmp_path / "old.png"), "out": str(tmp_path / "new")}, 2, 8)
    assert (tmp_path / "old.png").read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["new", "old.png"]
