"""Downloading CelebA with torchvision: the zip of aligned faces and its partition.

The only module of this package that imports torchvision, and only for a download. The drive that hosts CelebA often
answers with a quota page; every error explains how to provide the file by hand.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from engine.base import files
from engine.base.errors import DdpmError, UserError
from engine.base.home import Home
from engine.data.catalog import Source, add_source, load_source

NAME: Final = "celeba"
ZIP: Final = "img_align_celeba.zip"
PARTITION: Final = "list_eval_partition.txt"
ATTRIBUTES: Final = "list_attr_celeba.txt"
ZIP_BYTES: Final = 1_443_490_838

HAND_OVER: Final = (
    f"fetch {ZIP} and {PARTITION} with a browser (mmlab.ie.cuhk.edu.hk/projects/CelebA.html, or Kaggle's "
    f"celeba-dataset), put them into one folder and run `ddpm-tui data add FOLDER --name {NAME}`"
)

Fetch = Callable[[str, str, str, str], None]
"""(file id, folder, file name, MD5), as for torchvision's `download_file_from_google_drive`."""


def download_celeba(
    home: Home, report: Callable[[int, int, str], None] = lambda done, total, text: None
) -> Source:
    """Download CelebA (1.4 GB) into $DDPM_HOME and add it as data set "celeba". Existing files are kept.

    `report` is called about twice a second with (bytes so far, bytes in all, description).

    Raises UserError if the drive refuses or the network fails, with instructions for providing the files by hand;
    DiskFullError; BusyError while another process fetches it.
    """
    place = home.source(NAME)
    target = place.download
    if place.record.exists() and (known := load_source(home, NAME)).path != str(target / ZIP):
        raise UserError(
            f"the data set {NAME!r} already exists: {known.path}",
            f"use it, or first `ddpm-tui data remove {NAME}`",
        )
    home.create()
    place.path.mkdir(exist_ok=True)
    with files.FileLock.acquire(place.path / "lock", "CelebA's download", "wait for it"):
        files.require_free(place.path, ZIP_BYTES - _bytes_below(target))
        target.mkdir(exist_ok=True)
        fetch, wanted = _torchvision()
        with _reporting(target, report):
            for name in (PARTITION, ATTRIBUTES, ZIP):
                if name == ATTRIBUTES and name not in wanted:
                    continue  # the pictures are of use without them
                file_id, md5 = wanted[name]
                _fetch_one(fetch, target, name, file_id, md5)
    return add_source(home, target / ZIP, NAME)


def _torchvision() -> tuple[Fetch, dict[str, tuple[str, str]]]:
    """Return torchvision's download function, and the file id and MD5 of each of CelebA's files."""
    from torchvision.datasets import CelebA
    from torchvision.datasets.utils import download_file_from_google_drive

    return download_file_from_google_drive, {name: (file_id, md5) for file_id, md5, name in CelebA.file_list}


def _fetch_one(fetch: Fetch, target: Path, name: str, file_id: str, md5: str) -> None:
    try:
        fetch(file_id, str(target), name, md5)
    except DdpmError:
        raise
    except Exception as error:
        # torchvision, gdown and requests each have their own exceptions; none should show a traceback.
        with contextlib.suppress(OSError), files.disk_errors(target / name):
            if isinstance(error, OSError):
                raise error  # a full disk comes out as DiskFullError
        page = _is_page(target / name)
        (target / name).unlink(missing_ok=True)  # otherwise it would disturb the next attempt
        raise UserError(f"{name} could not be fetched: {_why(error, page)}", HAND_OVER) from error
    if not (target / name).is_file() or _is_page(target / name):
        (target / name).unlink(missing_ok=True)
        raise UserError(f"{name} could not be fetched: {_QUOTA}", HAND_OVER)


_QUOTA: Final = (
    "the drive sent a page instead of the file (its daily quota for CelebA is used up, try tomorrow)"
)


def _why(error: Exception, page: bool) -> str:
    text = " ".join(str(error).split())
    if "gdown" in text and "required" in text:
        return "torchvision needs the package gdown for it (`pip install 'ddpm-tui[celeba]'`)"
    refused = ("too many users", "quota", "public link", "many accesses", "cannot retrieve")
    if page or any(words in text.lower() for words in refused):
        return _QUOTA
    return f"{text[:200] or 'unknown reason'} ({type(error).__name__})"


def _is_page(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return b"<html" in file.read(1024).lower()
    except OSError:
        return False


def _bytes_below(folder: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):  # files may be renamed at this moment
        total = sum(path.stat().st_size for path in folder.iterdir())
    return total


@contextlib.contextmanager
def _reporting(target: Path, report: Callable[[int, int, str], None]) -> Iterator[None]:
    """Report the bytes that have arrived; the download function itself only draws a bar on stderr."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            report(min(_bytes_below(target), ZIP_BYTES), ZIP_BYTES, "downloading CelebA")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
