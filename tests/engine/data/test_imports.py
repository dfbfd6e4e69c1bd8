"""The same pixels whatever the pictures came in, and one line for what cannot be read."""

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from engine.base.errors import UserError
from engine.base.home import Home
from engine.data.catalog import add_source, load_source
from engine.data.imports import import_pictures, needs_import
from engine.data.manifest import PackedManifest, load_manifest
from engine.data.packing import pack


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def few(pictures: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "few"
    folder.mkdir()
    for path in sorted(pictures.iterdir())[:12]:
        shutil.copy(path, folder)
    return folder


def tar(target: Path, folder: Path, mode: str = "w", at: str = "faces/") -> Path:
    with tarfile.open(target, mode) as archive:  # type: ignore[call-overload]
        for path in sorted(folder.iterdir()):
            archive.add(path, at + path.name)
            label = tarfile.TarInfo(at + path.stem + ".cls")
            archive.addfile(label, io.BytesIO())
    return target


def parquet(target: Path, folder: Path, form: str = "struct") -> Path:
    contents = [path.read_bytes() for path in sorted(folder.iterdir())]
    names = [path.name for path in sorted(folder.iterdir())]
    rows: list[object] = [
        {"bytes": content, "path": name} for content, name in zip(contents, names, strict=True)
    ]
    if form == "bytes":
        rows = [*contents]
    elif form == "paths":
        rows = [f"{folder.name}/{name}" for name in names]
    pyarrow.parquet.write_table(
        pyarrow.table({"label": list(range(len(rows))), "image": rows}), target, row_group_size=5
    )
    return target


def packed(home: Home, name: str, *paths: Path) -> tuple[PackedManifest, bytes]:
    where = import_pictures(home, name, paths) if needs_import(paths) else paths[0]
    add_source(home, where, name)
    folder = pack(home, name, 16, "whole")
    return load_manifest(folder), folder.pictures.read_bytes()


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tgz-dots", "struct", "bytes", "paths", "shards"])
def test_the_same_pixels_whatever_the_container(home: Home, few: Path, tmp_path: Path, form: str) -> None:
    if form == "shards":
        folder = tmp_path / "shards"
        folder.mkdir()
        for number in range(3):
            part = tmp_path / f"part-{number}"
            part.mkdir()
            for path in sorted(few.iterdir())[4 * number : 4 * number + 4]:
                shutil.copy(path, part)
            tar(folder / f"faces-{number:03d}.tar", part, at="")
        given = folder
    elif form in ("struct", "bytes", "paths"):
        given = parquet(tmp_path / "faces.parquet", few, form)
    else:
        ending, mode = ("tar", "w") if form == "tar" else (form.replace("-dots", ""), "w:gz")
        given = tar(tmp_path / f"faces.{ending}", few, mode, "../../" if "dots" in form else "faces/")
    plain, pixels = packed(home, "plain", few)
    manifest, same = packed(home, "other", given)
    assert same == pixels
    assert (manifest.count, manifest.broken) == (plain.count, 0) == (12, 0)
    assert not (tmp_path.parent / "000.png").exists()
    zipped = Path(load_source(home, "other").path)
    written = zipped.stat().st_mtime_ns
    assert import_pictures(home, "other", [given]).stat().st_mtime_ns == written, "nothing has changed"


def test_several_sources_are_one_set(home: Home, few: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        for path in sorted(few.iterdir())[:5]:
            archive.write(path, path.name)
    manifest, pixels = packed(home, "all", few, tmp_path / "more.zip", tar(tmp_path / "few.tar", few))
    assert manifest.count == 29
    one = packed(home, "plain", few)[1]
    assert pixels == one + one + one[: 5 * 3 * 16 * 16]


def test_splits_of_files_and_of_folders(home: Home, few: Path, tmp_path: Path) -> None:
    shards = tmp_path / "hub"
    shards.mkdir()
    for name, count in (
        ("train-00000-of-00001", 7),
        ("validation-00000-of-00001", 3),
        ("test-00000-of-00001", 2),
    ):
        part = tmp_path / name
        part.mkdir()
        for path in sorted(few.iterdir())[:count]:
            shutil.copy(path, part)
        parquet(shards / f"{name}.parquet", part)
        for kind in ("a", "b"):
            (tmp_path / "folders" / name.partition("-")[0] / kind).mkdir(parents=True)
        for place, path in enumerate(sorted(part.iterdir())):
            shutil.copy(path, tmp_path / "folders" / name.partition("-")[0] / "ab"[place % 2])
    for given in (shards, tmp_path / "folders"):
        manifest = packed(home, given.name, given)[0]
        assert (manifest.train, manifest.held_out, manifest.test) == (7, 3, 2)
        assert manifest.split_by == "partition"


def test_a_data_set_of_an_older_version_keeps_its_split(home: Home, few: Path) -> None:
    for name in ("train", "test"):
        (few / name).mkdir()
    for place, path in enumerate(sorted(few.glob("*.png"))):
        path.rename(few / ("train" if place % 3 else "test") / path.name)
    added = add_source(home, few)
    assert added.partition == f"{few}, its folders"
    record = home.source("few").record
    content = json.loads(record.read_text())
    del content["splits"]
    record.write_text(json.dumps(content))
    again = add_source(home, few)
    assert (again.partition, again.splits) == (None, False)


@pytest.mark.parametrize("layout", ["00000/{:05d}.png", "celeba_hq/train/female/{:06d}.png"])
def test_nested_layouts(home: Home, few: Path, tmp_path: Path, layout: str) -> None:
    for number, path in enumerate(sorted(few.iterdir())):
        target = tmp_path / "ffhq" / layout.format(number)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert packed(home, "ffhq", tmp_path / "ffhq")[1] == packed(home, "plain", few)[1]


def test_every_broken_file_is_named(home: Home, few: Path, tmp_path: Path) -> None:
    (few / "003.png").write_bytes(b"no picture")
    manifest, _ = packed(home, "torn", tar(tmp_path / "faces.tar", few))
    folder = pack(home, "torn", 16, "whole")
    assert manifest.broken == 1
    assert folder.report.read_text().startswith("003.png\t")


def test_what_cannot_be_imported_is_one_line(
    home: Home, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tar(tmp_path / "whole.tar", few).read_bytes()
    zipped = tar(tmp_path / "whole.tgz", few, "w:gz").read_bytes()
    cases = {
        "short.tar": (whole[:9000], r"short\.tar is cut short or damaged"),
        "short.tar.gz": (
            zipped[: len(zipped) // 2],
            r"short\.tar\.gz is cut short or damaged",
        ),
        "words.tar": (b"hello " * 300, r"words\.tar is not a tar file"),
        "words.parquet": (b"hello", r"words\.parquet cannot be read as parquet"),
    }
    for name, (content, said) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=said) as refused:
            import_pictures(home, "bad", [tmp_path / name])
        assert "\n" not in str(refused.value)
    pyarrow.parquet.write_table(pyarrow.table({"a": [1], "b": ["x"]}), tmp_path / "numbers.parquet")
    with pytest.raises(UserError, match=r"has no column with pictures \(it has a, b\)"):
        import_pictures(home, "bad", [tmp_path / "numbers.parquet"])
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(UserError, match=r"empty\.tar has no pictures"):
        import_pictures(home, "bad", [tmp_path / "empty.tar"])
    with pytest.raises(UserError, match="cannot be read: No such file"):
        import_pictures(home, "bad", [few, tmp_path / "gone.tar"])
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        UserError, match=r"needs pyarrow, which is not installed — pip install 'ddpm-tui\[parquet\]'"
    ):
        import_pictures(home, "bad", [tmp_path / "numbers.parquet"])
    assert list(home.source("bad").download.glob("*")) == []


def test_pixels_of_an_import_are_those_of_each_file(home: Home, few: Path, tmp_path: Path) -> None:
    _, pixels = packed(home, "tarred", tar(tmp_path / "faces.tar", few))
    from PIL import Image

    first = np.asarray(Image.open(few / "000.png")).transpose(2, 0, 1)
    assert np.array_equal(np.frombuffer(pixels, np.uint8).reshape(-1, 3, 16, 16)[0], first)
