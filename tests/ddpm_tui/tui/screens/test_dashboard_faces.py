"""Faces on the dashboard: the newest previews, through the epochs, and what stands in for them."""

from dataclasses import replace
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ddpm_tui.tui.state.snapshot import RunView
from ddpm_tui.tui.widgets.chart import LossChart
from ddpm_tui.tui.widgets.face_grid import FaceGrid, Filmstrip
from engine.config.store import build_profile
from engine.data.catalog import add_source
from engine.data.packing import pack
from engine.runs.record import create_run
from engine.service.states import State
from tests.ddpm_tui.fakes import curves, empty, face, filled, job, make_app, save_grid, training
from tests.ddpm_tui.tui.screens.homes import until
from tests.ddpm_tui.tui.screens.shown import settled
from tests.ddpm_tui.tui.test_app import screen_text


async def test_at_80_by_24_two_faces_stand_beside_a_chart_with_its_legend(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, LossChart, FaceGrid)
        await pilot.pause(0.3)
        assert len(app.screen.query_one(FaceGrid).pictures) == 2
        assert "validation" in screen_text(app)
        assert "0 epochs 20" in " ".join(screen_text(app).split())


async def test_f_shows_the_faces_through_the_epochs_and_back(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, FaceGrid)
        await pilot.press("f")
        await pilot.pause(0.3)
        assert app.screen.query_one(Filmstrip).display
        assert not app.screen.query_one(FaceGrid).display
        assert "epoch 12" in screen_text(app)
        await pilot.press("f")
        await pilot.pause()
        assert app.screen.query_one(FaceGrid).display


async def test_a_preview_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    newest = Path(snapshot.curves["celeba32-1"].preview_paths[-1])
    newest.write_bytes(b"not a picture")
    app = make_app(tmp_path, snapshot)
    async with app.run_test(size=(200, 40)) as pilot:
        await settled(pilot, FaceGrid)
        await pilot.pause(0.3)
        assert "00004800.png cannot be read" in screen_text(app)
    assert not app.faults


async def test_until_the_first_preview_the_training_faces_are_shown(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(40):
        Image.fromarray(face(seed)).save(pictures / f"{seed}.png")
    app = make_app(tmp_path, empty())
    add_source(app.home, str(pictures), "drawn")
    profile = build_profile({"data": {"dataset": "drawn", "size": 32, "recipe": "whole"}}, "drawn")
    create_run(app.home, "r-1", profile)
    run = RunView("r-1", profile=profile.to_dict())
    running = job(1, State.RUNNING, run="r-1", progress=training(phase="packing", epoch=None, to_epoch=None))
    app.store.set(replace(empty(), runs=(run,), jobs=(running,)))  # type: ignore[attr-defined]
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, FaceGrid)
        assert "faces come with the first epoch" in screen_text(app)
        pack(app.home, "drawn", 32, "whole", None)
        app.screen.repaint()  # type: ignore[attr-defined]
        for _ in range(600):
            await pilot.pause(0.1)
            if "training faces" in screen_text(app):
                break
        grid = app.screen.query_one(FaceGrid)
        assert grid.display
        assert len(grid.pictures) > 1
        assert grid.pictures[0].shape == (32, 32, 3)  # type: ignore[union-attr]
        assert "training faces" in screen_text(app)
    assert not app.faults


async def test_a_branch_shows_its_parents_preview_until_its_own(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    for step in (3900, 4100):  # before and after the branch
        said = PngInfo()
        said.add_text("epoch", str(step // 100))
        path = tmp_path / f"runs/celeba32-1/previews/{step:08d}.png"
        save_grid(path)
        with Image.open(path) as sheet:
            sheet.save(path, pnginfo=said)
    (tmp_path / "runs/celeba32-1/previews/00004000.png").unlink()
    twig = RunView("twig", parent="celeba32-1", parent_step=4000, profile=snapshot.runs[0].profile)
    running = job(1, State.RUNNING, run="twig", progress=training(epoch=10.1, to_epoch=50))
    app = make_app(tmp_path, replace(snapshot, runs=(*snapshot.runs, twig), jobs=(running,)))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, FaceGrid)
        for _ in range(600):
            if "parent's faces, epoch 39" in screen_text(app):
                break
            await pilot.pause(0.1)
        assert "parent's faces, epoch 39" in screen_text(app)
        assert len(app.screen.query_one(FaceGrid).pictures) > 1
        own = replace(curves("twig"), previews=(5200,), preview_paths=(str(path),))
        app.store.set(replace(app.snapshot, curves={"twig": own}))  # type: ignore[attr-defined]
        for _ in range(600):
            if "faces after epoch 41" in screen_text(app):
                break
            await pilot.pause(0.1)
        assert "parent's faces" not in screen_text(app)
    assert not app.faults


async def test_a_preview_says_its_epoch_before_the_metrics_do(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    path = tmp_path / "runs/celeba32-1/previews/00005200.png"
    save_grid(path)
    said = PngInfo()
    said.add_text("epoch", "13")
    with Image.open(path) as sheet:
        sheet.save(path, pnginfo=said)
    known = snapshot.curves["celeba32-1"]
    newer = replace(known, previews=(*known.previews, 5200), preview_paths=(*known.preview_paths, str(path)))
    app = make_app(tmp_path, replace(snapshot, curves={"celeba32-1": newer}))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, LossChart, FaceGrid)
        assert "faces after epoch 13" in screen_text(app)


async def test_chart_and_faces_share_one_cursor_in_the_epochs(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    app = make_app(tmp_path, snapshot)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, LossChart, FaceGrid)
        chart = app.screen.query_one(LossChart)
        await until(
            pilot, lambda: "faces at step 4,800" in screen_text(app) or "after epoch 12" in screen_text(app)
        )
        await pilot.press("h", "h")
        await until(pilot, lambda: "faces after epoch 10" in screen_text(app))
        assert abs(chart.view.cursor - 10) < 0.1, "the chart's cursor goes along"  # type: ignore[operator]
        assert "h ━━━━━━━●── l" in screen_text(app).replace("━━━━━━━━●─", "━━━━━━━●──")
        path = tmp_path / "runs/celeba32-1/previews/00005200.png"
        save_grid(path, epoch=13)
        old = snapshot.curves["celeba32-1"]
        longer = replace(old, previews=(*old.previews, 5200), preview_paths=(*old.preview_paths, str(path)))
        app.store.set(replace(snapshot, curves={**snapshot.curves, "celeba32-1": longer}))  # type: ignore[attr-defined]
        await pilot.pause(0.3)
        assert "faces after epoch 10" in screen_text(app), "who looks at an earlier moment stays there"
        await pilot.press("c", "home")
        await until(pilot, lambda: "faces after epoch 1 " in screen_text(app))
        await pilot.press("i")
        await until(pilot, lambda: "faces after epoch 13" in screen_text(app))
        await pilot.press("c", "h", "l")
        await until(pilot, lambda: chart.view.cursor is None)
        assert "faces after epoch 13" in screen_text(app)
    assert not app.faults


async def test_where_there_is_room_the_seeds_are_shown_through_the_epochs(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot, LossChart, Filmstrip)
        film = app.screen.query_one(Filmstrip)
        await until(pilot, lambda: film.display and len(film.frames) == 12)
        assert film.selected == 11
        await pilot.press("f")
        await until(pilot, lambda: app.screen.query_one(FaceGrid).display and not film.display)
    assert not app.faults
