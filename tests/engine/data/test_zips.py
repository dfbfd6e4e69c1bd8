"""The zip reader against the standard library's writer, and against what goes wrong."""

import lzma
import os
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.base.errors import UserError
from engine.data import unpack, zips
from engine.data.entry_names import clean_name

NAMES = st.lists(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
        lambda name: (
            "\\" not in name and clean_name(name) == name
        )  # others are changed, as test_entry_names says
    ),
    unique=True,
    max_size=6,
)


def contents(path: Path) -> dict[str, bytes]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return {entry.name: zips.read_entry(descriptor, *entry[1:]) for entry in zips.entries(path)}
    finally:
        os.close(descriptor)


def make(path: Path, count: int = 3, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("folder")
        for number in range(count):
            archive.writestr(f"folder/{number}.txt", f"content {number} " * 20)
    return path


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=NAMES,
    data=st.data(),
    comment=st.binary(max_size=30),
    before=st.binary(max_size=30),
    wide=st.booleans(),
)
def test_reads_what_the_standard_library_writes(
    tmp_path: Path, names: list[str], data: st.DataObject, comment: bytes, before: bytes, wide: bool
) -> None:
    path = tmp_path / "a.zip"
    written = {}
    path.write_bytes(before)
    with pytest.MonkeyPatch.context() as patch:
        if wide:  # zip64 records without gigabytes
            patch.setattr(zipfile, "ZIP64_LIMIT", 10)
            patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = comment
            for name in names:
                written[name] = data.draw(st.binary(max_size=40))
                method = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
                info = zipfile.ZipInfo(name)
                info.compress_type = method
                with archive.open(info, "w", force_zip64=wide) as file:
                    file.write(written[name])
    assert contents(path) == written


def test_a_comment_that_looks_like_the_end_of_a_zip(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\x05\x06" + b"\0" * 40
    assert len(contents(path)) == 3


def test_something_before_and_something_after_the_zip(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip")
    whole = contents(path)
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert contents(path) == whole
    path.write_bytes(path.read_bytes() + b"\n\n")
    assert contents(path) == whole


def test_folders_are_not_entries(tmp_path: Path) -> None:
    assert sorted(contents(make(tmp_path / "a.zip"))) == ["folder/0.txt", "folder/1.txt", "folder/2.txt"]


@pytest.mark.parametrize("keep", [0.2, 0.9, 0.99])
def test_a_cut_off_zip_says_so(tmp_path: Path, keep: float) -> None:
    path = make(tmp_path / "a.zip", 50)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(UserError, match=r"a\.zip is truncated or damaged"):
        list(zips.entries(path))


def test_a_damaged_list_of_contents_says_so(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", 5)
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"XX\x01\x02", 3))
    with pytest.raises(UserError, match="damaged"):
        list(zips.entries(path))


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title>",
        b"\n  <HTML><body>",
        b"\xef\xbb\xbf<html>",
        b"<?xml version='1.0'?><html xmlns='x'>",
    ],
)
def test_a_web_page_in_place_of_the_zip(tmp_path: Path, page: bytes) -> None:
    path = tmp_path / "img_align_celeba.zip"
    path.write_bytes(page + b" " * 2000)
    with pytest.raises(UserError, match=r"web page, not a zip.*download it again"):
        list(zips.entries(path))


def test_no_zip_an_empty_file_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"hello" * 100)
    with pytest.raises(UserError, match="not a zip"):
        list(zips.entries(path))
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is empty"):
        list(zips.entries(path))
    path.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        list(zips.entries(path))


def only(path: Path) -> bytes:
    (content,) = contents(path).values()
    return content


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_altered_bytes_are_noticed(tmp_path: Path, method: int) -> None:
    path = make(tmp_path / "a.zip", 1, method)
    content = bytearray(path.read_bytes())
    (entry,) = zips.entries(path)
    content[entry.offset + 30 + len(entry.name) + 5] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(zips.UnreadableEntryError, match=r"damaged|unpacked"):
        only(path)


