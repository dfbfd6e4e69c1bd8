"""`ddpm-tui data`, with the real worker packing real pictures (it needs no torch for that)."""

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
