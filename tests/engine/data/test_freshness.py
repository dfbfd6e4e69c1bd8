"""Edited pictures are found though names and lengths stay; copied and touched ones are still the same."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.base.errors import UserError
from engine.base.home import Home
from engine.data import catalog
from engine.data.manifest import load_manifest, remarks
from engine.data.packed import open_packed
from engine.data.packing import pack

COUNT = 5


def paint(folder: Path, colour: tuple[int, int, int]) -> Path:
    """Bitmaps of one colour: of equal length, whatever it is."""
    folder.mkdir(exist_ok=True)
    for number in range(COUNT):
        Image.new("RGB", (12, 12), colour).save(folder / f"{number}.bmp")
    return folder


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return path


def red(home: Home, name: str, **options: object) -> list[int]:
    packed = open_packed(pack(home, name, 8, "whole", **options))  # type: ignore[arg-type]
    return sorted({int(value) for value in np.asarray(packed.pictures[:, 0]).flat})


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("keep_times", [False, True])
def test_edited_pictures_are_packed_anew(home: Home, tmp_path: Path, kind: str, keep_times: bool) -> None:
    def pictures(colour: tuple[int, int, int]) -> Path:
        before = {path: path.stat() for path in folder.glob("*")}
        paint(folder, colour)
        for path, status in before.items() if keep_times else ():
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as exiftool -P does
        return folder if kind == "folder" else zipped(folder)

    folder = tmp_path / "cats"
    path = pictures((200, 0, 0))
    first = catalog.add_source(home, path)
    assert red(home, "cats") == [200]
    pictures((50, 0, 0))
    assert "pictures were edited" in str(catalog.check_source(home, "cats"))
    with pytest.raises(UserError, match="pictures were edited"):
        pack(home, "cats", 16, "whole")
    second = catalog.add_source(home, path)
    assert second.fingerprint != first.fingerprint
    assert second.listed == first.fingerprint
    assert catalog.check_source(home, "cats") is None
    assert red(home, "cats") == [50]
    assert catalog.add_source(home, path) == second
    pictures((200, 0, 0))  # and back: packed already
    assert catalog.add_source(home, path).fingerprint == first.fingerprint
    assert red(home, "cats", should_stop=lambda: True) == [200]


def test_touched_copied_and_moved_pictures_are_the_same(home: Home, tmp_path: Path) -> None:
    folder = paint(tmp_path / "cats", (200, 0, 0))
    first = catalog.add_source(home, folder)
    packed = pack(home, "cats", 8, "whole")
    for path in folder.iterdir():
        os.utime(path)
        path.chmod(0o600)
    assert catalog.check_source(home, "cats") is None
    assert catalog.add_source(home, folder).fingerprint == first.fingerprint
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(folder)
    moved = catalog.add_source(home, tmp_path / "copy", "cats")
    assert moved.fingerprint == first.fingerprint
    assert pack(home, "cats", 8, "whole", should_stop=lambda: True) == packed


def test_edited_under_a_limit_and_swapped(home: Home, tmp_path: Path) -> None:
    folder = paint(tmp_path / "cats", (200, 0, 0))
    Image.new("RGB", (12, 12), (9, 9, 9)).save(folder / "0.bmp")
    first = catalog.add_source(home, folder)
    pack(home, "cats", 8, "whole", limit=4)
    (folder / "0.bmp").rename(folder / "x")
    (folder / "1.bmp").rename(folder / "0.bmp")
    (folder / "x").rename(folder / "1.bmp")
    assert catalog.add_source(home, folder).fingerprint != first.fingerprint


def test_packing_anew(home: Home, tmp_path: Path) -> None:
    catalog.add_source(home, paint(tmp_path / "cats", (200, 0, 0)))
    folder = pack(home, "cats", 8, "whole")
    good = folder.pictures.read_bytes()
    folder.pictures.write_bytes(bytes(len(good)))  # of the right length: nothing notices it
    assert red(home, "cats") == [0]
    told: list[int] = []
    assert pack(home, "cats", 8, "whole", report=lambda done, *_: told.append(done), anew=True) == folder
    assert told
    assert folder.pictures.read_bytes() == good


def test_what_older_versions_packed_is_taken_as_it_is_and_said(home: Home, tmp_path: Path) -> None:
    folder = paint(tmp_path / "cats", (200, 0, 0))
    source = catalog.add_source(home, folder)
    packed = pack(home, "cats", 8, "whole")
    assert remarks(load_manifest(packed)) == []
    manifest = json.loads(packed.manifest.read_text())
    record = json.loads(home.source("cats").record.read_text())
    for field in ("listed", "contents", "darkest", "brightest"):
        del manifest[field]
    for field in ("listed", "stamp", "partition_problem"):
        del record[field]
    packed.manifest.write_text(json.dumps(manifest))
    home.source("cats").record.write_text(json.dumps(record))
    paint(folder, (50, 0, 0))
    assert catalog.check_source(home, "cats") is None
    assert catalog.add_source(home, folder).fingerprint == source.fingerprint
    assert pack(home, "cats", 8, "whole", should_stop=lambda: True) == packed
    (line,) = remarks(load_manifest(packed))
    assert "packed by an older version" in line
    assert "--repack" in line
    assert red(home, "cats", anew=True) == [50]


def test_a_range_that_is_used_in_part_is_said(home: Home, tmp_path: Path) -> None:
    for name, low, high in (("dark", 0, 4095), ("full", 0, 65_535), ("bright", 61_440, 65_535)):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(3):
            values = np.linspace(low, high, 64).reshape(8, 8).astype(np.uint16)
            Image.fromarray(values).save(folder / f"{number}.tif")
        catalog.add_source(home, folder)
    said = {name: remarks(load_manifest(pack(home, name, 8, "whole"))) for name in ("dark", "full", "bright")}
    assert said["full"] == []
    assert said["dark"][0].startswith("no picture is brighter than 16 of 255")
    assert said["bright"][0].startswith("no picture is darker than 239 of 255")
