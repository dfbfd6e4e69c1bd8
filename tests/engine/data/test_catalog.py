"""Data sets by name: adding, moving, changing, removing, and where they are packed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.base import files
from engine.base.errors import BusyError, DamagedError, UsageError, UserError
from engine.base.home import Home
from engine.base.trash import find_trashed, list_trash, restore
from engine.data import catalog
from engine.data.manifest import is_whole, load_manifest, verify_packed
from engine.data.packing import pack
from tests.engine.data.odd_pictures import fill


def test_what_cannot_be_read_is_said_and_hides_nothing_else(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cats", "dogs", "hens", "owls"):
        catalog.add_source(home, fill(tmp_path / name, 2))
    home.source("dogs").record.write_text("{")
    home.source("hens").record.write_text('{"format": 99}')
    (home.data / "a-file").touch()
    stat = Path.stat

    def refuse(path: Path, **how: bool) -> object:
        if "owls" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refuse)  # root may read everything, so chmod alone would prove nothing
    said: list[str] = []
    assert [source.name for source in catalog.list_sources(home, said.append)] == ["faces", "cats"]
    owls, dogs, hens = said
    assert owls == f"{home.data / 'owls'} cannot be read (permission denied), so it is left out"
    assert "dogs" in dogs
    assert "newer ddpm-tui" in hens


def test_a_source_remembers_what_was_there(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 3)
    (folder / "readme.md").write_text("x")
    added = catalog.add_source(home, folder, "felines")
    source = catalog.load_source(home, "felines")
    assert source == added
    assert (source.kind, source.path, source.pictures, source.ignored) == ("folder", str(folder), 3, 1)


def test_adding_again_is_fine_and_another_path_is_not(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 3)
    catalog.add_source(home, folder)
    catalog.add_source(home, folder)
    other = fill(tmp_path / "other" / "cats", 3)
    with pytest.raises(UserError, match=f"'cats' already names {folder}.*--name"):
        catalog.add_source(home, other)
    assert catalog.load_source(home, "cats").path == str(folder)


def test_moved_pictures(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 3)
    catalog.add_source(home, folder)
    assert catalog.check_source(home, "cats") is None
    moved = folder.rename(tmp_path / "elsewhere")
    assert "no longer at" in (catalog.check_source(home, "cats") or "")
    with pytest.raises(UserError, match=r"no longer at.*data add NEW_PATH --name cats"):
        pack(home, "cats", 8, "whole")
    with pytest.raises(UserError, match=r"is gone.*holds other pictures.*data remove cats"):
        catalog.add_source(home, fill(tmp_path / "dogs", 5), "cats")
    assert catalog.add_source(home, moved, "cats").path == str(moved)
    pack(home, "cats", 8, "whole")


def test_an_unknown_data_set(home: Home, tmp_path: Path) -> None:
    catalog.add_source(home, fill(tmp_path / "cats", 2))
    with pytest.raises(UserError, match="did you mean 'cats'"):
        catalog.load_source(home, "cat")
    with pytest.raises(UserError, match="data add celeba"):
        catalog.load_source(home, "celeba")
    with pytest.raises(UserError):
        catalog.load_source(home, "../x")


def test_a_damaged_or_newer_record(home: Home, tmp_path: Path) -> None:
    catalog.add_source(home, fill(tmp_path / "cats", 2))
    record = home.source("cats").record
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "format": 99, "colour": 1}))
    with pytest.raises(UserError, match="newer ddpm-tui"):
        catalog.load_source(home, "cats")
    for broken in ("{", "[]", '{"name": "cats"}'):
        record.write_text(broken)
        with pytest.raises(DamagedError, match="cats"):
            catalog.load_source(home, "cats")


def test_packed_folders_are_told_apart_by_all_that_decides_their_bytes(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 4)
    old = catalog.add_source(home, folder).fingerprint
    asked = [(8, "whole", None), (16, "whole", None), (8, "box128", None), (8, "whole", 2), (8, "whole", 3)]
    paths = [catalog.packed_folder(home, "cats", *what).path for what in asked]
    assert len(set(paths)) == len(paths)
    assert catalog.packed_folder(home, "cats", 8, "whole", 4).path == paths[0]  # a limit that limits nothing
    fill(folder, 1, start=7)
    catalog.add_source(home, folder)
    assert catalog.packed_folder(home, "cats", 8, "whole", None).path not in paths
    assert catalog.packed_folder(home, "cats", 8, "whole", None, fingerprint=old).path == paths[0]
    with pytest.raises(UserError, match="no crop recipe named 'hole'"):
        catalog.packed_folder(home, "cats", 8, "hole", None)


def test_the_recipe_and_the_default_count_change_nothing_for_drawn_faces(home: Home) -> None:
    one = catalog.packed_folder(home, "faces", 32, "center178", None)
    assert one == catalog.packed_folder(home, "faces", 32, "whole", catalog.FACES_COUNT)
    assert one != catalog.packed_folder(home, "faces", 32, "whole", 500)


def test_removing_keeps_the_pictures_and_uses_the_trash(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 3)
    catalog.add_source(home, folder)
    packed = pack(home, "cats", 8, "whole")
    catalog.add_source(home, fill(tmp_path / "cats-2", 3))
    other = pack(home, "cats-2", 8, "whole")
    with packed_lock(packed.lock), pytest.raises(BusyError, match="being packed"):
        catalog.remove_source(home, "cats")
    assert catalog.remove_source(home, "cats") == [packed.path, home.source("cats").path]
    assert not packed.path.exists()
    assert other.path.exists()
    assert len(list(folder.iterdir())) == 3
    assert list(home.trash.rglob("pictures.u8"))
    restore(list_trash(home)[0])  # one brings back all
    assert list_trash(home) == []
    assert catalog.load_source(home, "cats").pictures == 3
    assert is_whole(packed)
    catalog.remove_source(home, "cats")
    packed.path.mkdir()  # packed again in the meantime
    restore(find_trashed(home, "cats", "data"))
    assert [trashed.label for trashed in list_trash(home)] == [packed.path.name]
    catalog.remove_source(home, "cats")
    with pytest.raises(UserError, match="built in"):
        catalog.remove_source(home, "faces")
    with pytest.raises(UserError, match=r"no data set named 'cats'.*`ddpm-tui data add PATH --name cats`"):
        catalog.remove_source(home, "cats")


def packed_lock(path: Path) -> files.FileLock:
    lock = files.FileLock.try_acquire(path)
    assert lock is not None
    return lock


def test_listing_what_is_packed(home: Home, tmp_path: Path) -> None:
    catalog.add_source(home, fill(tmp_path / "cats", 3))
    assert catalog.packed_folders(home) == []
    small, large = pack(home, "cats", 8, "whole"), pack(home, "cats", 16, "whole")
    found = dict(catalog.packed_folders(home, "cats"))
    assert {folder: manifest and manifest.size for folder, manifest in found.items()} == {small: 8, large: 16}
    small.manifest.write_text("{")
    assert [folder for folder, _ in catalog.packed_folders(home)] == [large]
    assert len(catalog.packed_folders(home, "cats", whole_only=False)) == 2
    assert catalog.packed_folders(home, "dogs") == []


@pytest.mark.parametrize(
    "harm", ["none", "flip", "short", "missing", "unreadable", "split", "manifest", "no pictures"]
)
def test_verify_finds_what_was_harmed(home: Home, tmp_path: Path, harm: str) -> None:
    catalog.add_source(home, fill(tmp_path / "cats", 5))
    folder = pack(home, "cats", 8, "whole")
    pixels = bytearray(folder.pictures.read_bytes())
    if harm == "flip":
        pixels[100] ^= 1
        folder.pictures.write_bytes(pixels)
    elif harm == "short":
        folder.pictures.write_bytes(pixels[:-1])
    elif harm == "missing":
        folder.pictures.unlink()
    elif harm == "unreadable":
        folder.pictures.unlink()
        folder.pictures.mkdir()
        said = json.loads(folder.manifest.read_bytes())
        said["files"]["pictures.u8"]["size"] = folder.pictures.stat().st_size
        folder.manifest.write_text(json.dumps(said))
    elif harm == "split":
        folder.split.write_bytes(b"\0" * 5)
    elif harm == "manifest":
        folder.manifest.write_text("{}")
    elif harm == "no pictures":
        said = json.loads(folder.manifest.read_bytes())
        del said["files"]["pictures.u8"]
        folder.manifest.write_text(json.dumps(said))
    problems = verify_packed(folder)
    named = {
        "flip": "pictures.u8 is altered",
        "short": "pictures.u8 has 959 bytes instead of 960",
        "missing": "pictures.u8: No such file",
        "unreadable": "pictures.u8: Is a directory",
        "split": "split.u8",
        "manifest": "manifest.json",
        "no pictures": "manifest.json",
    }
    assert (problems == []) if harm == "none" else any(named[harm] in problem for problem in problems)


def test_added_pictures_are_noticed_and_taken_only_when_asked(home: Home, tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 4)
    catalog.add_source(home, folder)
    packed = pack(home, "cats", 8, "whole")
    fill(folder, 2, start=10)
    assert "4 pictures then, 6 now" in (catalog.check_source(home, "cats") or "")
    assert pack(home, "cats", 8, "whole") == packed  # a run goes on with what it has
    with pytest.raises(UserError, match=r"has changed since 'cats' was added.*data add"):
        pack(home, "cats", 16, "whole")
    catalog.add_source(home, folder)
    newer = pack(home, "cats", 8, "whole")
    assert load_manifest(newer).count == 6
    assert load_manifest(packed).count == 4
    shutil.rmtree(folder)
    assert pack(home, "cats", 8, "whole") == newer  # packed pictures need no source


def test_listing_data_sets_needs_nothing_heavy() -> None:
    code = (
        "import sys, engine.data.catalog, engine.data.scan;"
        "print([m for m in ('torch', 'numpy', 'PIL', 'torchvision') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


# Leaving pictures out by name.


def _tree(path: Path) -> Path:
    fill(path / "train", 6)
    fill(path / "masks", 3, start=6)
    return path


def test_what_is_excluded_stays_excluded(home: Home, tmp_path: Path) -> None:
    folder = _tree(tmp_path / "cats")
    source = catalog.add_source(home, folder, exclude=["masks"])
    assert (source.pictures, source.exclude, source.folders) == (6, ("masks",), {})
    assert catalog.load_source(home, "cats") == source
    assert catalog.check_source(home, "cats") is None
    assert load_manifest(pack(home, "cats", 8, "whole")).count == 6
    fill(folder / "masks", 5, start=9)
    assert catalog.check_source(home, "cats") is None, "what is left out may change"
    fill(folder / "train", 1, start=99)
    assert "has changed" in (catalog.check_source(home, "cats") or "")
    again = catalog.add_source(home, folder)
    assert (again.pictures, again.exclude) == (7, ("masks",))
    assert load_manifest(pack(home, "cats", 8, "whole")).count == 7
    moved = folder.rename(tmp_path / "moved")
    assert catalog.add_source(home, moved, "cats").exclude == ("masks",)
    everything = catalog.add_source(home, moved, "cats", exclude=[])
    assert (everything.pictures, everything.exclude, everything.folders) == (15, (), {"masks": 8, "train": 7})


def test_a_pattern_that_names_nothing_is_refused(home: Home, tmp_path: Path) -> None:
    folder = _tree(tmp_path / "cats")
    with pytest.raises(UserError, match=r"no file in .*cats is named by --exclude mask —"):
        catalog.add_source(home, folder, exclude=["mask"])
    assert not home.source("cats").path.exists()
    catalog.add_source(home, folder, exclude=["masks"])
    shutil.rmtree(folder / "masks")
    assert catalog.add_source(home, folder).exclude == ("masks",), "kept for the day they are back"


def test_a_record_of_an_older_version(home: Home, tmp_path: Path) -> None:
    added = catalog.add_source(home, _tree(tmp_path / "cats"))
    record = home.source("cats").record
    content = json.loads(record.read_text())
    for key in ("left_out", "exclude", "folders"):
        del content[key]
    record.write_text(json.dumps(content))
    assert catalog.load_source(home, "cats").fingerprint == added.fingerprint
    assert catalog.check_source(home, "cats") is None


@pytest.mark.parametrize(
    "change", [{"pictures": "many"}, {"exclude": "x"}, {"kind": "tar"}, {"format": True}]
)
def test_a_record_with_wrong_types_hides_nothing_else(
    home: Home, tmp_path: Path, change: dict[str, object]
) -> None:
    for name in ("cats", "dogs"):
        catalog.add_source(home, _tree(tmp_path / name))
    record = home.source("cats").record
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    said: list[str] = []
    assert [source.name for source in catalog.list_sources(home, said.append)] == ["faces", "dogs"]
    assert [str(record) in line for line in said] == [True]


@pytest.mark.parametrize("path", ["", "~nobody-of-that-name/x"])
def test_a_path_that_leads_nowhere(home: Home, path: str) -> None:
    with pytest.raises((UsageError, UserError), match=r"the path is empty|no such user"):
        catalog.add_source(home, path)
