from pathlib import Path

import pytest

from engine.data.catalog import add_source
from engine.home import Home


@pytest.fixture
def home(tmp_path: Path, pictures: Path) -> Home:
    home = Home(tmp_path / "home").create()
    add_source(home, pictures, "dots")
    return home
