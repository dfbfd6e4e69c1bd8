"""Names of zip entries as every tool writes them."""

import struct
import zlib

import pytest

from engine.data.entry_names import entry_name


def unicode_path(raw: bytes, name: str, version: int = 1) -> bytes:
    content = struct.pack("<BL", version, zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x5455, 5) + bytes(5) + struct.pack("<HH", 0x7075, len(content)) + content


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("faces/1.png", "faces/1.png"),
        ("./faces/1.png", "faces/1.png"),
        ("././/faces/./1.png", "faces/1.png"),
        ("/home/me/faces/1.png", "home/me/faces/1.png"),
        ("../../faces/1.png", "faces/1.png"),
        ("a/../1.png", "a/1.png"),
        ("C:/faces/1.png", "faces/1.png"),
        ("C:\\faces\\1.png", "faces/1.png"),
        ("CelebA\\img_align_celeba\\000001.jpg", "CelebA/img_align_celeba/000001.jpg"),
        ("data/faces\\1.png", "data/faces/1.png"),
        (".\\faces\\1.png", "faces/1.png"),
        ("__MACOSX\\faces\\._1.png", "__MACOSX/faces/._1.png"),
        ("./__MACOSX/._1.png", "__MACOSX/._1.png"),
        ("1.png\0.exe", "1.png"),
        ("...png", "...png"),
        ("..hidden/1.png", "..hidden/1.png"),
        ("faces/", ""),
        ("faces\\", ""),
        ("./", ""),
        ("", ""),
        ("..", ""),
    ],
)
def test_plain_names(raw: str, name: str) -> None:
    assert entry_name(raw.encode(), utf8=False) == name
    assert entry_name(raw.encode(), utf8=True) == name


def test_encodings() -> None:
    assert entry_name("größe/é.png".encode(), utf8=True) == "größe/é.png"
    assert entry_name("größe/é.png".encode(), utf8=False) == "größe/é.png"  # macOS sets no flag
    assert entry_name("größe/é.png".encode("cp437"), utf8=False) == "größe/é.png"
    # Flagged and not UTF-8: still two names for two pictures.
    assert entry_name(b"\xff.png", utf8=True) != entry_name(b"\xfe.png", utf8=True)


def test_a_backslash_inside_a_character_of_an_asian_code_page() -> None:
    """表 is 0x95 0x5C there. Taken for a separator it would leave a hidden file named .png."""
    assert "/" not in entry_name("表.png".encode("cp932"), utf8=False)
    assert entry_name("a\\é.png".encode("cp437"), utf8=False) == "a/é.png"


def test_info_zips_unicode_path() -> None:
    raw = b"faces/caf?.png"
    assert entry_name(raw, utf8=False, extra=unicode_path(raw, "./faces/café.png")) == "faces/café.png"
    stale = unicode_path(b"other name", "faces/old.png")
    assert entry_name(raw, utf8=False, extra=stale) == "faces/caf?.png"
    assert entry_name(raw, utf8=False, extra=unicode_path(raw, "x.png", version=2)) == "faces/caf?.png"
    assert entry_name(raw, utf8=False, extra=unicode_path(raw, "x.png")[:-3]) == "faces/caf?.png"
    assert entry_name(raw, utf8=False, extra=b"\x75\x70\x02") == "faces/caf?.png"
