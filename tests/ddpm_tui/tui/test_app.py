"""The frame that all screens share: start, modes, keys, messages, errors, small terminals, poor ones."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.events import Resize
from textual.geometry import Size

from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui.keymap import BY_ID, SCREENS
from ddpm_tui.tui.screens.help import Help, key_groups
from ddpm_tui.tui.state.snapshot import EngineStatus
from ddpm_tui.tui.widgets.bars import FootBar, live_keys
from tests.ddpm_tui.fakes import empty, filled, make_app
from tests.ddpm_tui.tui.screens.homes import until

MINE = ("dashboard", "queue", "compare")


def screen_text(app: object) -> str:
    strips = app.screen._compositor.render_strips()  # type: ignore[attr-defined]
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def test_neither_torch_nor_numpy_nor_pydantic_comes_before_the_first_paint() -> None:
    code = (
        "import sys, ddpm_tui.tui.app, ddpm_tui.tui.screens.dashboard, ddpm_tui.tui.state.store\n"
        "import engine.client.asynchronous\n"
        "print([m for m in ('torch', 'numpy', 'pydantic', 'PIL', 'ddpm_tui.tui.widgets.chart') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_torch_never_comes_at_all() -> None:
    code = (
        "import sys, ddpm_tui.tui.app, ddpm_tui.tui.driver\n"
        "from importlib import import_module\n"
        "for n in ('dashboard', 'queue', 'compare', 'forms', 'log', 'help', 'dialogs'):"
        " import_module('ddpm_tui.tui.screens.' + n)\n"
        "for n in ('plotting', 'comparing', 'previews', 'devices', 'curves'):"
        " import_module('ddpm_tui.tui.state.' + n)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


async def test_number_keys_go_to_screens_and_back(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        for name in (*MINE, *reversed(MINE)):
            await pilot.press(str(SCREENS.index(name) + 1))
            await pilot.pause()
            assert app.screen.name == name
    assert not app.faults


async def test_help_lists_the_keys_of_the_screen_and_of_the_app(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("2")
        await pilot.pause()
        groups = key_groups(app.screen)
        assert next(iter(groups)) == "queue"
        assert ("x", BY_ID["queue.cancel"].help) in groups["queue"]
        assert ("u", BY_ID["app.undo"].help) in groups["app"]
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        assert BY_ID["queue.cancel"].help in screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.name == "queue"


async def test_footer_help_and_palette_agree_with_the_keymap(tmp_path: Path) -> None:
    (tmp_path / "keymap.toml").write_text('[queue]\nadd = "plus"\n')
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("2")
        await pilot.pause()
        await pilot.press("a")
        await pilot.pause()
        assert app.screen.name == "queue", "the old key still works"
        assert ("+", "add", "add_training", "queue.add") in live_keys(app.screen)
        assert "+ add" in screen_text(app)
        assert key_groups(app.screen)["queue"][0] == ("+", BY_ID["queue.add"].help)
        assert "Add (+)" in [c.title for c in app.get_system_commands(app.screen)]
        assert app.key("queue.add") == "+"
        await pilot.press("plus")
        await pilot.pause()
        assert type(app.screen).__name__ == "TrainForm"


async def test_an_error_is_said_to_its_end_where_the_cure_is(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        before = screen_text(app)
        app.say(f"run 'celeba32-1' cannot be deleted while the queue has work for it: {'job 12, ' * 9}"
                "or first: ddpm-tui queue cancel 12", "bad")  # fmt: skip
        await pilot.pause()
        await pilot.pause(0.1)
        assert screen_text(app).rstrip().endswith("ddpm-tui queue cancel 12")
        app.say("short", "bad")
        await pilot.pause(0.1)
        app._foot(lambda foot: foot.quiet())
        await pilot.pause(0.1)
        assert screen_text(app) == before


async def test_a_terminal_that_is_too_small_is_told_so_and_recovers(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "train celeba32-1" in screen_text(app)
        await pilot.resize_terminal(50, 24)
        await pilot.pause()
        text = screen_text(app)
        assert "50×24 is too small" in text
        assert "train celeba32-1" not in text
        await pilot.resize_terminal(80, 12)
        await pilot.pause()
        assert "80×12 is too small" in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "too small" not in screen_text(app)
        assert "train celeba32-1" in screen_text(app)


async def test_sizes_that_come_faster_than_they_are_drawn_end_at_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        screen, layouts, many = app.screen, [], 20
        lay_out = screen._refresh_layout

        def counting(*args: Any, **more: Any) -> None:
            layouts.append(args)
            if len(layouts) < many:
                lay_out(*args, **more)

        monkeypatch.setattr(screen, "_refresh_layout", counting)
        app._size = last = Size(100, 30)
        for size in (Size(90, 40), last):
            screen.post_message(Resize(size, size))
            screen.call_later(lambda: None)  # keeps the two from being taken for one
        await pilot.pause(0.5)
        assert len(layouts) < many
        assert screen.size == last


async def test_a_screen_that_fails_says_so_and_the_app_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddpm_tui.tui.screens.queue import QueueScreen

    def fail(self: object, snapshot: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(QueueScreen, "paint", fail)
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.press("2")
        await pilot.pause()
        assert "a bug of ours" in screen_text(app)
        await pilot.press("1")
        await pilot.pause()
        assert app.screen.name == "dashboard"
    assert any("a bug of ours" in fault for fault in app.faults)


@pytest.mark.parametrize("where", ["action", "handler", "worker"])
async def test_faults_of_actions_handlers_and_workers_are_survived(tmp_path: Path, where: str) -> None:
    from ddpm_tui.tui.screens.queue import QueueScreen

    def fail(self: object) -> None:
        raise RuntimeError("a bug of ours")

    async def fail_later() -> None:
        raise RuntimeError("a bug of ours")

    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.press("2")
        await pilot.pause()
        screen = app.screen
        with pytest.MonkeyPatch.context() as patch:
            if where == "action":
                patch.setattr(QueueScreen, "action_retry", fail)
                await pilot.press("r")
            elif where == "handler":
                patch.setattr(QueueScreen, "on_table_moved", fail)
                await pilot.press("k")
            else:
                screen.run_worker(fail_later(), exit_on_error=False)
            await pilot.pause()
            assert "a bug of ours" in screen_text(app)
        await pilot.press("j", "a")
        await pilot.pause()
        assert type(app.screen).__name__ == "TrainForm", "keys no longer work"
    assert len(app.faults) == 1


async def test_messages_give_the_keys_back_after_a_while(tmp_path: Path) -> None:
    now = 0.0
    app = make_app(tmp_path, empty())
    app.monotonic = lambda: now
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.say("something happened")
        await pilot.pause()
        assert "something happened" in screen_text(app)
        now = 5.0
        app._tick()
        await pilot.pause()
        assert "something happened" in screen_text(app)
        now = 6.5
        app._tick()
        await pilot.pause()
        assert "something happened" not in screen_text(app)
        assert "help" in app.screen.query_one(FootBar).render_line(0).text


async def test_a_message_is_gone_from_a_screen_that_one_comes_back_to(tmp_path: Path) -> None:
    now = 0.0
    app = make_app(tmp_path, empty())
    app.monotonic = lambda: now
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.say("something happened")
        await pilot.press("2")
        await pilot.pause()
        assert "something happened" not in screen_text(app)
        await pilot.press("1")
        await pilot.pause()
        assert "something happened" not in screen_text(app)


async def test_at_80_columns_all_screens_have_their_names_whatever_the_engine_does(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        for number in "126":
            await pilot.press(number)
            await pilot.pause()
            for engine in (
                EngineStatus("connected"),
                EngineStatus("connected", on_hold=True),
                EngineStatus("disconnected", "x"),
            ):
                app.store.set(replace(app.snapshot, engine=engine))  # type: ignore[attr-defined]
                await pilot.pause()
                bar = app.screen.query_one("#top").render_line(0).text
                assert all(name in bar for name in ("Dashboard", "Queue", "Ckpts", "Gallery", "Compare")), bar
        app.store.set(replace(app.snapshot, engine=EngineStatus("connected")))  # type: ignore[attr-defined]
        await pilot.pause()
        assert "● 1 ○ 3" in app.screen.query_one("#top").render_line(0).text


async def test_keys_of_what_has_the_focus_come_first_in_the_footer(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(
            pilot, lambda: bool(app.screen.query("#chart")) and app.screen.query_one("#chart").display
        )
        await pilot.press("c")
        await pilot.pause()
        assert app.screen.query_one(FootBar).render_line(0).text.split()[:3] == ["+", "zoom", "in"]


async def test_themes_go_round_and_are_kept(tmp_path: Path) -> None:
    app = make_app(tmp_path, empty())
    async with app.run_test(size=(80, 24)) as pilot:
        seen = [app.theme]
        for _ in range(3):
            await pilot.press("ctrl+t")
            await pilot.pause()
            seen.append(app.theme)
        assert seen == ["ddpm-dark", "ddpm-light", "ddpm-okabe-ito", "ddpm-dark"]
        await pilot.press("ctrl+t")
        await pilot.pause()
    assert make_app(tmp_path, empty(), theme="").theme == "ddpm-light"


async def test_everything_on_the_screen_can_be_written_in_latin_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddpm_tui.tui.app._encoding", lambda: "latin-1")
    plain = Terminal(Depth.ANSI256, unicode=False, braille=False, tty=True)
    app = make_app(tmp_path, filled(tmp_path), plain)
    async with app.run_test(size=(80, 24)) as pilot:
        for key in ("1", "2", "6", "question_mark", "escape", "2", "a"):
            await pilot.press(key)
            await pilot.pause()
            strips = app.screen._compositor.render_strips()
            text = "\n".join("".join(segment.text for segment in strip) for strip in strips)
            text.encode("latin-1")
            assert text.strip()
    assert not app.faults
