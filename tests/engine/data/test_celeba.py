"""Fetching CelebA, with the drive played by a function: what it may answer, and what the user is told."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from engine.base.errors import DiskFullError, UserError
from engine.base.home import Home
from engine.data import catalog, celeba
from tests.engine.data.odd_pictures import small_jpeg

PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"


class Drive:
    """Answers like torchvision's `download_file_from_google_drive`."""

    def __init__(self, zip_content: bytes | Exception) -> None:
        self.contents = {celeba.PARTITION: b"000001.jpg 0\n000002.jpg 1\n", celeba.ZIP: zip_content}
        self.asked: list[str] = []

    def __call__(self, file_id: str, root: str, filename: str, md5: str) -> None:
        path = Path(root) / filename
        if path.exists() and hashlib.md5(path.read_bytes()).hexdigest() == md5:
            return
        self.asked.append(filename)
        content = self.contents[filename]
        if isinstance(content, Exception):
            raise content
        path.write_bytes(content)
        if hashlib.md5(content).hexdigest() != md5:
            raise RuntimeError("File not found or corrupted.")


@pytest.fixture
def faces_zip(tmp_path: Path) -> bytes:
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in (1, 2):
            archive.writestr(f"img_align_celeba/{number:06d}.jpg", small_jpeg(number))
    return path.read_bytes()


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, faces_zip: bytes) -> "object":
    def start(zip_content: bytes | Exception) -> Drive:
        drive = Drive(zip_content)
        known = {celeba.PARTITION: drive.contents[celeba.PARTITION], celeba.ZIP: faces_zip}
        wanted = {name: ("id", hashlib.md5(content).hexdigest()) for name, content in known.items()}
        monkeypatch.setattr(celeba, "_torchvision", lambda: (drive, wanted))
        monkeypatch.setattr(celeba, "ZIP_BYTES", 1000)
        return drive

    return start


def test_what_arrives_becomes_the_data_set(home: Home, play: "object", faces_zip: bytes) -> None:
    drive = play(faces_zip)  # type: ignore[operator]
    source = celeba.download_celeba(home)
    assert (source.name, source.kind, source.pictures) == ("celeba", "zip", 2)
    assert source.partition is not None
    assert catalog.load_source(home, "celeba") == source
    assert drive.asked == [celeba.PARTITION, celeba.ZIP]
    celeba.download_celeba(home)
    assert drive.asked == [celeba.PARTITION, celeba.ZIP]  # what is there is kept


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (PAGE, "daily quota"),
        (RuntimeError("Cannot retrieve the public link of the file. You may need to change"), "daily quota"),
        (RuntimeError("Too many users have viewed or downloaded this file recently."), "daily quota"),
        (
            RuntimeError("To download files from GDrive, 'gdown' is required. You can install it with"),
            r"pip install 'ddpm-tui\[celeba\]'",
        ),
        (ConnectionError("Name or service\nnot known"), "Name or service not known"),
        (b"PK\x03\x04 half of it", "corrupted"),
    ],
)
def test_every_refusal_ends_in_how_to_hand_the_files_over(
    home: Home, play: "object", answer: bytes | Exception, why: str
) -> None:
    play(answer)  # type: ignore[operator]
    with pytest.raises(UserError, match=f"img_align_celeba.zip could not be fetched.*{why}") as caught:
        celeba.download_celeba(home)
    assert "data add FOLDER --name celeba" in str(caught.value)
    assert "\n" not in str(caught.value)
    left = home.source("celeba").download
    assert [path.name for path in left.iterdir()] == [celeba.PARTITION]


def test_a_page_that_passed_for_the_file_is_noticed(
    home: Home, play: "object", monkeypatch: pytest.MonkeyPatch
) -> None:
    play(b"")  # type: ignore[operator]
    silent = dict.fromkeys((celeba.PARTITION, celeba.ZIP), ("id", ""))
    fetch = lambda file_id, root, name, md5: (Path(root) / name).write_bytes(PAGE)  # noqa: E731
    monkeypatch.setattr(celeba, "_torchvision", lambda: (fetch, silent))
    with pytest.raises(UserError, match=r"list_eval_partition.txt could not be fetched.*daily quota"):
        celeba.download_celeba(home)


def test_a_full_disk_is_said_as_such(home: Home, play: "object") -> None:
    play(OSError(28, "No space left on device"))  # type: ignore[operator]
    with pytest.raises(DiskFullError):
        celeba.download_celeba(home)


def test_another_celeba_is_not_overwritten(
    home: Home, play: "object", faces_zip: bytes, tmp_path: Path
) -> None:
    (tmp_path / "img_align_celeba.zip").write_bytes(faces_zip)
    catalog.add_source(home, tmp_path / "img_align_celeba.zip")
    play(faces_zip)  # type: ignore[operator]
    with pytest.raises(UserError, match="already exists"):
        celeba.download_celeba(home)


def test_torchvision_still_knows_both_files() -> None:
    fetch, wanted = celeba._torchvision()
    assert callable(fetch)
    assert set(wanted) >= {celeba.ZIP, celeba.PARTITION}
    assert all(len(md5) == 32 for _, md5 in wanted.values())


def test_nothing_of_it_is_imported_before_it_is_needed() -> None:
    import subprocess

    code = "import sys, engine.data.celeba; print('torchvision' in sys.modules, 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False"]
