"""The app with a screen shown: until its pictures are there, or with its queue as a context."""

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from ddpm_tui.tui.widgets.table import Table
from tests.ddpm_tui.fakes import make_app
from tests.ddpm_tui.tui.test_app import screen_text


async def settled(pilot: Pilot[None], *wanted: type) -> None:
    """Until the pictures are there: they come after the first paint."""
    for _ in range(1200):
        await pilot.pause(0.05)
        if all(pilot.app.screen.query(kind) for kind in wanted):
            break
    await pilot.pause(0.1)


class Opened:
    """The app with the queue shown, as a context."""

    def __init__(self, home: Path, snapshot: Any, size: tuple[int, int] = (100, 30)) -> None:
        self.app = make_app(home, snapshot)
        self.link = self.app.store.link  # type: ignore[attr-defined]
        self._test = self.app.run_test(size=size)

    async def __aenter__(self) -> "Opened":
        self.pilot = await self._test.__aenter__()
        await self.press("2")
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._test.__aexit__(*error)
        if error[0] is None:
            assert not self.app.faults

    async def press(self, *keys: str) -> str:
        """The screen after these keys."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()
        await self.pilot.pause(0.15)
        return screen_text(self.app)

    @property
    def table(self) -> Table:
        return self.app.screen.query_one("#jobs", Table)
