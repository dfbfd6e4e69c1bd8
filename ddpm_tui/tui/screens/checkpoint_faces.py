"""The preview of the checkpoint under the cursor. The drawing modules are imported only after the first
paint.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.containers import Vertical
from textual.widgets import Static

from engine.base.errors import DdpmError
from engine.base.folders import RunFolder

if TYPE_CHECKING:
    from ddpm_tui.tui.screens.base import BaseScreen
    from ddpm_tui.tui.widgets.face_grid import FaceGrid
    from engine.runs.checkpoints import CheckpointInfo


@dataclass(frozen=True)
class _Wanted:
    """A requested preview. size: of its faces, in pixels."""

    run: RunFolder
    step: int
    size: int | None


class CheckpointFaces(Vertical):
    """Empty until `bring`; then the faces of one preview sheet, as many as are worth showing in its room.

    Previews come with epochs. A checkpoint made between them has the newest one before it, which its caption
    says; one that a branch begins with has its parent's.
    """

    def __init__(self) -> None:
        super().__init__(id="faces")
        self._grid: FaceGrid | None = None
        self._wanted: _Wanted | None = None
        self._shown: _Wanted | None = None

    @property
    def _screen(self) -> "BaseScreen":
        return cast("BaseScreen", self.screen)

    async def bring(self) -> None:
        """Import the drawing modules, and draw the preview asked for meanwhile."""

        def load() -> "type[FaceGrid]":
            from ddpm_tui.tui.state import previews  # noqa: F401
            from ddpm_tui.tui.widgets.face_grid import FaceGrid

            return FaceGrid

        made = await asyncio.to_thread(load)
        ddpm = self._screen.ddpm
        grid = made(empty="", terminal=ddpm.terminal, low_colours=ddpm.low_bandwidth)
        grid.can_focus = False
        await self.mount(Static("", id="moment", markup=False), grid)
        self._grid = grid
        self._look()

    def show(
        self, run: RunFolder | None, info: "CheckpointInfo | None" = None, size: int | None = None
    ) -> None:
        """Show the preview of a run's checkpoint, faces of `size` pixels if it does not say; none for None."""
        if run is None or info is None:
            self._wanted = None
        else:
            self._wanted = _Wanted(run, info.step, size)
        self._look()

    def on_resize(self) -> None:
        self._shown = None
        self.call_after_refresh(self._look)

    def _look(self) -> None:
        if self._grid is None or self._wanted == self._shown:
            return
        self._shown = self._wanted
        if self._wanted is None:
            self._screen.give_up("faces")
            self._say("")
            self._grid.empty = ""
            self._grid.show(())
        else:
            self._screen.beside(partial(self._load, self._wanted), "faces")

    def _say(self, text: str) -> None:
        moment = self.query_one("#moment", Static)
        moment.update(text)
        moment.display = bool(text)

    async def _load(self, wanted: _Wanted) -> None:
        from ddpm_tui.tui.state.previews import epoch_of, load_faces, moment, shown_preview, worth_showing

        assert self._grid is not None
        await asyncio.sleep(0.05)  # nothing is read while the cursor moves through the list
        home, runs = self._screen.ddpm.home, self._screen.snapshot
        found = await asyncio.to_thread(shown_preview, home, runs, wanted.run.name, wanted.step)
        if found is None:
            self._say("")
            self._grid.empty = "no preview yet"
            self._grid.show(())
            return
        run, step = found
        path = run.preview(step)
        short = moment(step, await asyncio.to_thread(epoch_of, path))[1]
        if run != wanted.run:
            words = f"parent's faces, {short}"
        else:
            words = f"preview of {short}" if step != wanted.step else ""
        self._say(words)
        try:
            faces = await asyncio.to_thread(load_faces, path, wanted.size)
        except DdpmError as error:
            self._grid.empty = error.what
            self._grid.show(())
            return
        width, height = self.content_size.width - 2, self.content_size.height - bool(words)
        count = worth_showing(len(faces), faces[0].shape[1], width, height)
        self._grid.show(faces[:count])
