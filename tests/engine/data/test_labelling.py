"""Labels beside packed pictures: found or given, attached without packing again, kept apart by state, edited."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.base.errors import DamagedError, UserError
from engine.base.home import Home
from engine.data.catalog import add_source
from engine.data.faces import attributes
from engine.data.labelling import (
    attach,
    edit_labels,
    forget_labels,
    label_source,
    packed_labels,
    source_labels,
)
from engine.data.labels import Labels, LabelTable, read_table, write_table
from engine.data.packing import pack


def folder_of(tmp_path: Path, names: list[str]) -> Path:
    """Small pictures; the grey of each is its place in `names`."""
    folder = tmp_path / "pictures"
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (index, index, index)).save(path)
    return folder


NAMES = [f"{index:02d}.png" for index in range(12)]


def csv_of(names: list[str]) -> str:
    return "file_name,smiling,hat\n" + "".join(f"{n},{int(n[:2]) % 2},{int(n[:2]) % 3 == 0}\n" for n in names)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return folder_of(tmp_path, NAMES)


def test_packed_before_and_labelled_after_without_packing_again(
    home: Home, pictures: Path, tmp_path: Path
) -> None:
    (pictures / "05.png").write_bytes(b"no picture")
    add_source(home, pictures, "dots")
    folder, few = pack(home, "dots", 8, "whole"), pack(home, "dots", 8, "whole", 6)
    assert packed_labels(home, folder) is None
    before = folder.pictures.stat()
    file = tmp_path / "labels.csv"
    file.write_text(csv_of(NAMES))
    label_source(home, "dots", file)
    for packed in (folder, few):
        labels = packed_labels(home, packed)
        assert labels is not None
        greys = np.fromfile(packed.pictures, np.uint8).reshape(-1, 3, 8, 8)[:, 0, 0, 0]
        assert labels.names == ("smiling", "hat")
        assert labels.values[:, 0].tolist() == [1 if grey % 2 else -1 for grey in greys]
        assert labels.values[:, 1].tolist() == [1 if grey % 3 == 0 else -1 for grey in greys]
    assert folder.pictures.stat().st_mtime_ns == before.st_mtime_ns


def test_a_file_beside_the_pictures_is_found_and_more_of_it_later(home: Home, pictures: Path) -> None:
    (pictures / "metadata.csv").write_text(csv_of(NAMES[:6]))
    add_source(home, pictures, "dots")
    table = label_source(home, "dots")
    assert table is not None
    assert table.labels.unlabelled == 6
    assert table.remarks == ("no row for 6 of the 12 pictures (such as 06.png): their labels are unknown",)
    (pictures / "metadata.csv").write_text(csv_of(NAMES))
    again = label_source(home, "dots")
    assert again is not None
    assert (again.labels.unlabelled, again.remarks) == (0, ())


def test_folders_are_classes_where_no_file_is(home: Home, tmp_path: Path) -> None:
    pictures = folder_of(tmp_path, ["cat/1.png", "cat/2.png", "dog/3.png"])
    add_source(home, pictures, "pets")
    table = label_source(home, "pets")
    assert table is not None
    assert (table.source, table.labels.kind, table.labels.values.tolist()) == ("folders", "class", [0, 0, 1])
    (pictures / "metadata.csv").write_text("file_name,label\nno.png,x\nother.png,y\n")
    again = label_source(home, "pets")
    assert again is not None
    assert "metadata.csv is not used: " in again.remarks[0]


def test_labels_of_other_pictures_change_nothing(home: Home, pictures: Path, tmp_path: Path) -> None:
    (pictures / "metadata.csv").write_text(csv_of(NAMES))
    add_source(home, pictures, "dots")
    label_source(home, "dots")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("file_name,smiling\nother.png,1\n")
    with pytest.raises(UserError, match="labels of other pictures"):
        label_source(home, "dots", wrong)
    with pytest.raises(UserError, match="there is no such file"):
        label_source(home, "dots", tmp_path / "gone.csv")
    table = source_labels(home, "dots")
    assert table is not None
    assert table.labels.names == ("smiling", "hat")


def test_editing_keeps_the_state_before_for_who_began_with_it(home: Home, pictures: Path) -> None:
    (pictures / "metadata.csv").write_text(csv_of(NAMES))
    add_source(home, pictures, "dots")
    label_source(home, "dots")
    folder = pack(home, "dots", 8, "whole")
    before = packed_labels(home, folder)
    assert before is not None
    edit_labels(home, "dots", lambda labels: labels.renamed("Smiling", "happy"))
    edit_labels(home, "dots", lambda labels: labels.merged(["happy", "hat"], "either"))
    after = packed_labels(home, folder)
    assert after is not None
    assert after.names == ("either",)
    expected = np.where((before.values > 0).any(1), 1, -1)
    assert np.array_equal(after.values[:, 0], expected)
    kept = packed_labels(home, folder, before.digest())
    assert kept is not None
    assert np.array_equal(kept.values, before.values)
    # Added again, edited labels are not read anew.
    table = label_source(home, "dots")
    assert table is not None
    assert table.labels.names == ("either",)
    with pytest.raises(UserError, match="no label would be left"):
        edit_labels(home, "dots", lambda labels: labels.without(["either"]))
    forget_labels(home, "dots")
    assert (source_labels(home, "dots"), packed_labels(home, folder)) == (None, None)


def test_pictures_packed_before_others_came_keep_no_wrong_labels(home: Home, pictures: Path) -> None:
    add_source(home, pictures, "dots")
    folder = pack(home, "dots", 8, "whole")
    Image.new("RGB", (8, 8)).save(pictures / "00a.png")
    (pictures / "metadata.csv").write_text(csv_of(NAMES))
    add_source(home, pictures, "dots")
    label_source(home, "dots")
    with pytest.raises(UserError, match="was packed of other pictures than 'dots' has now"):
        attach(home, folder)


def test_built_in_faces_know_their_own(home: Home) -> None:
    folder = pack(home, "faces", 8, "whole", 20)
    labels = packed_labels(home, folder)
    assert labels is not None
    assert len(labels) == 20
    hats = [attributes(0, index).hat != "none" for index in range(20)]
    assert (labels.values[:, labels.names.index("hat")] > 0).tolist() == hats
    with pytest.raises(UserError, match="is built in"):
        edit_labels(home, "faces", lambda found: found)


def test_files_are_read_back_and_damage_is_named(tmp_path: Path) -> None:
    table = LabelTable(
        ("a\udcff.png", "b.png"), Labels("class", ("x", "y"), np.array([1, -1], np.int32)), "f", ("r",)
    )
    path = tmp_path / "labels.safetensors"
    write_table(path, table)
    found = read_table(path)
    assert (found.pictures, found.source, found.remarks) == (table.pictures, "f", ("r",))
    assert found.labels.digest() == table.labels.digest()
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DamagedError, match=r"labels\.safetensors cannot be read"):
        read_table(path)


def test_a_class_is_selected_matched_and_counted() -> None:
    labels = Labels("class", ("a", "b", "c"), np.array([0, 1, 2, 2, -1], np.int32))
    assert labels.select(["c", "A"]).values.tolist() == [1, -1, 0, 0, -1]
    assert labels.matching("class=C").tolist() == [False, False, True, True, False]
    assert labels.counts() == [("a", 1, 3, 1), ("b", 1, 3, 1), ("c", 2, 2, 1)]
    assert labels.merged(["a", "c"], "d").counts()[0] == ("d", 3, 1, 1)
