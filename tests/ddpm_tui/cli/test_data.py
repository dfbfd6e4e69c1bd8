"""`ddpm-tui data`, with the real worker packing real pictures (it needs no torch for that)."""

import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from PIL import Image

from engine.base.home import Home
from engine.data.catalog import add_source
from engine.runs.record import freeze
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import trained_run


def test_a_data_folder_that_cannot_be_read_is_one_line(
    home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    ended = cli("data", "list")
    assert ended.code == 1
    assert ended.error == f"error: {home.data}: permission denied — `ddpm-tui doctor` says how to fix it"


def test_from_a_folder_to_packed_and_away(home: Home, cli: Cli, pictures: Path) -> None:
    added = cli(
        "data", "add", str(pictures), "--name", "dots", "--size", "16", "--size", "8", "--recipe", "whole"
    )
    assert added.code == 0
    assert added.err.startswith(f"dots: 61 pictures in {pictures}")
    lines = added.out.splitlines()
    assert lines[0].startswith("dots at 16 px, crop whole: 61 pictures (")
    assert lines[1].startswith("dots at 8 px")
    assert len(lines) == 2, "each said once"

    faces, dots = cli("data", "list", "--json").json
    assert faces["name"] == "faces"
    assert sorted(m["size"] for m in dots["packed"]) == [8, 16]
    assert "16 px whole" in cli("data", "list").out

    shown = cli("data", "show", "dots")
    assert "pictures  61" in shown.out
    assert "dots at 16 px" in shown.out
    assert cli("data", "verify", "dots").code == 0

    packed = next(home.data.glob("dots-*/pictures.u8"))
    content = bytearray(packed.read_bytes())
    content[100] ^= 1
    packed.write_bytes(content)
    verified = cli("data", "verify", "dots")
    assert verified.code == 1
    assert "is altered (SHA-256 differs)" in verified.err

    assert cli("data", "remove", "dots").code == 0
    assert [s["name"] for s in cli("data", "list", "--json").json] == ["faces"]
    assert (pictures / "000.png").exists()
    assert len(cli("trash", "list", "--json").json) == 3


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


def test_unfinished_packing_is_no_damage(home: Home, cli: Cli, pictures: Path) -> None:
    cli("data", "add", str(pictures), "--name", "dots", "--size", "8")
    next(home.data.glob("dots-*/manifest.json")).unlink()  # it is written last
    verified = cli("data", "verify", "dots")
    assert (verified.code, verified.err) == (0, "")
    assert "unfinished; it continues" in verified.out
    assert "unfinished: " in cli("data", "show", "dots").out
    assert len(cli("data", "verify", "dots", "--json").json["unfinished"]) == 1
    assert cli("data", "add", str(pictures), "--name", "dots", "--size", "8").code == 0

    next(home.data.glob("dots-*/manifest.json")).write_text("{")
    assert cli("data", "verify", "dots").code == 1
    assert "damaged: " in cli("data", "show", "dots").out


def test_what_was_refused_for_broken_pictures_is_gone_when_they_are(
    home: Home, cli: Cli, tmp_path: Path
) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    for index in range(20):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"{index:03d}.png")
    for name in ("torn", "half"):
        (folder / f"{name}.png").write_bytes((folder / "000.png").read_bytes()[:40])
    assert "more than 1 %" in cli("data", "add", str(folder), "--size", "8").err
    shown, verified = cli("data", "show", "half").out, cli("data", "verify", "half").out
    assert "unfinished" not in shown + verified
    assert f"refused because of broken pictures; they are listed in {home.data}" in shown
    assert "refused because of broken pictures" in verified

    for name in ("torn", "half"):
        (folder / f"{name}.png").unlink()
    assert cli("data", "add", str(folder), "--size", "8").code == 0
    assert len(cli("data", "show", "half", "--json").json["packed"]) == 1
    assert cli("data", "verify", "half").out.count("\n") == 1


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


def test_a_folder_that_changed_is_told(home: Home, cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    for index in range(3):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"{index}.png")
    cli("data", "add", str(folder), "--no-pack")
    Image.new("RGB", (8, 8)).save(folder / "more.png")
    shown = cli("data", "show", "album")
    assert "has changed since 'album' was added (3 pictures then, 4 now)" in shown.out
    assert "has changed" in cli("data", "show", "album", "--json").json["problem"]


