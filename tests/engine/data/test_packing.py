"""Packing: the right pixels, the same bytes after any kill, one packer at a time, broken pictures by the 1 % rule."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.base import files
from engine.base.errors import DiskFullError, UserError
from engine.base.home import Home
from engine.data import catalog
from engine.data.decode import decode
from engine.data.manifest import verify_packed
from engine.data.packed import open_packed
from engine.data.packing import pack
from tests.engine.data.odd_pictures import fill, small_jpeg
from tests.engine.data.packed_cats import COUNT, SIZE, digests, run_pack


def test_every_picture_is_where_it_belongs(home: Home, cats: Path) -> None:
    catalog.add_source(home, cats)
    told: list[tuple[int, int, str]] = []
    packed = open_packed(
        pack(home, "cats", SIZE, "box128", report=lambda *what: told.append(what), processes=2)
    )
    good = [number for number in range(COUNT) if number not in (70, 250)]
    assert packed.pictures.shape == (len(good), 3, SIZE, SIZE)
    for place in (0, 63, 64, 70, 71, 200, len(good) - 1):
        expected = decode(small_jpeg(good[place]), "box128", SIZE).pixels
        assert np.array_equal(packed.pictures[place], expected)
    manifest = packed.manifest
    assert (manifest.count, manifest.broken, manifest.celeba_shaped, manifest.enlarged) == (
        298,
        2,
        298,
        298,
    )  # 27 pixels hold a box of 15.9
    assert (manifest.smallest, manifest.largest) == (15, 15)
    assert manifest.recipe == "box128"
    assert (manifest.train, manifest.held_out, manifest.test) == (len(packed.train), len(packed.held_out), 0)
    assert sorted([*packed.train, *packed.held_out]) == list(range(298))
    assert packed.folder.report.read_text().splitlines() == [
        "000070.jpg\tnot a picture, or of a format that is not supported",
        "000250.jpg\tnot a picture, or of a format that is not supported",
    ]
    assert [done for done, _, _ in told] == [0, 64, 128, 192, 256, 300]
    assert {total for _, total, _ in told} == {COUNT}
    assert verify_packed(packed.folder) == []
    assert sorted(digests(packed.folder)) == ["broken.txt", "manifest.json", "pictures.u8", "split.u8"]


@pytest.mark.parametrize("processes", [1, 3])
def test_the_number_of_processes_changes_nothing(
    home: Home, cats: Path, undisturbed: dict[str, str], processes: int
) -> None:
    catalog.add_source(home, cats)
    assert digests(pack(home, "cats", SIZE, "box128", processes=processes)) == undisturbed


def test_zip_and_folder_give_the_same_bytes(home: Home, cats: Path, undisturbed: dict[str, str]) -> None:
    with zipfile.ZipFile(cats) as archive:
        archive.extractall(home.root / "unpacked")
    catalog.add_source(home, home.root / "unpacked", "cats")
    again = digests(pack(home, "cats", SIZE, "box128"))
    for name in ("pictures.u8", "split.u8", "broken.txt"):
        assert again[name] == undisturbed[name]


def test_no_room_is_said_before_anything_is_written(
    home: Home, cats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.add_source(home, cats)
    monkeypatch.setattr(files, "free_bytes", lambda folder: 100_000)
    with pytest.raises(DiskFullError, match="needed"):
        pack(home, "cats", SIZE, "box128")


def test_a_disk_that_fills_up_keeps_what_is_packed(
    home: Home, cats: Path, undisturbed: dict[str, str]
) -> None:
    catalog.add_source(home, cats)
    child = run_pack(home, "pack.pixels:3=enospc")
    assert child.stderr is not None
    assert b"DiskFullError" in child.stderr.read()
    told: list[int] = []
    folder = pack(home, "cats", SIZE, "box128", report=lambda done, *_: told.append(done))
    assert told[0] == 128
    assert digests(folder) == undisturbed


def test_a_whole_folder_is_returned_at_once_and_a_damaged_one_packed_again(
    home: Home, cats: Path, undisturbed: dict[str, str]
) -> None:
    catalog.add_source(home, cats)
    folder = pack(home, "cats", SIZE, "box128")
    told: list[int] = []
    pack(home, "cats", SIZE, "box128", report=lambda done, *_: told.append(done))
    assert told == []
    folder.pictures.write_bytes(folder.pictures.read_bytes()[:-5])
    pack(home, "cats", SIZE, "box128")
    assert digests(folder) == undisturbed


def test_a_limit_takes_the_same_few_every_time(home: Home, tmp_path: Path) -> None:
    catalog.add_source(home, fill(tmp_path / "cats", 90))
    few = open_packed(pack(home, "cats", SIZE, "whole", limit=40))
    fewer = open_packed(pack(home, "cats", SIZE, "whole", limit=20))
    assert (len(few), len(fewer)) == (40, 20)
    seen = {picture.tobytes() for picture in few.pictures}
    assert all(picture.tobytes() in seen for picture in fewer.pictures)
    assert min(len(few.held_out), len(fewer.held_out)) >= 1


def test_celebas_partition_decides_who_trains(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "img_align_celeba", 30)
    lines = [f"{number:06d}.jpg {number % 3}" for number in range(30)]
    (tmp_path / "list_eval_partition.txt").write_text("\n".join(lines))
    source = catalog.add_source(home, folder)
    assert source.partition == str(tmp_path / "list_eval_partition.txt")
    packed = open_packed(pack(home, "celeba", 8, "center178"))
    assert packed.manifest.split_by == "partition"
    assert packed.train.tolist() == list(range(0, 30, 3))
    assert packed.held_out.tolist() == list(range(1, 30, 3))
    assert packed.test.tolist() == list(range(2, 30, 3))


def test_a_partition_that_leaves_nobody_to_train(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 4)
    (folder / "list_eval_partition.txt").write_text("".join(f"{n:06d}.jpg 2\n" for n in range(4)))
    catalog.add_source(home, folder)
    with pytest.raises(UserError, match="leaves no picture to train on"):
        pack(home, "cats", 8, "whole")


def test_the_built_in_faces(home: Home) -> None:
    from engine.data.faces import faces

    folder = pack(home, "faces", 8, "center178", limit=66, processes=2)
    packed = open_packed(folder)
    assert np.array_equal(packed.pictures, faces(catalog.FACES_SEED, 0, 66, 8).transpose(0, 3, 1, 2))
    assert (packed.manifest.recipe, packed.manifest.broken) == ("drawn", 0)
    assert len(packed.train) + len(packed.held_out) == 66
    assert len(packed.held_out) >= 1
    assert catalog.check_source(home, "faces") is None


def test_decoders_import_no_torch(tmp_path: Path) -> None:
    code = "import sys, engine.data.decoder, engine.data.packing, engine.data.packed; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_files_in_the_users_folder_do_not_get_into_the_decoders(
    home: Home, cats: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    catalog.add_source(home, cats)
    pack(home, "cats", SIZE, "box128", processes=2)


def test_memory_does_not_hold_the_pictures(home: Home, cats: Path) -> None:
    """However slow the reader is, only a few blocks are under way."""
    from engine.data.decoder import Block, Task
    from engine.data.pool import WINDOW, DecoderPool

    listing = catalog.open_source(home, catalog.add_source(home, cats))
    given: list[int] = []

    def blocks() -> "object":
        for index in range(100):
            given.append(index)
            yield Block(index, (listing.item(index),))

    with DecoderPool(Task("zip", str(listing.path), "whole", 8), 2) as pool:
        for taken, result in enumerate(pool.results(blocks(), lambda: False)):  # type: ignore[arg-type]
            assert result.index == taken
            assert len(given) <= taken + 1 + 2 * WINDOW
    assert len(given) == 100


def packed_names(home: Home) -> list[str]:
    return sorted(path.name for path in home.data.glob("*-*") if (path / "manifest.json").exists())


def test_pictures_of_no_face_are_packed_once_for_all_recipes(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.jpg").write_bytes(small_jpeg(number, 40, 30))
    catalog.add_source(home, folder)
    first = pack(home, "pets", SIZE, "whole")
    assert pack(home, "pets", SIZE, "center178") == first
    assert catalog.packed_folder(home, "pets", SIZE, "box128", None) == first
    assert packed_names(home) == [first.path.name]
    assert pack(home, "pets", 8, "whole") != first
    assert pack(home, "pets", SIZE, "whole", limit=4) != first


def test_pictures_of_faces_are_packed_for_each_recipe(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 4)
    (folder / "stray.jpg").write_bytes(small_jpeg(9, 40, 30))
    catalog.add_source(home, folder)
    first = pack(home, "cats", SIZE, "whole")
    assert pack(home, "cats", SIZE, "center140") != first


def test_what_an_older_version_packed_is_used_as_it_is(home: Home, tmp_path: Path) -> None:
    """It has the older way of scaling in its name, and none of the facts that are kept today."""
    source = catalog.add_source(home, fill(tmp_path / "cats", 4))
    identity = catalog.packed_identity(source, SIZE, "center178", None)
    older = home.packed("cats", identity | {"resampling": "pillow-bicubic-draft2"})
    shutil.copytree(pack(home, "cats", SIZE, "center178").path, older.path)
    shutil.rmtree(catalog.packed_folder(home, "cats", SIZE, "center178", None).path)
    manifest = json.loads(older.manifest.read_text())
    for field in ("contents", "darkest", "brightest"):
        manifest.pop(field, None)
    older.manifest.write_text(json.dumps(manifest | {"resampling": "pillow-bicubic-draft2"}))
    assert pack(home, "cats", SIZE, "center178") == older
    assert len(open_packed(older)) == 4
    assert packed_names(home) == [older.path.name]
