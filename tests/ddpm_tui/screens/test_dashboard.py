"""The dashboard: every key, what it says when there is nothing, and what it does with bad news."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from textual.pilot import Pilot

from ddpm_tui.app import DdpmApp
from ddpm_tui.screens.log import LogView
from ddpm_tui.state.snapshot import RunView, Snapshot
from ddpm_tui.widgets.chart import LossChart
from ddpm_tui.widgets.face_grid import FaceGrid, Filmstrip
from engine.data.catalog import add_source
from engine.data.packing import pack
from engine.errors import UserError
from engine.profiles_store import build_profile
from engine.runs.record import create_run
from engine.service.states import Intent, State
from tests.ddpm_tui.fakes import NOW, curves, empty, face, filled, job, make_app, save_grid, training
from tests.ddpm_tui.test_app import screen_text


async def settled(pilot: Pilot[None], *wanted: type) -> None:
    """Until the pictures are there: they come after the first paint."""
    for _ in range(1200):
        await pilot.pause(0.05)
        if all(pilot.app.screen.query(kind) for kind in wanted):
            break
    await pilot.pause(0.1)


async def test_a_fresh_machine_is_told_the_one_key_and_that_key_starts_the_demo(tmp_path: Path) -> None:
    app = make_app(tmp_path, empty())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, LossChart)
        text = screen_text(app)
        assert "Nothing has been trained here yet." in text
        assert "d starts the demo" in text
        await pilot.press("d")
        await pilot.pause()
        (asked,) = app.store.link.asked("train")  # type: ignore[attr-defined]
        assert asked["target"] == "demo"
        assert asked["token"]
    assert not app.faults


async def test_the_demo_key_is_gone_once_there_are_runs(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "demo" not in screen_text(app)
        await pilot.press("d")
        await pilot.pause()
        assert not app.store.link.requests  # type: ignore[attr-defined]


async def test_a_running_job_shows_bars_speed_time_curve_faces_devices_queue_events(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(160, 40)) as pilot:
        await settled(pilot, LossChart, FaceGrid)
        text = screen_text(app)
        for wanted in (
            "train celeba32-1 to epoch 25", "running", "13 min left", "epoch 13 of 25", "50 %", "131 images/s",
            "lr 1e-3", "step 4,976", "loss of celeba32-1", "faces after epoch 12", "GTX 1060 6GB", "71°C",
            "112/120 W", "93 %", "4.1/6.4 GB", "at epoch 25", "failed, out of memory", "51.0 GB free",
        ):  # fmt: skip
            assert wanted in text, wanted
        assert app.store.followed["dashboard"] == {"celeba32-1"}  # type: ignore[attr-defined]
        assert len(app.screen.query_one(FaceGrid).pictures) >= 2
    assert not app.faults


async def test_a_run_without_a_curve_is_not_named_by_the_last_one(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, LossChart)
        assert "loss of celeba32-1" in screen_text(app)
        other = job(16, State.RUNNING, run="fresh-1", slot="cuda:0", progress=training(epoch=0.0))
        app.store.set(replace(filled(tmp_path), jobs=(other,)))  # type: ignore[attr-defined]
        await pilot.pause(0.2)
        assert "loss of fresh-1" in screen_text(app)


async def test_space_pauses_the_shown_job_and_undo_resumes_it(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    link = app.store.link  # type: ignore[attr-defined]
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("space")
        await pilot.pause()
        assert link.asked("pause") == [{"ids": ["000012"]}]
        assert "job 12 pauses after its checkpoint" in screen_text(app)
        await pilot.press("u")
        await pilot.pause()
        assert link.asked("resume") == [{"ids": ["000012"]}]


async def test_a_refused_request_is_said_in_the_services_words(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    link = app.store.link  # type: ignore[attr-defined]
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        link.answers["pause"] = [{"job": {}, "error": "job 12 is done and cannot be paused"}]
        await pilot.press("space")
        await pilot.pause()
        assert "job 12 is done and cannot be paused" in screen_text(app)
        link.answers["pause"] = UserError("the engine is not connected", "it is tried again")
        await pilot.press("space")
        await pilot.pause()
        assert "the engine is not connected" in screen_text(app)
    assert not app.faults


async def test_pausing_and_phases_are_said(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    pausing = job(12, State.RUNNING, started=NOW - 700, intent=Intent.PAUSE, progress=training())
    validating = job(12, State.RUNNING, started=NOW - 700, progress=training(phase="validating"))
    app = make_app(tmp_path, replace(snapshot, jobs=(pausing,)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "pausing (writes a checkpoint first)" in screen_text(app)
        app.store.set(replace(snapshot, jobs=(validating,)))  # type: ignore[attr-defined]
        await pilot.pause()
        assert "scoring held-out pictures" in screen_text(app)


async def test_a_worker_that_stopped_talking_is_said_with_no_speed(tmp_path: Path) -> None:
    silent = job(12, State.RUNNING, started=NOW - 700, progress=training(time=NOW - 45))
    app = make_app(tmp_path, replace(filled(tmp_path), jobs=(silent,)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = screen_text(app)
        assert "train celeba32-1 to epoch 25  no sign of life for 45 s" in text
        assert "images/s" not in text
        assert "left" not in text
        assert "50 %  silent" in text
        validating = replace(silent, progress=training(phase="validating", time=NOW - 3600))
        pausing = replace(silent, job=replace(silent.job, intent=Intent.PAUSE))
        app.store.set(replace(filled(tmp_path), jobs=(validating,)))  # type: ignore[attr-defined]
        await pilot.pause()
        assert "no sign of life for 1 h 00 min, sco" in screen_text(app)
        app.store.set(replace(filled(tmp_path), jobs=(pausing,)))  # type: ignore[attr-defined]
        await pilot.pause()
        assert "no sign of life for 45 s, pausing" in screen_text(app)


async def test_n_goes_to_the_next_running_job(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    second = job(20, State.RUNNING, run="celeba32-2", started=NOW, progress=training(epoch=3.0))
    app = make_app(tmp_path, replace(snapshot, jobs=(*snapshot.jobs, second)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "train celeba32-1 to epoch 25  running" in screen_text(app)
        await pilot.press("n")
        await pilot.pause()
        assert "train celeba32-2 to epoch 25  running" in screen_text(app)
        assert app.store.followed["dashboard"] == {"celeba32-2"}  # type: ignore[attr-defined]
        await pilot.press("n")
        await pilot.pause()
        assert "train celeba32-1 to epoch 25  running" in screen_text(app)


async def test_c_gives_the_keys_to_the_chart_and_back(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, LossChart)
        await pilot.press("c")
        await pilot.pause()
        chart = app.screen.query_one(LossChart)
        assert chart.has_focus
        assert "zoom in" in screen_text(app)
        await pilot.press("i")
        await pilot.pause()
        assert chart.view.cursor is not None
        await pilot.press("c")
        await pilot.pause()
        assert not chart.has_focus


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


async def test_enter_opens_the_log_of_the_shown_job(tmp_path: Path) -> None:
    folder = tmp_path / "jobs/000012"
    folder.mkdir(parents=True)
    (folder / "worker.log").write_text(
        "2025-11-23 10:00:00 device: cpu\n2025-11-23 10:00:01 error: no such\n"
    )
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause(0.3)
        assert isinstance(app.screen, LogView)
        assert "10:00:00 device: cpu" in screen_text(app)
        (folder / "worker.log").write_text("\n".join(f"line {n}" for n in range(200)))
        await app.screen._look()
        await pilot.pause()
        assert "line 199" in screen_text(app)
        await pilot.press("g")
        await pilot.pause()
        assert "line 0" in screen_text(app)
        await pilot.press("G", "escape")
        await pilot.pause()
        assert app.screen.name == "dashboard"


async def test_a_failed_job_says_why_and_what_to_do(tmp_path: Path) -> None:
    failed = job(3, State.FAILED, reason="out of memory", hint="use a smaller model", ended=NOW - 5)
    app = make_app(tmp_path, replace(empty(), jobs=(failed,)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = screen_text(app)
        assert "out of memory  use a smaller model" in text
        assert "r tries again" in text


async def test_a_paused_job_stays_in_view_with_its_bars(tmp_path: Path) -> None:
    paused = job(3, State.PAUSED, reason="paused", progress=training())
    app = make_app(tmp_path, replace(filled(tmp_path), jobs=(paused,)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = screen_text(app)
        assert "◐ train celeba32-1 to epoch 25  paused" in text
        assert "epoch 13 of 25" in text
        assert "left" not in text


async def test_corrupt_metrics_and_a_deleted_run_are_shown_as_that(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    damaged = {"celeba32-1": curves("celeba32-1", corrupt_lines=3)}
    app = make_app(tmp_path, replace(snapshot, curves=damaged))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, LossChart)
        assert "3 damaged lines left out" in screen_text(app)
        gone = Snapshot(NOW, snapshot.engine, (), (), loaded=True)
        app.store.set(gone)  # type: ignore[attr-defined]
        await pilot.pause()
        assert "Nothing has been trained here yet." in screen_text(app)
    assert not app.faults


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


async def test_pictures_that_repaint_by_themselves_wait_for_the_budget(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    app: DdpmApp = make_app(tmp_path, snapshot)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, LossChart, FaceGrid)
        chart = app.screen.query_one(LossChart)
        before = len(chart.plot.series[0].train)
        app.budget.spend(10_000_000, time.monotonic())
        longer = {
            "celeba32-1": replace(curves("celeba32-1", epochs=13), previews=(1,), preview_paths=("x.png",))
        }
        app.store.set(replace(snapshot, curves=longer))  # type: ignore[attr-defined]
        await pilot.pause()
        assert len(chart.plot.series[0].train) == before
        assert "faces after epoch 12" in screen_text(app)
        app.budget.per_second = 1e6
        app.screen.repaint()  # type: ignore[attr-defined]
        await pilot.pause()
        assert len(chart.plot.series[0].train) > before


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


@pytest.mark.parametrize("size", [(60, 18), (80, 24), (120, 40), (200, 50)])
async def test_nothing_is_wider_than_the_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=size) as pilot:
        await settled(pilot, LossChart)
        for widget in app.screen.query("*"):
            region = widget.region
            if widget.display and region.width:
                assert region.right <= size[0], widget
                assert region.bottom <= size[1], widget
    assert not app.faults


@pytest.mark.parametrize("worked", [True, False])
async def test_a_paused_job_names_the_key_that_resumes_it(tmp_path: Path, worked: bool) -> None:
    hint = "`queue resume` puts it back"
    paused = job(1, State.PAUSED, run="r-1", hint=hint, progress=training() if worked else None)
    (tmp_path / "keymap.toml").write_text('"dashboard.pause" = "z"\n')
    app = make_app(tmp_path, replace(empty(), jobs=(paused,), runs=(RunView("r-1"),)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, FaceGrid)
        shown = screen_text(app)
        assert "z resumes" in shown
        assert "queue resume" not in shown
        assert ("z puts it back" in shown) is not worked
    assert not app.faults


async def test_what_ended_last_is_told_by_the_service_s_count_not_by_the_clock(tmp_path: Path) -> None:
    earlier = replace(job(1, State.DONE, run="celeba32-2", ended=NOW + 9999), changed=4)
    later = replace(
        job(2, State.FAILED, run="celeba32-1", ended=NOW - 9999, reason="out of memory"), changed=9
    )
    app = make_app(tmp_path, replace(filled(tmp_path), jobs=(later, earlier)))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, FaceGrid)
        shown = screen_text(app)
        assert "out of memory" in shown
        assert "loss of celeba32-1" in shown
