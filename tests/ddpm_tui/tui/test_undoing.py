"""Taking back: what it says, when it asks, and what several changes of one action do."""

from pathlib import Path
from typing import Any

from engine.base.errors import UserError
from tests.ddpm_tui.fakes import empty, make_app
from tests.ddpm_tui.tui.test_app import screen_text


async def test_undo_takes_the_last_change_back_and_says_so(tmp_path: Path) -> None:
    app = make_app(tmp_path, empty())
    done = []

    async def back() -> None:
        done.append("back")

    async def refuse() -> None:
        raise UserError("it is gone", "nothing to be done")

    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("u")
        await pilot.pause()
        assert "nothing to undo" in screen_text(app)
        app.undo.push("checkpoint 12 is back", back)
        app.undo.push("never", refuse)
        await pilot.press("u")
        await pilot.pause()
        assert "cannot undo: it is gone" in screen_text(app)
        await pilot.press("u")
        await pilot.pause()
        assert done == [], "what was meant has failed: another thing is not taken back unasked"
        assert "Undo: checkpoint 12 is back?" in screen_text(app)
        await pilot.press("y")
        await pilot.pause()
        assert done == ["back"]
        assert "undone: checkpoint 12 is back" in screen_text(app)
        assert app.store.pokes == 1  # type: ignore[attr-defined]


async def test_undo_says_what_it_would_do_and_asks_where_another_thing_may_be_meant(tmp_path: Path) -> None:
    app = make_app(tmp_path, empty())
    now = 0.0
    app.monotonic = lambda: now
    done: list[str] = []

    async def back() -> None:
        done.append("back")

    def never() -> None:
        raise UserError("job 5 is done")

    async with app.run_test(size=(160, 30)) as pilot:
        app.undo.push("job 5 is cancelled", back)
        await pilot.press("2")
        await pilot.pause()
        assert "u undo: job 5 is cancelled" in screen_text(app)
        await pilot.press("u")
        await pilot.pause()
        assert "Undo: job 5 is cancelled?" in screen_text(app), "it was done on another screen"
        await pilot.press("n", "1", "u")
        await pilot.pause()
        assert done == ["back"]
        app.undo.push("job 6 is cancelled", back)
        now = 61.0
        await pilot.press("u")
        await pilot.pause()
        assert "Undo: job 6 is cancelled?" in screen_text(app), "a while ago"
        await pilot.press("n")
        await pilot.pause()
        app.undo.push("job 7 is cancelled", back, never)
        now = 200.0
        await pilot.press("u")
        await pilot.pause()
        assert "cannot undo: job 5 is done" in screen_text(app), "nobody is asked for nothing"
        assert app.undo.next == "job 6 is cancelled"
        app.say("that failed", "bad")
        await pilot.press("u")
        await pilot.pause()
        assert "Undo: job 6 is cancelled?" in screen_text(app)
        assert done == ["back"]


async def test_several_changes_of_one_action_are_taken_back_together(tmp_path: Path) -> None:
    app = make_app(tmp_path, empty())
    done: list[int] = []

    def back(number: int) -> Any:
        async def do() -> None:
            done.append(number)

        return do

    async with app.run_test(size=(120, 30)) as pilot:
        with app.undo.together("both jobs are cancelled"):
            app.undo.push("job 1 is cancelled", back(1))
            app.undo.push("job 2 is cancelled", back(2))
        assert app.undo.next == "both jobs are cancelled"
        await pilot.press("u")
        await pilot.pause()
        assert done == [2, 1]
        assert not app.undo.next
