"""Any size while running, a run or a data set that goes away under its screen, thousands of jobs: no screen fails."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ddpm_tui.tui.keymap import SCREENS
from engine.base.home import Home
from engine.data.catalog import add_source
from engine.service.states import State
from tests.ddpm_tui.fakes import empty, face, filled, job, make_app
from tests.ddpm_tui.tui.screens.homes import make_run, make_samples
from tests.ddpm_tui.tui.screens.homes import snapshot as read_home

SIZES = ((1, 1), (300, 100), (60, 18), (80, 24), (170, 50), (20, 90))


@pytest.mark.parametrize("name", SCREENS)
async def test_any_size_and_what_goes_away(tmp_path: Path, name: str) -> None:
    from PIL import Image

    home = Home(tmp_path / "home").create()
    run = make_run(home, "faces-1")
    make_samples(run)
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(3):
        Image.fromarray(face(n)).save(photos / f"{n}.png")
    add_source(home, photos)
    app = make_app(home.root, read_home(home.root))
    async with app.run_test(size=(170, 50)) as pilot:
        await pilot.press(str(SCREENS.index(name) + 1))
        await pilot.pause(0.5)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause(0.05)
        await pilot.resize_terminal(170, 50)
        await pilot.press("z", "z", "left_square_bracket", "left_square_bracket", "down")
        shutil.rmtree(run.path)
        shutil.rmtree(home.data)
        app.store.set(replace(empty(), time=app.snapshot.time + 60))  # type: ignore[attr-defined]
        await pilot.pause(0.3)
        await pilot.press("down", "z", "z", "h", "l", "at", "escape")
        await pilot.pause(0.2)
    assert not app.faults


async def test_five_hundred_jobs_are_a_queue_like_any_other(tmp_path: Path) -> None:
    jobs = tuple(
        job(n, State.DONE if n < 200 else State.QUEUED, started=1.0, ended=31.0) for n in range(1, 501)
    )
    app = make_app(tmp_path, replace(filled(tmp_path), jobs=jobs))
    async with app.run_test(size=(200, 50)) as pilot:
        await pilot.press("2", "G", *["m"] * 3, "e", "g", "e")
        await pilot.pause(0.2)
        app.store.set(replace(app.snapshot, jobs=jobs[:300]))  # type: ignore[attr-defined]
        await pilot.press("pagedown", "x")
        await pilot.pause(0.2)
    assert not app.faults