def test_a_relative_path_is_remembered_whole(
    home: Home, cli: Cli, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures.parent)
    cli("data", "add", pictures.name, "--name", "dots", "--no-pack")
    monkeypatch.chdir("/")
    assert cli("data", "show", "dots", "--json").json["problem"] is None


def test_removing_says_which_runs_need_it(home: Home, cli: Cli, pictures: Path) -> None:
    add_source(home, pictures, "dots")
    for name in ("a", "b", "new"):
        trained_run(home, name, 1)
    for name in ("a", "b"):
        freeze(home.run(name), data={"folder": "dots-0123456789", "sha256": "x", "train": 3})
    ended = cli("data", "remove", "dots")
    assert ended.out.startswith("dots is forgotten; 1 folder moved to the trash")
    assert ended.err == "runs a, b began with it and cannot continue without it\n"


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


# What is said of a tree of pictures.


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


def test_an_odd_folder_among_the_data_sets_keeps_none_from_being_completed(
    home: Home, pictures: Path
) -> None:
    from ddpm_tui.cli.complete import datasets

    add_source(home, pictures, "dots")
    for name in ("my data", "-x", "ü"):
        (home.data / name).mkdir()
    assert {item.value for item in datasets(None, None, "")} == {"faces", "dots"}  # type: ignore[arg-type]


def test_labels_are_added_shown_renamed_merged_and_dropped(
    home: Home, cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in pictures.iterdir())
    file = tmp_path / "labels.csv"
    rows = "".join(
        f"{name},{int(index % 4 == 0)},{int(index % 2)}\n" for index, name in enumerate(names[:60])
    )
    file.write_text(f"file_name,Smiling,Wearing_Hat\n{rows}")
    common = ("data", "add", str(pictures), "--name", "dots", "--size", "8", "--recipe", "whole")
    assert cli(*common).code == 0
    packed = next(home.data.glob("dots-*/pictures.u8")).stat().st_mtime_ns
    added = cli(*common, "--labels", str(file))
    assert added.code == 0
    assert f"2 labels from {file}: Smiling, Wearing_Hat" in added.err
    assert "no row for 1 of the 61 pictures (such as 060.png): their labels are unknown" in added.err
    assert next(home.data.glob("dots-*/pictures.u8")).stat().st_mtime_ns == packed
    shown = cli("data", "show", "dots").out
    assert "Smiling" in shown
    assert "25.0%" in shown
    facts = cli("data", "labels", "list", "dots", "--json").json
    assert facts["unlabelled"] == 1
    assert facts["labels"][0] == {"name": "Smiling", "present": 15, "absent": 45, "unknown": 1}
    assert cli("data", "labels", "rename", "dots", "smiling", "happy").code == 0
    assert cli("data", "labels", "merge", "dots", "happy", "wearing-hat", "--into", "either").code == 0
    assert cli("data", "labels", "list", "dots", "--json").json["labels"] == [
        {"name": "either", "present": 45, "absent": 15, "unknown": 1}
    ]
    near = cli("data", "labels", "rename", "dots", "eithr", "x")
    assert (near.code, near.error) == (2, "error: no label named 'eithr' — did you mean 'either'?")
    assert cli("data", "labels", "drop", "dots").code == 2
    assert cli("data", "labels", "drop", "dots", "--all").code == 0
    none = cli("data", "labels", "list", "dots")
    assert none.code == 1
    assert none.error.startswith("error: data set 'dots' has no labels — `ddpm-tui data add")
    assert "smiling, eyeglasses" in cli("data", "show", "faces").out


def test_a_folder_that_is_looked_through_for_long_is_said(
    cli: Cli, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddpm_tui.cli.data._Looking.EVERY_S", 0.0)
    ended = cli("data", "add", str(pictures.parent), "--name", "dots", "--no-pack")
    assert f"looking for pictures in {pictures.parent}: 0 files so far, now in .; Ctrl-C stops" in ended.err
    assert cli("data", "add", "/").error == (
        "error: / is the whole file system — name the folder that the pictures are in"
    )
