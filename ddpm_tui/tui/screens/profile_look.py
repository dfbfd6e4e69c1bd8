"""Beside a profile's facts: its schedule and learning rate drawn, its pictures, and the runs made of it."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.containers import Vertical

from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.widgets.rows import Line, entitle
from ddpm_tui.tui.widgets.sheet import Sheet

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ddpm_tui.tui.screens.base import BaseScreen
    from ddpm_tui.tui.state.profile_facts import ProfileEntry

MOST_RUNS = 8


class ProfileLook(Vertical):
    """`show` sets the profile. Hidden by the style sheet if there is no room; then it reads nothing."""

    def __init__(self) -> None:
        super().__init__(id="look")
        self._entry: ProfileEntry | None = None
        self._drawn: str | None = None
        self._parts: dict[str, Any] = {}

    def compose(self) -> "ComposeResult":
        yield Vertical(id="look-faces", classes="rule")
        yield Sheet(id="look-runs")

    def on_mount(self) -> None:
        entitle(self.query_one("#look-faces"), " pictures ")

    @property
    def _screen(self) -> "BaseScreen":
        return cast("BaseScreen", self.screen)

    async def bring(self) -> None:
        """Import and mount the drawing widgets."""

        def load() -> tuple[Any, ...]:
            from ddpm_tui.tui.state import profile_drawings
            from ddpm_tui.tui.widgets.face_grid import FaceGrid
            from ddpm_tui.tui.widgets.small_curve import SmallCurve

            return SmallCurve, FaceGrid, profile_drawings.drawings

        curve, grid, drawings = await asyncio.to_thread(load)
        ddpm = self._screen.ddpm
        signal, rate = (curve(terminal=ddpm.terminal, id=f"look-{name}") for name in ("signal", "rate"))
        faces = grid(
            terminal=ddpm.terminal, low_colours=ddpm.low_bandwidth, empty="shown once they are packed"
        )
        faces.can_focus = False
        await self.mount(signal, rate, before=0)
        await self.query_one("#look-faces").mount(faces)
        self._parts = {"signal": signal, "rate": rate, "faces": faces, "drawings": drawings}
        self._look()

    def show(self, entry: "ProfileEntry | None", snapshot: Snapshot) -> None:
        """Update with every Snapshot, and when the cursor moves."""
        self._entry = entry
        if not self.display:
            return
        name = entry.name if entry else ""
        runs = [run for run in reversed(snapshot.runs) if run.profile_name == name]
        self.query_one("#look-runs", Sheet).show(lambda width: _run_lines(runs, snapshot))
        self._look()

    def on_resize(self) -> None:
        self._drawn = None
        self.call_after_refresh(self._look)

    def _look(self) -> None:
        entry = self._entry
        if not self.display or not self._parts or entry is None or entry.profile is None:
            return
        if entry.text != self._drawn:
            self._drawn = entry.text
            self._screen.beside(partial(self._draw, entry), "look")

    async def _draw(self, entry: "ProfileEntry") -> None:
        from ddpm_tui.tui.state.previews import worth_showing

        await asyncio.sleep(0.1)  # nothing is drawn while the cursor moves through the list
        found = await asyncio.to_thread(self._parts["drawings"], self._screen.ddpm.home, entry.profile)
        self._parts["signal"].show(found.signal, found.signal_title)
        self._parts["rate"].show(found.rate, found.rate_title)
        room = self.query_one("#look-faces").content_size
        faces = found.faces
        count = worth_showing(len(faces), faces[0].shape[1], room.width - 2, room.height) if faces else 0
        self._parts["faces"].show(faces[:count])


def _run_lines(runs: list[Any], snapshot: Snapshot) -> list[Line]:
    if not runs:
        return [[("no run of this profile yet", "dim")]]
    lines: list[Line] = [[("runs of this profile", "dim")]]
    for run in runs[:MOST_RUNS]:
        tone = "good" if snapshot.job_of(run.name) else ""
        lines.append([(f"  {run.name}", tone), (f"  epoch {run.epoch}", "dim")])
    if len(runs) > MOST_RUNS:
        lines.append([(f"  and {len(runs) - MOST_RUNS} more", "dim")])
    return lines
