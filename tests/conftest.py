"""What all tests share: one thread a process, so that two cores run two tests, and a small data set."""

import os
import signal

# Before torch is imported anywhere, here or in a worker that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from tests import forked

# Run by nohup or in the background, we were started with these ignored, and so would be every program under test:
# none could be stopped by them. What is handled, if only by nothing, is the default again in a child.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


# How long an example takes says more of the machine than of the program.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a service as `e2e`; put what takes long first: at the end no process is left alone with it."""
    for item in items:
        if {"service", "services"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("e2e")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines and commands that this test starts have their workers forked; see `tests.forked`."""
    for name, value in forked.variables().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """61 small pictures of coloured dots, a folder like a user's."""
    return _dots(tmp_path_factory.mktemp("dots"), 61)


@pytest.fixture(scope="session")
def many_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 of them: enough that 2 % of them are more than one."""
    return _dots(tmp_path_factory.mktemp("many"), 150)


def _dots(folder: Path, count: int) -> Path:
    draw = np.random.default_rng(0)
    for index in range(count):
        picture = np.full((16, 16, 3), draw.integers(0, 255, 3), np.uint8)
        y, x = draw.integers(2, 12, 2)
        picture[y : y + 4, x : x + 4] = draw.integers(0, 255, 3)
        Image.fromarray(picture).save(folder / f"{index:03d}.png")
    return folder
