"""A home of one's own for each test, and a zip of pictures with what packing makes of it."""

import zipfile
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.data import catalog
from engine.data.packing import pack
from tests.engine.data.odd_pictures import small_jpeg
from tests.engine.data.packed_cats import COUNT, SIZE, digests


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture(scope="session")
def cats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of 300 small JPEGs, two of them broken."""
    path = tmp_path_factory.mktemp("zip") / "cats.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(COUNT):
            content = b"no picture" if number in (70, 250) else small_jpeg(number)
            archive.writestr(f"cats/{number:06d}.jpg", content)
    return path


@pytest.fixture(scope="session")
def undisturbed(cats: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """SHA-256 of the files of `cats`, packed at once."""
    home = Home(tmp_path_factory.mktemp("home")).create()
    catalog.add_source(home, cats)
    return digests(pack(home, "cats", SIZE, "box128"))
