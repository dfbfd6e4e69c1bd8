from pathlib import Path

import pytest

from engine.base.home import Home
from engine.data.catalog import add_source


@pytest.fixture
def home(tmp_path: Path, pictures: Path) -> Home:
    home = Home(tmp_path / "home").create()
    add_source(home, pictures, "dots")
    return home
