"""`ddpm-tui data add`: what it says of a tree of pictures, of broken ones and of a limit, and what it refuses."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from engine.base.home import Home
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import trained_run


def test_add_as_json(home: Home, cli: Cli, pictures: Path) -> None:
    ended = cli("data", "add", str(pictures), "--name", "dots", "--size", "16", "--limit", "20", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json["name"] == "dots"
    assert ended.json["packed"][0]["count"] == 20
    assert "16 px whole (20)" in cli("data", "list").out


def test_add_without_packing(home: Home, cli: Cli, pictures: Path) -> None:
    assert cli("data", "add", str(pictures), "--name", "dots", "--no-pack").code == 0
    assert cli("data", "list", "--json").json[1]["packed"] == []
    assert "not packed yet" in cli("data", "verify", "dots").out
    assert list(home.jobs.iterdir()) == []


def test_a_few_broken_pictures_are_named(home: Home, cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "mostly"
    folder.mkdir()
    for index in range(150):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"{index:03d}.png")
    (folder / "torn.png").write_bytes((folder / "000.png").read_bytes()[:40])
    ended = cli("data", "add", str(folder), "--size", "8")
    assert ended.code == 0
    assert "1 picture could not be read; see" in ended.err
    assert "torn.png" in Path(ended.err.splitlines()[-1].rsplit(" ", 1)[1]).read_text()


def test_too_many_broken_pictures(home: Home, cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "wrecks"
    folder.mkdir()
    for index in range(10):
        (folder / f"{index}.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    ended = cli("data", "add", str(folder), "--size", "8")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in ended.err


def test_a_small_folder_on_a_disk_of_others_is_taken_without_its_broken_pictures(
    home: Home, cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(pictures, tmp_path / "theirs"))
    for name in ("torn", "half"):
        (folder / f"{name}.png").write_bytes(b"no picture")
    add = ("data", "add", str(folder), "--name", "dots", "--size", "8")
    refused = cli(*add)
    assert refused.code == 1
    assert "add the data set again, or use --leave-out-broken" in refused.err
    assert "61 pictures" in cli(*add, "--leave-out-broken").out
    assert cli("data", "add", str(folder), "--name", "dots", "--size", "16").code == 1


def test_a_folder_whose_name_is_no_utf8_is_a_data_set_like_others(
    home: Home, cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(pictures, tmp_path / "f\udcfcr")
    assert cli("data", "add", str(folder), "--size", "8").code == 0
    assert (shown := cli("data", "show", "f-r")).code == 0
    assert "changed" not in shown.out
    assert "f-r" in cli("data", "list").out


def test_a_limit_that_runs_will_not_know_of_is_said(home: Home, cli: Cli, pictures: Path) -> None:
    added = cli("data", "add", str(pictures), "--name", "dots", "--size", "16", "--limit", "20")
    assert added.err.splitlines()[-1] == (
        "a run takes all 61 pictures unless its profile has data.limit: "
        "ddpm-tui train PROFILE --set data.dataset=dots --set data.limit=20"
    )
    assert (
        "data.limit"
        not in cli("data", "add", str(pictures), "--name", "dots", "--size", "16", "--limit", "61").err
    )


def _put(path: Path, count: int, ending: str = "png") -> None:
    path.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        Image.new("RGB", (16, 16), (20 * n, 90, 30)).save(path / f"{n}.{ending}")


def test_what_is_left_out_is_counted_by_kind(home: Home, cli: Cli, tmp_path: Path) -> None:
    _put(tmp_path / "d", 4)
    _put(tmp_path / "d" / "@eaDir", 2)
    for n in range(3):
        (tmp_path / "d" / f"{n}.heic").write_bytes(b"x")
        (tmp_path / "d" / f"dead{n}.png").symlink_to("nowhere")
    ended = cli("data", "add", str(tmp_path / "d"), "--no-pack")
    assert ended.code == 0
    assert "d: 4 pictures in" in ended.err
    assert "left out: .heic 3, dead links 3, @eaDir folders 1" in ended.err
    assert ".heic: convert them to JPEG first" in ended.err
    assert ".heic 3, dead links 3" in cli("data", "show", "d").out


def test_folders_that_say_test_are_named_with_the_way_to_leave_them_out(
    home: Home, cli: Cli, tmp_path: Path
) -> None:
    _put(tmp_path / "d" / "train", 4)
    _put(tmp_path / "d" / "my test", 2)
    added = cli("data", "add", str(tmp_path / "d"), "--no-pack")
    assert "pictures of all these folders are used: train 4, my test 2; --exclude 'my test'" in added.err
    without = cli("data", "add", str(tmp_path / "d"), "--exclude", "my test", "--size", "16")
    assert "d: 4 pictures" in without.err
    assert "left out: excluded by my test 2" in without.err
    assert "stored with the data set: --exclude 'my test' (--exclude-nothing removes them)" in without.err
    assert ["excluded", "my", "test"] in [line.split() for line in cli("data", "show", "d").out.splitlines()]
    assert cli("data", "verify", "d").code == 0
    assert "changed" not in cli("data", "verify", "d").err
    again = cli("data", "add", str(tmp_path / "d"), "--exclude-nothing", "--no-pack")
    assert "d: 6 pictures" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--exclude", ""), 2, "not a pattern of names"),
        (("--exclude", "/etc"), 2, "relative to the folder"),
        (("--exclude", "nothing-there"), 1, "is named by --exclude nothing-there"),
        (("--exclude", "x", "--exclude-nothing"), 2, "exclude each other"),
        (("--exclude", "*"), 1, "there is no picture in"),
    ],
)
def test_patterns_that_cannot_be(
    home: Home, cli: Cli, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    _put(tmp_path / "d", 3)
    ended = cli("data", "add", str(tmp_path / "d"), *arguments)
    assert ended.code == code
    assert words in ended.error


EMPTY = [
    "data add @",
    "sample r --out @",
    "figure grid r --out @",
    "checkpoints export r@latest @",
    "bench --out @",
]


@pytest.mark.parametrize("command", EMPTY)
def test_an_empty_path_is_never_the_current_folder(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    trained_run(home, "r", 1)
    _put(tmp_path / "here", 3)
    monkeypatch.chdir(tmp_path / "here")
    before = sorted(Path.cwd().iterdir())
    ended = cli(*(word.replace("@", "") if word == "@" else word for word in command.split()))
    assert ended.code == 2
    assert "path is empty" in ended.error
    assert sorted(Path.cwd().iterdir()) == before


def test_enlarged_pictures_are_said_with_their_own_size(home: Home, cli: Cli, tmp_path: Path) -> None:
    _put(tmp_path / "tiny", 4)
    alike = cli("data", "add", str(tmp_path / "tiny"), "--size", "64", "--size", "16")
    assert alike.err.count("were enlarged") == 1
    assert "all 4 were enlarged from 16 px to 64 px" in alike.err
    Image.new("RGB", (40, 24)).save(tmp_path / "tiny" / "x.png")
    Image.new("RGB", (80, 99)).save(tmp_path / "tiny" / "y.png")
    differ = cli("data", "add", str(tmp_path / "tiny"), "--size", "64")
    assert "5 of 6 were enlarged from 16 to 24 px to 64 px" in differ.err


def test_a_zip_in_a_folder_is_pointed_at(home: Home, cli: Cli, tmp_path: Path) -> None:
    _put(tmp_path / "d", 3)
    (tmp_path / "d" / "faces one.zip").write_bytes(b"PK")
    added = cli("data", "add", str(tmp_path / "d"), "--no-pack")
    assert "1 .zip left out; faces one.zip is not opened" in added.err
    assert f"ddpm-tui data add '{tmp_path / 'd' / 'faces one.zip'}' --name NAME" in added.err


def test_a_folder_that_is_looked_through_for_long_is_said(
    cli: Cli, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddpm_tui.cli.data_add._Looking.EVERY_S", 0.0)
    ended = cli("data", "add", str(pictures.parent), "--name", "dots", "--no-pack")
    assert f"looking for pictures in {pictures.parent}: 0 files so far, now in .; Ctrl-C stops" in ended.err
    assert cli("data", "add", "/").error == (
        "error: / is the whole file system — name the folder that the pictures are in"
    )
