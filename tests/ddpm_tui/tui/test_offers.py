"""What is offered is what works: footer, help, undo and redo, the cursor and the focus; what is said is said whole."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual.events import MouseScrollUp

from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui.screens.help import key_groups
from ddpm_tui.tui.state.snapshot import Device, EngineStatus, Event, Meters
from ddpm_tui.tui.widgets.banner import Banner
from ddpm_tui.tui.widgets.bars import live_keys
from ddpm_tui.tui.widgets.chart import LossChart
from ddpm_tui.tui.widgets.face_grid import FaceGrid
from ddpm_tui.tui.widgets.jobs import EventList
from ddpm_tui.tui.widgets.meters import MeterPanel
from ddpm_tui.tui.widgets.table import Table
from engine.base.home import Home
from tests.ddpm_tui.fakes import NOW, curves, empty, filled, make_app
from tests.ddpm_tui.tui.screens.homes import make_run, until
from tests.ddpm_tui.tui.screens.homes import snapshot as read_home
from tests.ddpm_tui.tui.screens.shown import Opened, settled
from tests.ddpm_tui.tui.test_app import screen_text


def offered(app: object) -> set[str]:
    return {key_id for _, _, _, key_id in live_keys(app.screen)}  # type: ignore[attr-defined]


async def test_the_queue_offers_what_its_job_takes(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path), (80, 24)) as it:
        await it.press("g")  # done
        assert {"queue.log", "queue.add", "queue.ended"} <= offered(it.app)
        assert not offered(it.app) & {"queue.pause", "queue.cancel", "queue.retry", "queue.move_up"}
        assert "queue.cancel" not in key_groups(it.app.screen)["queue"]
        text = await it.press("j")  # failed
        assert "r retry" in text
        assert "x cancel" not in text
        text = await it.press("j")  # running
        assert "space pause" in text
        assert "x cancel" in text, "at 80 columns too"
        assert "queue.move_up" not in offered(it.app)
        assert "space resume" in await it.press("G")


@pytest.mark.parametrize("number", ["1", "2", "3", "4", "5", "6"])
async def test_an_empty_machine_offers_no_key_that_needs_something(tmp_path: Path, number: str) -> None:
    app = make_app(tmp_path, empty())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(number)
        await pilot.pause(0.3)
        needless = {
            "dashboard.pause", "dashboard.log", "dashboard.film", "dashboard.chart", "queue.log", "queue.cancel",
            "queue.sample", "queue.ended", "checkpoints.branch", "checkpoints.mark", "checkpoints.tag",
            "gallery.open", "gallery.play", "gallery.delete", "gallery.again", "profiles.save",
            "compare.mark", "compare.sample", "compare.clear", "app.redo",
        }  # fmt: skip
        assert not offered(app) & needless
        named = {key for keys in key_groups(app.screen).values() for key, _ in keys}
        assert "U" not in named


async def test_undo_and_redo_say_what_they_do_and_go_both_ways(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path), (160, 30)) as it:
        it.link.answers["pause"] = lambda ids: [{"error": None} for _ in ids]
        it.link.answers["resume"] = lambda ids: [{"error": None} for _ in ids]
        assert "u undo: job 12 is resumed" in await it.press("space", "1", "2")
        text = await it.press("u", "y")
        assert "U does it again" in text
        assert "U redo: job 12 pauses after its checkpoint" in await it.press("1", "2")
        await it.press("U")
        assert [len(it.link.asked(do)) for do in ("pause", "resume")] == [2, 1]
        assert "u undo: job 12 is resumed" in await it.press("1", "2"), "done again is one thing to take back"
        assert "nothing to redo" in await it.press("U")
        await it.press("u", "y", "H")
        assert "nothing to redo" in await it.press("U"), "another action came between"


async def test_a_deleted_checkpoint_comes_back_and_goes_again(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    run = make_run(home, "faces-1")
    app = make_app(tmp_path, read_home(tmp_path))
    newest = run.checkpoint(300).path
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: app.screen.query_one("#steps", Table).key == "300")
        await pilot.press("d")
        await until(pilot, lambda: not newest.exists())
        await pilot.press("u")
        await until(pilot, newest.exists)
        await pilot.press("U")
        await until(pilot, lambda: not newest.exists())
        await pilot.press("u")
        await until(pilot, newest.exists)


async def test_leaving_a_changed_form_says_what_each_key_does(tmp_path: Path) -> None:
    app = make_app(tmp_path, empty())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: app.screen.query_one("#list", Table).key)
        await pilot.press("enter")
        await until(pilot, lambda: type(app.screen).__name__ == "ProfileForm")
        await pilot.press("down", "down", "9")
        await pilot.pause(0.3)
        assert app.screen.query_one("#value").value == "9", "what is typed replaces, as in every field"  # type: ignore[attr-defined]
        await pilot.press("escape")
        await pilot.pause(0.2)
        assert "y leave: the changes are lost   n keep editing" in screen_text(app)


async def test_what_is_busy_is_no_warning_and_full_memory_is(tmp_path: Path) -> None:
    def inks(busy: float, used: int) -> list[str]:
        panel = MeterPanel()
        panel.meters = Meters((), Device("cpu", busy, used, 100))
        return [piece[1] for line in panel.lines(40, 9) for piece in line if not isinstance(piece, str)]

    assert "warn" not in inks(1.0, 50)
    assert "warn" in inks(0.2, 97)


def test_events_end_with_their_end() -> None:
    events = EventList()
    words = "✗ train a-very-long-name-1 to epoch 250: failed, the disk is full and nothing was lost"
    told = (
        Event(NOW, "● train b", "", "7"),
        Event(NOW, "✓ train b", "good", "7"),
        Event(NOW, words, "bad", "8"),
    )
    events.snapshot = replace(empty(), events=told)
    text = " ".join(p if isinstance(p, str) else p[0] for line in events.lines(38, 9) for p in line)
    assert "nothing was lost" in text
    assert "✓ train b" in text
    assert "● train b" not in text, "of each job its newest"


async def test_the_chart_shows_that_it_has_the_keys_and_takes_wheel_and_click(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, LossChart, FaceGrid)
        chart = app.screen.query_one(LossChart)
        before = chart.look().ink.muted
        await pilot.press("c")
        await pilot.pause()
        assert chart.look().ink.muted != before
        assert "leave chart" in screen_text(app)
        span = chart.view.span
        await pilot._post_mouse_events([MouseScrollUp], chart)
        await pilot.pause()
        assert chart.view.span != span
        await pilot.click(chart, offset=(30, 5))
        assert chart.view.cursor is not None


async def test_faces_of_low_bandwidth_have_few_colours_on_every_screen(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    make_run(home, "faces-1")
    app = make_app(tmp_path, read_home(tmp_path))
    app.low_bandwidth = True
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: app.screen.query(FaceGrid))
        assert app.screen.query_one(FaceGrid).depth is Depth.ANSI256


async def test_a_list_without_the_focus_is_not_underlined(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    make_run(home, "faces-1")
    app = make_app(tmp_path, read_home(tmp_path), Terminal(Depth.TRUECOLOR, True, True, True))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: app.screen.query_one("#runs", Table).key)
        styles = [s.style for row in app.screen.query_one("#runs", Table).rows for s in row if s.style]
        assert not any(style.underline for style in styles)
        assert any(style.bold and style.bgcolor for style in styles)


async def test_a_banner_says_what_is_missing_and_the_key_that_mends_it(tmp_path: Path) -> None:
    stopped = replace(empty(), engine=EngineStatus("stopped"))
    app = make_app(tmp_path, stopped)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(
            pilot, lambda: "the engine was stopped, so nothing is trained: ^r starts it" in screen_text(app)
        )
        assert "^r" in {key for keys in key_groups(app.screen).values() for key, _ in keys}
        app.store.set(replace(empty(), meters=Meters(disk_free=900_000_000)))  # type: ignore[attr-defined]
        await until(pilot, lambda: "the disk is nearly full: 900 MB free" in screen_text(app))
        app.store.set(replace(empty(), engine=EngineStatus("connected", on_hold=True)))  # type: ignore[attr-defined]
        await until(
            pilot, lambda: "the queue is on hold, so no job starts: 2 H resumes it" in screen_text(app)
        )
        app.store.set(empty())  # type: ignore[attr-defined]
        await until(pilot, lambda: "on hold" not in screen_text(app))
        assert not app.screen.query_one(Banner).display, "nothing missing takes no line"


async def test_a_profile_is_seen_beside_its_facts(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    make_run(home, "demo-1")
    app = make_app(tmp_path, read_home(tmp_path))
    async with app.run_test(size=(170, 45)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "demo" in app.screen.query_one("#list", Table).keys)
        app.screen.query_one("#list", Table).move_to("demo")
        await until(pilot, lambda: "signal left, cosine: 1" in screen_text(app))
        await until(pilot, lambda: "learning rate cosine: 6e-3 …" in screen_text(app))
        await until(pilot, lambda: bool(app.screen.query_one(FaceGrid).pictures))
        assert "demo-1  epoch 3" in screen_text(app), "the runs of this profile"
    assert not app.faults


async def test_one_seed_is_seen_through_all_checkpoints(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    make_run(home, "faces-1")
    app = make_app(tmp_path, read_home(tmp_path))
    async with app.run_test(size=(170, 45)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: bool(app.screen.query("#strip Filmstrip")))
        seen = replace(
            curves("faces-1"),
            previews=(100, 200, 300),
            preview_paths=tuple(str(home.run("faces-1").preview(step)) for step in (100, 200, 300)),
        )
        app.store.set(replace(read_home(tmp_path), curves={"faces-1": seen}))  # type: ignore[attr-defined]
        film = app.screen.query_one("#strip Filmstrip")
        await until(pilot, lambda: len(film.frames) == 3 and film.selected == 2)  # type: ignore[attr-defined]
        await pilot.press("down")
        await until(pilot, lambda: film.selected == 1)  # type: ignore[attr-defined]
        chart = app.screen.query_one("#strip LossChart", LossChart)
        assert [mark.step for mark in chart.plot.marks] == [100, 200, 300]
        assert [mark.text for mark in chart.plot.marks if mark.text] == ["@200"], "the cursor's is named"
    assert not app.faults
