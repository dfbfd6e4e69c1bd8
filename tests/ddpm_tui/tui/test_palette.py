"""The palette: its commands run as their keys do."""

from pathlib import Path

from tests.ddpm_tui.fakes import filled, make_app
from tests.ddpm_tui.tui.screens.homes import until


async def test_the_palette_runs_what_the_key_runs(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await pilot.pause()
        titles = [c.title for c in app.get_system_commands(app.screen)]
        assert [title for title in titles if title.startswith("Quit")] == ["Quit (q ^q)"]
        command = next(c for c in app.get_system_commands(app.screen) if c.title.startswith("Cancel"))
        command.callback()
        await pilot.pause()
        assert app.store.link.asked("cancel") == [{"ids": ["000012"]}]  # type: ignore[attr-defined]
        await pilot.press("ctrl+p")
        await until(pilot, lambda: type(app.screen).__name__ == "CommandPalette")
