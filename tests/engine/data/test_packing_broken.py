"""Pictures that cannot be packed: each is named, a few are left out, and more than 1 % are an error."""

import os
from pathlib import Path

import pytest

from engine.base.errors import UserError
from engine.base.home import Home
from engine.data import catalog, packing
from engine.data.decode import MAX_BYTES
from engine.data.decoder import Block, Decoder, Task
from engine.data.manifest import load_manifest
from engine.data.packing import pack
from tests.engine.data.odd_pictures import fill, small_jpeg


def test_one_percent_may_be_broken_and_no_more(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 200)
    for number in (3, 4):
        (folder / f"{number:06d}.jpg").write_bytes(b"")
    catalog.add_source(home, folder)
    assert load_manifest(pack(home, "cats", 8, "whole")).broken == 2
    (folder / "000005.jpg").write_bytes(small_jpeg(5)[:200])
    catalog.add_source(home, folder)
    with pytest.raises(
        UserError, match=r"more than 1 %.*\(3 of 200; the first is '000003.jpg': the file is empty"
    ):
        pack(home, "cats", 8, "whole")
    packed = catalog.packed_folder(home, "cats", 8, "whole", None)
    assert [line.split("\t")[0] for line in packed.report.read_text().splitlines()] == [
        "000003.jpg",
        "000004.jpg",
        "000005.jpg",
    ]
    left = sorted(path.name for path in packed.path.iterdir())
    assert left == ["broken.txt", "lock"]  # the next attempt looks at every picture again
    (folder / "000005.jpg").write_bytes(small_jpeg(5))
    (folder / "000004.jpg").write_bytes(small_jpeg(4))
    catalog.add_source(home, folder)
    assert load_manifest(pack(home, "cats", 8, "whole")).broken == 1


def test_one_odd_file_stops_nothing(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 4)
    (folder / "odd.png").write_bytes(b"junk")
    catalog.add_source(home, folder)
    manifest = load_manifest(pack(home, "cats", 8, "whole"))
    assert (manifest.count, manifest.broken) == (4, 1)
    (folder / "odder.png").write_bytes(b"junk")
    catalog.add_source(home, folder)
    with pytest.raises(UserError, match=r"more than 1 %.*\(2 of 6"):
        pack(home, "cats", 8, "whole")


def test_a_wholly_broken_source_stops_early(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    folder.mkdir()
    for number in range(400):
        (folder / f"{number}.png").write_bytes(b"junk")
    catalog.add_source(home, folder)
    told: list[int] = []
    with pytest.raises(UserError, match="64 of 400"):
        pack(home, "cats", 8, "whole", report=lambda done, *_: told.append(done), processes=1)
    assert told == [0]


def test_unreadable_and_vanished_pictures_are_named(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 120)
    (folder / "000009.jpg").unlink()
    (folder / "000009.jpg").symlink_to(folder / "000010.jpg")
    catalog.add_source(home, folder)
    real = packing.catalog.open_source

    def then_gone(home: Home, source: catalog.Source) -> object:
        listing = real(home, source)
        (folder / "000009.jpg").unlink()
        return listing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing.catalog, "open_source", then_gone)
        packed = pack(home, "cats", 8, "whole")
    assert packed.report.read_text() == "000009.jpg\tcannot be read: No such file or directory\n"


def test_too_few_left(home: Home, tmp_path: Path) -> None:
    catalog.add_source(home, fill(tmp_path / "cats", 5))
    with pytest.raises(UserError, match=r"1 usable picture here.*at least two"):
        pack(home, "cats", 8, "whole", limit=1)


def test_a_file_too_long_for_a_picture_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "long.jpg", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    (tmp_path / "short.jpg").write_bytes(small_jpeg(0))
    result = Decoder(Task("folder", str(tmp_path), "whole", 8)).work(
        Block(0, (("long.jpg",), ("short.jpg",)))
    )
    assert (result.good, result.broken) == (1, [(0, "longer than 256 MiB")])


@pytest.mark.timeout(20)
def test_a_picture_that_became_a_pipe_is_waited_for_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    result = Decoder(Task("folder", str(tmp_path), "whole", 8)).work(Block(0, (("a.jpg",),)))
    assert result.broken == [(0, "is no longer a file")]
