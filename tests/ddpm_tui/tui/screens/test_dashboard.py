"""The dashboard: every key, what it says when there is nothing, and what it does with bad news."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from ddpm_tui.tui.app import DdpmApp
from ddpm_tui.tui.screens.log import LogView
from ddpm_tui.tui.state.curves import RunCurves
from ddpm_tui.tui.state.snapshot import RunView, Snapshot
from ddpm_tui.tui.widgets.chart import LossChart
from ddpm_tui.tui.widgets.face_grid import FaceGrid
from engine.base.errors import UserError
from engine.service.states import Intent, State
from tests.ddpm_tui.fakes import NOW, curves, empty, filled, job, make_app, training
from tests.ddpm_tui.tui.screens.homes import until
from tests.ddpm_tui.tui.screens.shown import settled
from tests.ddpm_tui.tui.test_app import screen_text


async def test_a_fresh_machine_is_told_the_one_key_and_that_key_starts_the_demo(tmp_path: Path) -> None:
    app = make_app(tmp_path, empty())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, LossChart)
        text = screen_text(app)
        assert "Nothing has been trained here yet." in text
        assert "d starts the demo" in text
        await pilot.press("d")
        await until(pilot, lambda: app.store.link.asked("train"))  # type: ignore[attr-defined]
        (asked,) = app.store.link.asked("train")  # type: ignore[attr-defined]
        assert asked["target"] == "demo"
        assert asked["to_epoch"] == 8, "all epochs of the profile, not its first chunk"
        assert asked["token"]
    assert not app.faults


async def test_a_curve_that_nothing_is_at_work_on_is_not_promised(tmp_path: Path) -> None:
    run = RunView("r-1", checkpoints=1, latest_step=9, epoch=1)
    idle = replace(empty(), runs=(run,), curves={"r-1": RunCurves("r-1")})
    app = make_app(tmp_path, idle)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, LossChart)
        text = screen_text(app)
        assert "too few steps for a curve" in text
        assert "no previews" in text
        progress = training(epoch=0.5, to_epoch=1)
        app.store.set(replace(idle, jobs=(job(1, State.RUNNING, run="r-1", progress=progress),)))  # type: ignore[attr-defined]
        await until(pilot, lambda: "comes with the first" in screen_text(app))
        assert "faces come with the first epoch" in screen_text(app)
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
    hint = "`queue resume` continues it"
    paused = job(1, State.PAUSED, run="r-1", hint=hint, progress=training() if worked else None)
    (tmp_path / "keymap.toml").write_text('"dashboard.pause" = "w"\n')
    app = make_app(tmp_path, replace(empty(), jobs=(paused,), runs=(RunView("r-1"),)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, FaceGrid)
        shown = screen_text(app)
        assert "w resumes" in shown
        assert "queue resume" not in shown
        assert ("w continues it" in shown) is not worked
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


async def test_a_job_that_does_not_train_shows_no_loss_of_the_run(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, LossChart)
        assert "loss 0.0" in screen_text(app)
        at_work = training(
            phase="evaluating", done=3, total=9, unit="pictures", epoch=None, to_epoch=None, loss=None
        )
        score = job(16, State.RUNNING, "evaluate", slot="cuda:0", progress=at_work)
        app.store.set(replace(filled(tmp_path), jobs=(score,)))  # type: ignore[attr-defined]
        await pilot.pause(0.2)
        text = screen_text(app)
        assert "3 of 9 pictures" in text
        assert "loss 0.0" not in text
        assert "loss of celeba32-1" in text, "its curve is there all the same"
