from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.base.home import Home

from .support import Service, make_home, make_run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home")
    make_run(home)
    return home


@pytest.fixture
def services() -> Iterator[Callable[..., Service]]:
    """Makes services that are gone when the test is over."""
    made: list[Service] = []

    def make(home: Home, **options: Any) -> Service:
        made.append(Service(home, **options))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(home: Home, services: Callable[..., Service]) -> Service:
    return services(home)