def test_deflate64_and_encryption_are_named(tmp_path: Path) -> None:
    path = make(tmp_path / "b.zip", 1)
    content = bytearray(path.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(zips.UnreadableEntryError, match="encrypted"):
        only(path)
    content[content.rfind(b"PK\x01\x02") + 8] ^= 1
    content[content.rfind(b"PK\x01\x02") + 10] = 9
    path.write_bytes(content)
    with pytest.raises(zips.UnreadableEntryError, match="Deflate64"):
        only(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_of_the_standard_library_are_read_and_checked(tmp_path: Path, method: int) -> None:
    path = make(tmp_path / "a.zip", 3, method)
    with zipfile.ZipFile(path) as archive:
        assert contents(path) == {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}
    (entry, *_) = zips.entries(path)
    content = bytearray(path.read_bytes())
    content[entry.offset + 30 + len(entry.name) + 20] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(zips.UnreadableEntryError, match=r"damaged|unpacked"):
        contents(path)
    with open(path, "rb") as file, pytest.raises(zips.UnreadableEntryError):
        zips.read_entry(file.fileno(), entry.offset, entry.stored, 10, entry.method, entry.crc)


def test_lzma_without_an_end_mark_in_the_data(tmp_path: Path) -> None:
    """As 7-Zip writes it: the length of the list of contents says where it ends."""
    text = b"so much of the same " * 50
    alone = lzma.compress(text, lzma.FORMAT_ALONE)  # properties, unpacked length, data
    header = lzma._encode_filter_properties({"id": lzma.FILTER_LZMA1})
    assert len(header) == 5
    body = b"\x18\x05\x05\x00" + alone[:5] + alone[13:]
    assert unpack.unpack(unpack.LZMA, 2, body, len(text)) == text  # Python's marks the end
    raw = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16}])
    marked = raw.compress(text) + raw.flush()
    properties = b"\x18\x05\x05\x00" + b"\x5d" + struct.pack("<L", 1 << 16)
    assert unpack.unpack(unpack.LZMA, 0, properties + marked, len(text)) == text


def test_a_count_that_has_wrapped(tmp_path: Path) -> None:
    """macOS writes the number of files modulo 65,536 and no zip64 record."""
    path = make(tmp_path / "a.zip", 70)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x05\x06")
    struct.pack_into("<HH", content, at + 8, 6, 6)
    path.write_bytes(content)
    assert len(contents(path)) == 70


@pytest.mark.parametrize("before", [1, 2])
def test_offsets_that_have_wrapped(tmp_path: Path, before: int) -> None:
    """A zip of more than 4 GiB from a tool without zip64 has its offsets modulo 2³²."""
    whole = make(tmp_path / "a.zip", 4)
    content = bytearray(whole.read_bytes())
    expected = contents(whole)
    entries = list(zips.entries(whole))
    cut = entries[2].offset  # the first two lie before the large gap, the others behind it
    gap = before << 32
    end = content.rfind(b"PK\x05\x06")
    path = tmp_path / "large.zip"
    with open(path, "wb") as file:
        file.write(content[:cut])
        file.seek(cut + gap)  # a hole: takes no room on the disk
        file.write(content[cut:])
    assert path.stat().st_blocks * 512 < 1 << 20
    assert end
    assert contents(path) == expected


def test_a_part_of_a_split_zip_says_so(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    struct.pack_into("<HH", content, content.rfind(b"PK\x05\x06") + 4, 2, 2)
    path.write_bytes(content)
    with pytest.raises(UserError, match="split zip"):
        list(zips.entries(path))


def test_links_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    info = zipfile.ZipInfo("a.jpg")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "elsewhere/b.jpg")
    (entry,) = zips.entries(path)
    assert entry.method == unpack.LINK
    assert unpack.obstacle(entry.method) == "links"


def test_an_entry_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", 1)
    (entry,) = zips.entries(path)
    with open(path, "rb") as file, pytest.raises(zips.UnreadableEntryError, match="damaged"):
        zips.read_entry(file.fileno(), entry.offset, entry.stored, 10, entry.method, entry.crc)


@pytest.mark.parametrize(
    ("size", "stored", "offset"),
    [(5, 1 << 40, 0), (5, 5, 1 << 40), (5, 5, (1 << 64) - 1), ((1 << 64) - 1, 5, 0)],
    ids=["longer than the file", "beyond it", "beyond any file", "larger than any file"],
)
def test_a_list_of_contents_that_cannot_be_true(tmp_path: Path, size: int, stored: int, offset: int) -> None:
    """Nothing is set aside, read or counted by such a number."""
    wide, name = 0xFFFFFFFF, b"a.txt"
    local = b"PK\x03\x04" + bytes(26) + b"hello"
    extra = struct.pack("<HHQQQ", 1, 24, size, stored, offset)
    central = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 6, 0, wide, wide, 5, 28, *[0] * 4, wide)
    listed = central + name + extra
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(listed), len(local), 0)
    (tmp_path / "a.zip").write_bytes(local + listed + end)
    with pytest.raises(UserError, match="its central directory is incomplete"):
        list(zips.entries(tmp_path / "a.zip"))
