"""Screen 7: from an empty home with a folder of photos to a queued training, without leaving it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ddpm_tui.tui.screens.data_dialogs import AddData, TrainOn
from ddpm_tui.tui.state.datasets import completions
from ddpm_tui.tui.widgets.face_grid import FaceGrid
from ddpm_tui.tui.widgets.table import Table
from engine.base.home import Home
from engine.data.packing import pack
from engine.jobs.files import Progress
from engine.service.states import State
from tests.ddpm_tui.fakes import empty, face, job, make_app
from tests.ddpm_tui.tui.screens.homes import until
from tests.ddpm_tui.tui.test_app import screen_text


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos" / "holiday"
    folder.mkdir(parents=True)
    for n in range(6):
        Image.fromarray(face(n, 40)).save(folder / f"{n}.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "clip.heic").write_bytes(b"x")
    return folder


def table(app: Any) -> Table:
    return app.screen.query_one("#sets", Table)  # type: ignore[no-any-return]


def says(app: Any, words: str) -> Callable[[], bool]:
    return lambda: words in " ".join(screen_text(app).split())


async def test_a_newcomer_gets_from_a_folder_to_a_queued_training_at_80_by_24(
    tmp_path: Path, photos: Path
) -> None:
    home = Home(tmp_path / "home").create()
    app = make_app(home.root, empty())
    link = app.store.link  # type: ignore[attr-defined]
    link.answers["add"] = {"job": {"id": "000001"}, "says": ["pack holiday"], "added": True}
    link.answers["train"] = lambda **_: {
        "job": {"id": "000002"},
        "says": ["a new run folder-1"],
        "added": True,
    }
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: "faces" in table(app).keys)
        await until(pilot, says(app, "a adds a folder or a zip of"))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AddData))
        path = app.screen.query_one("#path")
        path.value = f"{tmp_path}/pho"  # type: ignore[attr-defined]
        await pilot.press("end", "tab")
        assert path.value == f"{tmp_path}/photos/"  # type: ignore[attr-defined]
        await until(pilot, says(app, "holiday/"))
        await pilot.press("tab")
        assert path.value == f"{photos}/"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: "holiday" in table(app).keys)
        assert link.asked("add")[0]["args"] == {"dataset": "holiday", "size": 32, "recipe": "whole"}
        text = screen_text(app)
        assert "6 pictures, 2 files left out, being packed" in text
        assert "left out" in text
        assert ".heic" in text
        going = job(
            1, State.RUNNING, "pack", None, args={"dataset": "holiday"}, progress=Progress("packing", 3, 6)
        )
        app.store.set(replace(empty(), jobs=(going,)))  # type: ignore[attr-defined]
        await until(pilot, says(app, "████···· 50 %"))
        pack(home, "holiday", 32, "whole", None)
        app.store.set(replace(empty(), time=app.snapshot.time + 60))  # type: ignore[attr-defined]
        await until(pilot, says(app, "32 px"))
        await until(pilot, lambda: bool(app.screen.query_one(FaceGrid).pictures))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TrainOn))
        await until(pilot, says(app, "a new run folder-1"))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, TrainOn))
        asked = link.asked("train")[-1]
        assert asked["set"] == ["data.dataset=holiday", "data.recipe=whole", "data.limit=none"]
        assert asked["new"]
        assert "dry_run" not in asked
        assert "queued as job 2" in screen_text(app)
    assert not app.faults


async def test_what_cannot_be_added_is_said_in_the_dialog(tmp_path: Path) -> None:
    app = make_app(Home(tmp_path / "home").create().root, empty())
    (tmp_path / "none").mkdir()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7", "a")
        await until(pilot, lambda: isinstance(app.screen, AddData))
        for path, why in ((tmp_path / "missing", "missing"), (tmp_path / "none", "none")):
            app.screen.query_one("#path").value = str(path)  # type: ignore[attr-defined]
            await pilot.press("enter")
            await until(pilot, lambda why=why: why in str(app.screen.query_one("#says").content))  # type: ignore[misc]
            assert isinstance(app.screen, AddData)
        app.screen.query_one("#field-size").value = "7"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, says(app, "is not a whole number from 8 to 512"))
    assert not app.faults


async def test_a_data_set_is_verified_and_forgotten_and_comes_back(tmp_path: Path, photos: Path) -> None:
    from engine.data.catalog import add_source

    home = Home(tmp_path / "home").create()
    add_source(home, photos)
    folder = pack(home, "holiday", 32, "whole", None)
    app = make_app(home.root, empty())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: "holiday" in table(app).keys)
        table(app).move_to("holiday")
        await pilot.press("v")
        await until(pilot, says(app, "whole, byte for byte"))
        with open(folder.pictures, "r+b") as file:
            file.seek(100)
            file.write(b"\x01\x02\x03")
        await pilot.press("v")
        await until(pilot, says(app, "holiday: "))
        await until(pilot, lambda: "byte for byte" not in screen_text(app))
        await pilot.press("d")
        await until(pilot, says(app, "Forget data set holiday?"))
        await pilot.press("y")
        await until(pilot, lambda: "holiday" not in table(app).keys)
        await pilot.press("u")
        await until(pilot, lambda: "holiday" in table(app).keys)
        assert folder.path.exists()
        table(app).move_to("faces")
        await pilot.pause(0.1)
        await pilot.press("d")
        await until(pilot, says(app, "is built in"))
    app.faults.clear()


def test_paths_complete_to_folders_and_zips(tmp_path: Path) -> None:
    for name in ("Album", "albert", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "all.zip").write_bytes(b"")
    (tmp_path / "alone.txt").write_bytes(b"")
    found = completions(f"{tmp_path}/al")
    assert found == [f"{tmp_path}/albert/", f"{tmp_path}/Album/", f"{tmp_path}/all.zip"]
    assert completions(f"{tmp_path}/.h") == [f"{tmp_path}/.hidden/"]
    assert completions(f"{tmp_path}/nowhere/x") == []
