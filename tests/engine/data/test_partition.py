"""The partition file in every form in which people have it, and what it is not."""

import re

import pytest

from engine.data.partition import Partition

NAMES = [f"{number:06d}.jpg" for number in range(1, 41)]
CODES = [0 if number < 31 else 1 if number < 36 else 2 for number in range(1, 41)]
ROWS = list(zip(NAMES, CODES, strict=True))
WORDS = ("train", "val", "test")

FORMS = {
    "plain": "".join(f"{name} {code}\n" for name, code in ROWS),
    "dos": "".join(f"{name} {code}\r\n" for name, code in ROWS),
    "mark": "\ufeff" + "".join(f"{name} {code}\n" for name, code in ROWS),
    "tabs": "".join(f"{name}\t{code}\n" for name, code in ROWS),
    "comma": "image_id,partition\n" + "".join(f"{name},{code}\n" for name, code in ROWS),
    "comma and space": "".join(f"{name}, {code}\n" for name, code in ROWS),
    "quoted": "".join(f'"{name}","{code}"\n' for name, code in ROWS),
    "semicolon": "image_id;partition\n" + "".join(f"{name};{code}\n" for name, code in ROWS),
    "index": ",image_id,partition\n" + "".join(f"{k},{name},{code}\n" for k, (name, code) in enumerate(ROWS)),
    "reversed": "partition,image_id\n" + "".join(f"{code},{name}\n" for name, code in ROWS),
    "floats": "".join(f"{name},{code}.0\n" for name, code in ROWS),
    "words": "".join(f"{name} {WORDS[code]}\n" for name, code in ROWS),
    "stems": "".join(f"{name[:6]} {code}\n" for name, code in ROWS),
    "stems with an index": "".join(f"{k},{name[:6]},{code}\n" for k, (name, code) in enumerate(ROWS)),
    "folders": "".join(f"img_align_celeba\\{name} {code}\n" for name, code in ROWS),
    "png": "".join(f"{name[:6]}.PNG {code}\n" for name, code in ROWS),
    "blank lines": "\n\n".join(f"  {name}   {code}  " for name, code in ROWS),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str) -> None:
    partition = Partition(FORMS[form].encode())
    assert [partition.code(name) for name in NAMES] == CODES
    assert partition.problem(NAMES) is None


def test_utf_16_as_windows_saves_it() -> None:
    partition = Partition(FORMS["plain"].encode("utf-16"))
    assert [partition.code(name) for name in NAMES] == CODES


@pytest.mark.parametrize("ending", [".JPG", ".png", ".jpeg", ".webp"])
def test_pictures_that_have_another_ending_now(ending: str) -> None:
    partition = Partition(FORMS["plain"].encode())
    assert [partition.code(f"img/{name[:6]}{ending}") for name in NAMES] == CODES


def test_names_with_spaces() -> None:
    partition = Partition(b"my cat.jpg 1\nmy  dog.jpg 2\n")
    assert [partition.code(name) for name in ("my cat.jpg", "my  dog.jpg", "cat.jpg")] == [1, 2, None]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf \r\n", "it is empty"),
        (b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>", "web page"),
        (b"\xff\xd8\xff\xe0 no text at all", "no line with a name"),
        (b"somebody.jpg 2\n", "names none of the pictures .it names somebody.jpg, a picture is 000001.jpg"),
        (b'"' + b"x" * 200_000 + b"\n", "no line"),
        (b"a,b\0,1\n", "none"),
        (b"000001.jpg 1\n000002.jpg 2\n000003.jpg 3\n", "it numbers the parts from 1: 0 is train"),
        (b"000001.jpg;1\n000002.jpg;2\n'000003.jpg';'3'\n", "it numbers the parts from 1"),
    ],
)
def test_what_splits_nothing_says_why(content: bytes, problem: str) -> None:
    found = Partition(content).problem(NAMES)
    assert found is not None
    assert re.search(problem, found)


def lines(*codes: str) -> bytes:
    return "".join(f"{n}.jpg {code}\n" for n, code in enumerate(codes, 1)).encode()


NUMBERED = [f"{n}.jpg" for n in range(1, 21)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lines(*"0" * 15, *"1" * 5), ""),
        (lines(*"0" * 5, *"1" * 3), "it does not name 12 of the 20 pictures (such as 9.jpg), which train"),
        (lines(*"0" * 15, "9", *"1" * 4), "it does not name 1 of the 20 pictures (16.jpg), which trains"),
        (lines(*"0" * 20), "it holds none of them out, so about 2 % are held out by name"),
        (lines(*"0" * 15, *"1" * 5) + b"3.jpg 1\n4.jpg 0\n", "it names 3.jpg twice, as train and as validation"),
        (lines(*"0" * 15, *"1" * 5) + b"unknown.jpg 1\n", ""),
    ],
)  # fmt: skip
def test_what_it_leaves_open_is_said(content: bytes, said: str) -> None:
    remark = Partition(content).remark(NUMBERED)
    assert said in remark
    assert bool(said) == bool(remark)
