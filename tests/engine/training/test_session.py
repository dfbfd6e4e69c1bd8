"""Opening a run again: on the pictures it began with, or not at all."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.data.catalog import add_source
from engine.errors import UserError
from engine.home import Home, RunFolder
from engine.jobs import read_spec
from engine.training.session import Session, open_session
from engine.work import Work
from tests.tiny import job, make_run


def opened(home: Home, run: RunFolder) -> Session:
    folder = job(home, run, 1)
    return open_session(Work(home, folder, read_spec(folder), io.StringIO()), run)


@pytest.fixture
def dots(home: Home, pictures: Path, tmp_path: Path) -> Path:
    """A folder of its own under the name that runs of tests use."""
    folder = tmp_path / "own"
    shutil.copytree(pictures, folder)
    home.source("dots").record.unlink()
    add_source(home, folder, "dots")
    return folder


def test_other_pictures_under_the_same_name(home: Home, dots: Path) -> None:
    run = make_run(home, "old")
    before = opened(home, run)
    for name in range(20):
        (dots / f"{name:03d}.png").unlink()
    add_source(home, dots, "dots")

    again = opened(home, run)
    assert np.array_equal(again.packed.pictures, before.packed.pictures)
    assert again.record.frozen == before.record.frozen
    new = opened(home, make_run(home, "new"))
    assert len(new.packed.pictures) == 41
    assert new.record.frozen["data"]["fingerprint"] != before.record.frozen["data"]["fingerprint"]

    shutil.rmtree(home.data / before.record.frozen["data"]["folder"])
    with pytest.raises(UserError, match="the pictures that run 'old' began with are gone"):
        opened(home, run)


def test_a_damaged_folder_is_packed_again(home: Home, dots: Path) -> None:
    run = make_run(home, "r")
    before = opened(home, run).packed.pictures.copy()
    packed = home.data / opened(home, run).record.frozen["data"]["folder"] / "pictures.u8"
    packed.write_bytes(packed.read_bytes()[:100])
    assert np.array_equal(opened(home, run).packed.pictures, before)
