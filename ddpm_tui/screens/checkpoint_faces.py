"""The preview of the checkpoint under the cursor. What draws faces is imported only after the first paint."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.containers import Vertical

from engine.errors import DdpmError

if TYPE_CHECKING:
    from ddpm_tui.screens.base import BaseScreen
    from ddpm_tui.widgets.face_grid import FaceGrid


class CheckpointFaces(Vertical):
    """Empty until `bring`; then the faces of one preview sheet, as many as are worth showing in its room."""

    def __init__(self) -> None:
        super().__init__(id="faces")
        self._grid: FaceGrid | None = None
        self._wanted: tuple[Path, int | None] | None = None
        self._shown: tuple[Path, int | None] | None = None

    @property
    def _screen(self) -> "BaseScreen":
        return cast("BaseScreen", self.screen)

    async def bring(self) -> None:
        """Import what draws, and draw what was asked for meanwhile."""

        def load() -> "type[FaceGrid]":
            from ddpm_tui.state import previews  # noqa: F401
            from ddpm_tui.widgets.face_grid import FaceGrid

            return FaceGrid

        made = await asyncio.to_thread(load)
        self._grid = made(empty="…", terminal=self._screen.ddpm.terminal)
        self._grid.can_focus = False
        await self.mount(self._grid)
        self._look()

    def show(self, path: Path | None, size: int | None = None) -> None:
        """The faces in that preview sheet, `size` pixels each where the sheet does not say; none for None."""
        self._wanted = None if path is None else (path, size)
        self._look()

    def on_resize(self) -> None:
        self._shown = None
        self.call_after_refresh(self._look)

    def _look(self) -> None:
        if self._grid is None or self._wanted == self._shown:
            return
        self._shown = self._wanted
        if self._wanted is None:
            self._grid.empty = ""
            self._grid.show(())
        else:
            self._screen.beside(partial(self._load, *self._wanted), "faces")

    async def _load(self, path: Path, size: int | None) -> None:
        from ddpm_tui.state.previews import load_faces, worth_showing

        assert self._grid is not None
        await asyncio.sleep(0.05)  # while one goes through the list, nothing is read
        try:
            faces = await asyncio.to_thread(load_faces, path, size)
        except DdpmError as error:
            self._grid.empty = "no preview of this step" if not path.exists() else error.what
            self._grid.show(())
            return
        room = self._grid.size
        count = worth_showing(len(faces), faces[0].shape[1], room.width - 2, room.height)
        self._grid.show(faces[:count])
