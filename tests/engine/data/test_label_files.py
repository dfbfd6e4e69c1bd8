"""Label files in the forms that people have, and what is wrong with them in one line each."""

import json

import numpy as np
import pytest

from engine.base.errors import UserError
from engine.data.label_files import aligned, class_folders, read_label_file

CELEBA = b"""99
Smiling Wearing_Hat Young
000001.jpg -1  1  1
000002.jpg  1 -1 -1
000003.jpg  1  1 -1
"""
WANTED = np.array([[-1, 1, 1], [1, -1, -1], [1, 1, -1]], np.int8)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (CELEBA, "list_attr_celeba.txt"),
        (CELEBA.partition(b"\n")[2], "without_a_count.txt"),
        (
            b"image_id,Smiling,Wearing_Hat,Young\n000001.jpg,-1,1,1\n000002.jpg,1,-1,-1\n000003.jpg,1,1,-1\n",
            "a.csv",
        ),
        (
            b"Smiling;image_id;Wearing_Hat;Young\n0;000001.jpg;1;1\n1;000002.jpg;0;0\n1;000003.jpg;1;0\n",
            "a.csv",
        ),
        (
            b"\xef\xbb\xbffile_name,Smiling,Wearing_Hat,Young\n000001.jpg,false,TRUE,yes\n000002.jpg,true,false,no\n"
            b"000003.jpg,True,true,no\n",
            "metadata.csv",
        ),
        (
            b'{"file_name": "000001.jpg", "Smiling": false, "Wearing_Hat": true, "Young": 1}\n'
            b'{"Smiling": true, "file_name": "000002.jpg", "Wearing_Hat": false, "Young": 0}\n'
            b'{"file_name": "000003.jpg", "Smiling": true, "Wearing_Hat": true, "Young": 0}\n',
            "metadata.jsonl",
        ),
    ],
)
def test_every_form_gives_the_same_labels(content: bytes, name: str) -> None:
    table = read_label_file(content, name)
    assert table.pictures == ("000001.jpg", "000002.jpg", "000003.jpg")
    assert table.labels.names == ("Smiling", "Wearing_Hat", "Young")
    assert table.labels.values.dtype == np.int8
    assert np.array_equal(table.labels.values, WANTED)
    assert table.remarks == ()


def test_a_zero_beside_minus_ones_is_unknown() -> None:
    table = read_label_file(b"file_name,a,b\nx.png,-1,0\ny.png,1,\n", "m.csv")
    assert np.array_equal(table.labels.values, [[-1, 0], [1, 0]])


@pytest.mark.parametrize(
    "content",
    [
        b"file_name,label\na.png,cat\nb.png,dog\nc.png,\nd.png,cat\n",
        b"file_name,label\na.png,0\nb.png,1\nc.png,\nd.png,0\n",
    ],
)
def test_one_column_of_words_or_a_column_of_that_name_is_a_class(content: bytes) -> None:
    labels = read_label_file(content, "metadata.csv").labels
    assert (labels.kind, len(labels.names), labels.values.dtype) == ("class", 2, np.int32)
    assert labels.values.tolist() == [0, 1, -1, 0]


def test_words_beside_other_columns_are_attributes_and_captions_are_none() -> None:
    rows = "".join(f"{i}.png,{i % 2},{'red' if i % 2 else 'blue'},a caption {i}\n" for i in range(8))
    table = read_label_file(f"file_name,smiling,hair,text\n{rows}".encode(), "metadata.csv")
    assert table.labels.names == ("smiling", "hair_blue", "hair_red")
    assert table.labels.values[:2].tolist() == [[-1, 1, -1], [1, -1, 1]]
    assert table.remarks == ("column text has 8 different texts and is no label",)


def test_wrong_values_and_lines_are_counted_and_the_rest_is_read() -> None:
    table = read_label_file(
        b"Smiling Young\na.jpg 1 -1\nb.jpg 7 -1\nc.jpg 9 1\nd.jpg 1\ne.jpg -1 1\n", "l.txt"
    )
    assert table.pictures == ("a.jpg", "b.jpg", "c.jpg", "e.jpg")
    assert table.labels.values[:, 0].tolist() == [1, 0, 0, -1]
    line, values = table.remarks
    assert line == "1 line with another number of values left out (line 6)"
    assert values == "Smiling: 2 values are none of −1, 0 and 1 (such as '7' of b.jpg), taken as unknown"


def test_rows_are_found_by_name_last_part_and_stem() -> None:
    table = read_label_file(CELEBA, "l.txt")
    labels, said = aligned(table, ["deep/000002.jpg", "000001.png", "x/000003.JPG", "other.jpg"], "l.txt")
    assert labels.values.tolist() == [[1, -1, -1], [-1, 1, 1], [1, 1, -1], [0, 0, 0]]
    assert said == ["no row for 1 of the 4 pictures (such as other.jpg): their labels are unknown"]


def test_other_pictures_and_rows_too_many_are_said() -> None:
    table = read_label_file(CELEBA, "l.txt")
    with pytest.raises(
        UserError, match=r"l\.txt has labels of other pictures: it names 000001\.jpg, a picture here is z"
    ):
        aligned(table, ["z.png"], "l.txt")
    assert aligned(table, ["000001.jpg"], "l.txt")[1] == ["2 rows are of other pictures"]
    twice = read_label_file(CELEBA + b"000003.jpg 1 1 1\n000001.jpg -1 1 1\n", "l.txt")
    labels, said = aligned(twice, ["000001.jpg", "000002.jpg", "000003.jpg"], "l.txt")
    assert np.array_equal(labels.values, WANTED)
    assert said == ["2 pictures named twice, 1 of them with other labels; the first counts"]


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"Smiling smiling\na.jpg 1 1\n", "l.txt", "names two labels alike: Smiling and smiling"),
        (b"<!DOCTYPE html><html>", "l.txt", "is a web page"),
        (b"", "l.txt", "holds no line of a picture's name"),
        (b"a,b\n1,2\n", "m.csv", "no column of the pictures' names"),
        (b"file_name,text\na.png,one\nb.png,two\nc.png,three\n", "m.csv", "no column of labels"),
        (b'{"smiling": 1}\n', "m.jsonl", "no line with a file_name"),
        (b"\x89PNG\0\0\0", "m.csv", "is no text"),
    ],
)
def test_what_is_no_label_file_is_one_line(content: bytes, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as found:
        read_label_file(content, name)
    assert "\n" not in str(found.value)


def test_folders_are_classes_and_folders_within_count_as_the_first() -> None:
    table = class_folders(["cat/1.png", "cat/long/2.png", "dog/3.png", "4.png"])
    assert table is not None
    assert (table.labels.kind, table.labels.names) == ("class", ("cat", "dog"))
    assert table.labels.values.tolist() == [0, 0, 1, -1]
    assert "a class folder inside a class folder: 1 picture below cat/long" in table.remarks[0]
    assert table.remarks[1] == "1 picture beside the class folders: their class is unknown"
    split = class_folders(["train/cat/1.png", "test/dog/2.png"])
    assert split is not None
    assert split.labels.names == ("cat", "dog")
    assert class_folders(["train/1.png", "test/2.png"]) is None
    assert class_folders(["cat/1.png", "cat/2.png"]) is None


def test_a_line_that_is_no_json_is_counted() -> None:
    lines = [json.dumps({"file_name": f"{i}.png", "a": i % 2}) for i in range(3)]
    table = read_label_file("\n".join([lines[0], "{nonsense", *lines[1:]]).encode(), "m.jsonl")
    assert len(table.pictures) == 3
    assert table.remarks == ("1 line with another number of values left out (line 2)",)
