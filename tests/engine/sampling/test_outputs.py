"""What cannot be kept or handed out is refused before the first step, in one line that names it."""

import io
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.base.errors import DdpmError, DiskFullError, UsageError, UserError
from engine.base.home import Home
from engine.config.sampling_settings import check_outputs
from engine.jobs.context import Work
from engine.jobs.files import new_job_folder, read_spec
from engine.sampling import job, outputs
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
    assert "at once; use another --seed for more" in said


def test_more_pictures_than_the_disk_holds(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    class Plenty:
        available = 10**18

    monkeypatch.setattr(psutil, "virtual_memory", Plenty)
    error = refused(home, n=10**9)
    assert isinstance(error, DiskFullError)
    assert error.exit_code == 73
    assert f"{home.run('r').path} has " in str(error)


def test_no_pictures(home: Home) -> None:
    assert "-n 0: draw at least one picture" in str(refused(home, n=0))


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
    outputs.check_places({"grid": str(tmp_path / "old.png"), "out": str(tmp_path / "new")})
    assert (tmp_path / "old.png").read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["new", "old.png"]


def test_a_folder_with_another_set_in_it(home: Home, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00000.png").touch()
    assert "is not empty" in str(refused(home, n=2, out=str(tmp_path / "out")))
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["00000.png"]


def test_what_the_same_job_left_is_no_other_set(tmp_path: Path) -> None:
    (tmp_path / "sample.json").write_text('{"job": "000003"}')
    outputs.check_places({"out": str(tmp_path)}, "000003")
    for other in ("000004", ""):
        with pytest.raises(UserError, match="not empty"):
            outputs.check_places({"out": str(tmp_path)}, other)


@pytest.mark.parametrize(
    "args",
    [
        {"grid": "x.png", "trajectory_file": "x.png"},
        {"grid": "x.png", "trajectory_file": "./y/../x.png"},
        {"grid": "out/00001.png", "out": "out"},
        {"npy": "out/sample.json", "out": "out"},
        {"grid": "x.png", "out": "x.png"},
        {"grid": "x.png", "npy": "link.npy"},
    ],
)
def test_two_outputs_to_one_file(
    home: Home, tmp_path: Path, args: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "y").mkdir()
    (tmp_path / "link.npy").symlink_to("x.png")
    places = {key: str(tmp_path / path) for key, path in args.items()}
    error = refused(home, n=2, trajectory=1, **places)
    assert isinstance(error, UsageError)
    assert "both write" in str(error)


def test_outputs_beside_each_other(tmp_path: Path) -> None:
    check_outputs({"out": "out", "grid": "out/grid.png", "npy": "x.npy", "trajectory_file": "x.png"})
    check_outputs({})


class Memory:
    available = 2 * 10**9


@pytest.mark.parametrize(
    ("args", "fits"),
    [
        ({"n": 1600}, True),
        ({"n": 1600, "grid": "g.png", "scale": 4}, True),
        ({"n": 1600, "grid": "g.png", "scale": 16}, True),  # 0.5 GB as an array
        ({"n": 16000, "grid": "g.png", "scale": 16}, False),
        ({"n": 32000, "trajectory": 32000, "steps": 50}, False),
        ({"n": 64, "trajectory": 64, "steps": 50}, True),
        ({"n": 400, "trajectory": 400, "trajectory_file": "t.gif", "steps": 50}, False),
        ({"n": 5000, "trajectory": 5000, "trajectory_file": "t.png", "steps": 10}, False),
    ],
)
def test_memory_for_the_extras_counts(
    home: Home, tmp_path: Path, args: dict[str, Any], fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    monkeypatch.setattr(outputs, "require_free", lambda *_: None)
    places = {k: str(tmp_path / v) if k in ("grid", "trajectory_file") else v for k, v in args.items()}
    if fits:
        with pytest.raises(AssertionError, match="loaded"):
            refused(home, **places)
    else:
        assert "GB of memory and 2.0 GB are free" in str(refused(home, **places))


def test_what_lies_on_one_disk_counts_together(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(outputs, "require_free", lambda folder, needed: asked.append(needed))
    amounts = outputs.Amounts(100, 16, kept=10, frames=5)
    outputs.check_disks(home.runs, amounts, {})
    files = {"npy": str(tmp_path / "a.npy"), "grid": str(tmp_path / "a.png")}
    outputs.check_disks(home.runs, amounts, {**files, "scale": 4})
    plain, more = asked
    assert plain == 100 * 768 + 2 * 10 * 5 * 768 + 3 * (10 * 18) ** 2, (
        "each frame with what was predicted at it"
    )
    assert more == plain + 100 * 768 + 3 * (10 * 18 * 4) ** 2
