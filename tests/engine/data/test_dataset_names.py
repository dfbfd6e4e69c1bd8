"""Names of data sets: derived from a path, and those that cannot be."""

from pathlib import Path

import pytest

from engine.base.errors import UserError
from engine.base.home import Home
from engine.data import catalog
from tests.engine.data.odd_pictures import fill


def test_names_are_derived(home: Home, tmp_path: Path) -> None:
    def derived(folder: str) -> str:
        return catalog.add_source(home, fill(tmp_path / folder, 2)).name

    assert derived("cats") == "cats"
    assert derived("my cats (2024)") == "my-cats-2024"
    assert derived("img_align_celeba") == "celeba"
    assert derived("faces") == "faces-pictures"
    assert derived("x-0123456789") == "x-0123456789-pictures"
    assert derived("猫") == "pictures"
    assert derived("Zoé") == "Zoe"
    assert [source.name for source in catalog.list_sources(home)] == [
        "faces",
        "Zoe",
        "cats",
        "celeba",
        "faces-pictures",
        "my-cats-2024",
        "pictures",
        "x-0123456789-pictures",
    ]


@pytest.mark.parametrize("name", ["faces", "a/b", "", "x-0123456789", "-x"])
def test_names_that_cannot_be(home: Home, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError):
        catalog.add_source(home, fill(tmp_path / "cats", 2), name)
