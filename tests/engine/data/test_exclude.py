"""Leaving pictures out by name: what patterns match, in folders and zips, and which are refused."""

from pathlib import Path

import pytest

from engine.base.errors import UsageError
from engine.data.scan import scan
from tests.engine.data.odd_pictures import fill, small_jpeg, zipped


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ([], ["test/cat/0.jpg", "train/cat/0.jpg", "train/cat/0_mask.jpg", "train/test/0.jpg"]),
        (["test"], ["train/cat/0.jpg", "train/cat/0_mask.jpg"]),
        (["test/"], ["train/cat/0.jpg", "train/cat/0_mask.jpg"]),
        (["./test/*"], ["train/cat/0.jpg", "train/cat/0_mask.jpg", "train/test/0.jpg"]),
        (["train/test"], ["test/cat/0.jpg", "train/cat/0.jpg", "train/cat/0_mask.jpg"]),
        (["*_mask.*", "t[e]st"], ["train/cat/0.jpg"]),
        (["TEST", "0"], ["test/cat/0.jpg", "train/cat/0.jpg", "train/cat/0_mask.jpg", "train/test/0.jpg"]),
    ],
)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_patterns_leave_out_files_and_folders(
    tmp_path: Path, patterns: list[str], left: list[str], form: str
) -> None:
    folder = tmp_path / "d"
    for name in ("test/cat/0", "train/cat/0", "train/cat/0_mask", "train/test/0"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jpg").write_bytes(small_jpeg(1))
    path = folder if form == "folder" else zipped(folder, tmp_path / "d.zip", folder)
    listing = scan(path, patterns)
    assert [listing.shared + name for name in listing.names] == left
    assert listing.left_out.total == 4 - len(left)
    assert listing.unmatched == (("TEST", "0") if "TEST" in patterns else ())


def test_a_folder_whose_name_reads_like_a_pattern_is_meant_by_its_name(tmp_path: Path) -> None:
    for name in ("faces [1]", "[x]", "train"):
        fill(tmp_path / "d" / name, 2)
    listing = scan(tmp_path / "d", ["faces [1]", "[x]"])
    assert {name.rpartition("/")[0] for name in listing.names} == {""}
    assert listing.shared == "train/"
    assert listing.unmatched == ()


@pytest.mark.parametrize("pattern", ["", " ", "/", "./", "/etc", "x" * 1001])
def test_a_pattern_that_can_match_nothing_is_misuse(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="pattern"):
        scan(fill(tmp_path / "a", 2), [pattern])


def test_patterns_without_end(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at most 100"):
        scan(fill(tmp_path / "a", 2), ["x"] * 101)
    slow = "*a" * 400 + "b"
    (tmp_path / "a" / ("a" * 200 + ".jpg")).write_bytes(small_jpeg(1))
    assert scan(tmp_path / "a", [slow]).unmatched == (slow,)
