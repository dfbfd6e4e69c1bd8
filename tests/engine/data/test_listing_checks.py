"""What is refused as a data set, each time with one clear line."""

import zipfile
from pathlib import Path

import pytest

from engine.base.errors import UserError
from engine.base.home import Home
from engine.data import catalog
from engine.data.manifest import load_manifest
from engine.data.packing import pack
from tests.engine.data.odd_pictures import fill, small_jpeg


def zip_inside(path: Path) -> None:
    path.mkdir()
    write_zip(path / "inner.zip")


def write_zip(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "there is no picture in .*cats —"),
        (lambda path: fill(path, 1), "only one picture in .*000000.jpg.*at least two"),
        (
            lambda path: (path.mkdir(), (path / "a.txt").write_text("x")),
            r"no picture in .*\(left out: \.txt 1\)",
        ),
        (zip_inside, r"no picture in .*cats \(left out: \.zip 1\) — add .*cats/inner\.zip$"),
        (
            lambda path: write_zip(path, "in/b.zip", "in/a.zip"),
            r"no picture in .* — unpack in/a\.zip and add it$",
        ),
        (lambda path: path.write_text("hello"), "is not a zip file"),
        (lambda path: path.write_text("<html><body>Quota exceeded"), "web page, not a zip"),
        (lambda path: None, "does not exist"),
    ],
)
def test_what_is_no_data_set_gets_one_clear_line(
    home: Home, tmp_path: Path, make: "object", message: str
) -> None:
    path = tmp_path / "cats"
    make(path)  # type: ignore[operator]
    with pytest.raises(UserError, match=message) as caught:
        catalog.add_source(home, path)
    assert "\n" not in str(caught.value)
    assert not home.source("cats").path.exists()


def locked_zip(path: Path, count: int, locked: int) -> Path:
    """`count` pictures, the first `locked` of them encrypted by what the zip's list of contents says."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number:04d}.jpg", small_jpeg(number))
    content = bytearray(path.read_bytes())
    at = 0
    for _ in range(locked):
        at = content.find(b"PK\x01\x02", at) + 8
        content[at] |= 1
    path.write_bytes(content)
    return path


def test_a_zip_that_cannot_be_read_is_refused_before_it_is_packed(home: Home, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"every picture in .*a\.zip is encrypted — unpack it with its password"
    ):
        catalog.add_source(home, locked_zip(tmp_path / "a.zip", 4, 4))
    with pytest.raises(UserError, match="every picture"):
        catalog.add_source(home, tmp_path / "a.zip", leave_out_broken=True)
    with pytest.raises(UserError, match=r"2 of 100 pictures in .*b\.zip are encrypted"):
        catalog.add_source(home, locked_zip(tmp_path / "b.zip", 100, 2))
    assert catalog.add_source(home, tmp_path / "b.zip", leave_out_broken=True).pictures == 98
    source = catalog.add_source(home, locked_zip(tmp_path / "c.zip", 200, 2))
    assert source.pictures == 198
    assert source.left_out == {"encrypted": {"count": 2, "example": "0000.jpg"}}


def test_a_folder_of_pointers_says_what_fetches_them(home: Home, tmp_path: Path) -> None:
    (tmp_path / "lfs").mkdir()
    for n in range(3):
        (tmp_path / "lfs" / f"{n}.png").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UserError, match=r"\(left out: git-lfs pointers 3\) — `git lfs pull`"):
        catalog.add_source(home, tmp_path / "lfs")


def test_what_a_partition_file_leaves_open_is_kept(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "celeba", 20)
    names = sorted(path.name for path in folder.iterdir())
    (folder / "list_eval_partition.txt").write_text("".join(f"{name} 0\n" for name in names[:15]))
    source = catalog.add_source(home, folder)
    assert "5 of the 20 pictures" in source.partition_remark
    assert "held out by name" in catalog.load_source(home, source.name).partition_remark
    assert load_manifest(pack(home, source.name, 8, "whole")).split_by == "name"


def test_a_partition_file_that_splits_nothing_is_not_claimed(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "img_align_celeba", 4)
    partition = folder.parent / "list_eval_partition.txt"
    partition.write_text("<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>")
    source = catalog.add_source(home, folder)
    assert source.partition is None
    assert source.partition_problem.startswith(f"{partition} is not used: it is a web page")
    partition.write_text("000001;1\n000002;0\n000003;0\n")
    source = catalog.add_source(home, folder)
    assert (source.partition, source.partition_problem) == (str(partition), "")
    assert load_manifest(pack(home, "celeba", 8, "whole")).split_by == "partition"
