"""Below the checkpoints: the run's curve with the checkpoints as marks, and one seed through all of them."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.containers import Vertical

from ddpm_tui.tui.state.snapshot import RunView, Snapshot
from engine.base.errors import DdpmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddpm_tui.tui.screens.base import BaseScreen
    from ddpm_tui.tui.state.plotting import Plotter
    from engine.runs.checkpoints import CheckpointInfo

CHART_BYTES = 2500


class CheckpointStrip(Vertical):
    """`show` sets run, checkpoints and cursor. Hidden by the style sheet if there is no room."""

    def __init__(self) -> None:
        super().__init__(id="strip")
        self._run: RunView | None = None
        self._steps: tuple[int, ...] = ()
        self._step: int | None = None
        self._chart: Any = None
        self._film: Any = None
        self._plotter: Plotter | None = None
        self._drawn: tuple[Any, ...] = ()
        self._filmed: tuple[Any, ...] = ()

    @property
    def _screen(self) -> "BaseScreen":
        return cast("BaseScreen", self.screen)

    @property
    def run(self) -> str | None:
        """Return the run whose curve is wanted."""
        return self._run.name if self.display and self._run is not None else None

    async def bring(self) -> None:
        """Import and mount the drawing widgets."""

        def load() -> tuple[Any, ...]:
            from ddpm_tui.tui.state.plotting import Plotter
            from ddpm_tui.tui.widgets.chart import LossChart
            from ddpm_tui.tui.widgets.face_grid import Filmstrip

            return Plotter, LossChart, Filmstrip

        plotter, chart, film = await asyncio.to_thread(load)
        ddpm = self._screen.ddpm
        self._plotter = plotter()
        self._chart = chart(terminal=ddpm.terminal)
        self._film = film(
            (32, 32), terminal=ddpm.terminal, low_colours=ddpm.low_bandwidth, empty="no previews"
        )
        self._chart.can_focus = self._film.can_focus = False
        await self.mount(self._chart, self._film)
        self.look(self._screen.snapshot)

    def show(self, run: RunView | None, found: "Sequence[CheckpointInfo]", step: int | None) -> None:
        """Show a run's curve and checkpoints. step: of the checkpoint under the cursor."""
        self._run, self._step = run, step
        self._steps = tuple(sorted(info.step for info in found))
        self.look(self._screen.snapshot)

    def look(self, snapshot: Snapshot) -> None:
        """Update with every Snapshot."""
        if not self.display or self._chart is None or self._plotter is None:
            return
        from ddpm_tui.tui.state.plotting import mark_at

        run = self._run
        curves = snapshot.curves.get(run.name) if run else None
        shown = curves is not None and bool(curves.points) and self.screen.has_class("-large")
        self._chart.display = shown
        if curves is None or not shown:
            self._drawn = ()
        else:
            state = (curves.run, curves.generation, self._steps, self._step)
            if state != self._drawn or self._screen.ddpm.may_write(CHART_BYTES):
                series, grew = self._plotter.series(curves)
                if state != self._drawn:
                    self._drawn = state
                    marks = [
                        mark_at(curves, step, "" if step != self._step else None) for step in self._steps
                    ]
                    self._chart.show([series], marks)
                elif grew:
                    self._chart.grew()
        previews = _nearest(curves, self._steps) if curves is not None else []
        filmed = (tuple(previews), self._step)
        if filmed != self._filmed:
            self._filmed = filmed
            self._screen.beside(partial(self._show_film, previews), "strip")

    async def _show_film(self, previews: list[tuple[int, int, str]]) -> None:
        from ddpm_tui.tui.state.previews import epoch_of, load_faces
        from ddpm_tui.tui.widgets.face_grid import FilmFrame

        if not previews:
            self._film.show(())
            return
        size = self._run.setting("data", "size") if self._run else None

        def frames() -> list[FilmFrame]:
            epochs = [epoch_of(Path(path)) for _, _, path in previews]
            return [
                FilmFrame(
                    Path(path),
                    f"epoch {epoch}" if epoch else f"{step:,}",
                    f"e{epoch}" if epoch else f"{step}",
                )
                for (step, _, path), epoch in zip(previews, epochs, strict=True)
            ]

        try:
            faces = await asyncio.to_thread(load_faces, Path(previews[-1][2]), size)
        except DdpmError:
            return  # the list beside it names damaged checkpoints
        self._film.face = (faces[0].shape[1], faces[0].shape[0])
        at = next((n for n, (step, _, _) in enumerate(previews) if step == self._step), len(previews) - 1)
        self._film.show(await asyncio.to_thread(frames), at)


def _nearest(curves: Any, steps: "Sequence[int]") -> list[tuple[int, int, str]]:
    """Return (checkpoint, preview, its file) for each checkpoint: the newest preview that is not after it."""
    found = []
    for step in steps:
        before = [
            (at, path) for at, path in zip(curves.previews, curves.preview_paths, strict=True) if at <= step
        ]
        if before:
            found.append((step, *before[-1]))
    return found
