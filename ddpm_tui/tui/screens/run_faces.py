"""The faces of a run on the dashboard: the newest preview, an earlier one, or all as a film. One cursor in
the epochs.

They repaint by themselves only while the link's budget allows it. The drawing widgets are imported after the
first paint.
"""

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.widgets import Static

from ddpm_tui.tui.state.snapshot import JobView, RunView, Snapshot
from ddpm_tui.tui.widgets.rows import entitle
from engine.base.errors import DdpmError
from engine.base.home import Home

if TYPE_CHECKING:
    from ddpm_tui.tui.screens.base import BaseScreen
    from ddpm_tui.tui.state.curves import RunCurves
    from ddpm_tui.tui.widgets.face_grid import FaceGrid, Filmstrip

CELL_BYTES, FACES_BYTES = 20, 1000
"""What a painting of faces costs for each cell and all together, about; what it really cost is counted."""


WALL = 76
"""Columns from which on the same seeds through the epochs are shown at first."""


class RunFaces(Container):
    """`show` with every Snapshot. `at`: which preview is shown, None for the newest, also when another comes."""

    class Moved(Message):
        """The user went to the preview of this step; None: to the newest, whichever it is."""

        def __init__(self, step: int | None) -> None:
            super().__init__()
            self.step = step

    def __init__(self) -> None:
        super().__init__(id="faces", classes="rule")
        self.at: int | None = None
        self._filming: bool | None = None
        """Whether the film is shown, if the user chose; None if it depends on the room."""
        self._run: RunView | None = None
        self._grid: FaceGrid | None = None
        self._film: Filmstrip | None = None
        self._newest: dict[int, float] = {}
        """The epoch of the newest preview, by its step: the metrics say it only later."""
        self._shown: str | None = None
        self._faces: list[Any] = []
        self._learns: str | None = None

    def compose(self) -> ComposeResult:
        yield Static("", classes="placeholder", id="faces-wait", markup=False)

    def on_mount(self) -> None:
        entitle(self, " faces ")

    @property
    def _screen(self) -> "BaseScreen":
        return cast("BaseScreen", self.screen)

    @property
    def _curves(self) -> "RunCurves | None":
        return self._screen.snapshot.curves.get(self._run.name) if self._run else None

    @property
    def filming(self) -> bool:
        """Return whether all moments are shown: as chosen, else if there is room for a wall of them."""
        if self._filming is not None:
            return self._filming
        curves = self._curves
        return self.content_size.width >= WALL and curves is not None and len(curves.previews) >= 3

    @property
    def scrubs(self) -> bool:
        """Return whether there is an earlier moment."""
        curves = self._curves
        return curves is not None and len(curves.previews) > 1

    async def bring(self) -> None:
        """Mount the drawing widgets, which are imported by now."""
        from ddpm_tui.tui.widgets.face_grid import FaceGrid, Filmstrip

        ddpm = self._screen.ddpm
        look = {"terminal": ddpm.terminal, "low_colours": ddpm.low_bandwidth}
        self._grid = FaceGrid(id="grid", **look)  # type: ignore[arg-type]
        self._grid.can_focus = False
        self._film = Filmstrip((32, 32), id="film", **look)  # type: ignore[arg-type]
        self._film.can_focus = False
        self._grid.display = self._film.display = False
        await self.mount(self._grid, self._film)

    # The contents.

    def show(self, snapshot: Snapshot, run: RunView | None, job: JobView | None) -> None:
        """Show a run's faces. job: the one that is shown beside it."""
        if (run and run.name) != (self._run and self._run.name):
            self.at = self._shown = None
        self._run = run
        if self._grid is None or self._film is None:
            return
        curves = self._curves
        wait = self.query_one("#faces-wait", Static)
        if curves is None or not curves.previews:
            self._shown = None
            if run is None or run.name != self._learns:
                self._learns = None
                self._grid.display = self._film.display = False
                wait.display = True
                wait.update(self._instead(snapshot, job))
                entitle(self, " faces ")
            if run is not None and self._learns is None:
                self._screen.beside(partial(self._load_stand_ins, run), "faces")
            return
        self._learns = None
        place = self._place(curves)
        wanted = curves.preview_paths[place]
        if wanted == self._shown and not (self.filming and len(self._film.frames) != len(curves.previews)):
            return
        cells = self._grid.size.width * self._grid.size.height
        by_itself = self._shown is not None and self.at is None
        if by_itself and not self._screen.ddpm.may_write(CELL_BYTES * cells + FACES_BYTES):
            return
        self._shown = wanted
        self._screen.beside(partial(self._load_faces, wanted, curves.previews[place], run), "faces")

    def _place(self, curves: "RunCurves") -> int:
        last = len(curves.previews) - 1
        return last if self.at is None else max(0, min(self.at, last))

    def _instead(self, snapshot: Snapshot, job: JobView | None) -> str:
        """Return the text in place of faces."""
        if self._run is None:
            return "no faces yet"
        if job is not None and job.job.kind == "train" and job.run == self._run.name:
            return "faces come with the first epoch"
        return "no previews" if self._run.name in snapshot.curves else "looking …"

    async def _load_stand_ins(self, run: RunView) -> None:
        """Load pictures to show until the first preview.

        They are the parent's faces at the branch, or the training pictures, so that one sees the subject at
        once."""
        faces, title = await asyncio.to_thread(_stand_ins, self._screen.ddpm.home, self._screen.snapshot, run)
        if faces and self._shown is None and self._run is not None and run.name == self._run.name:
            self._learns, self._faces = run.name, faces
            entitle(self, title)
            self._draw()

    async def _load_faces(self, path: str, step: int, run: RunView | None) -> None:
        from ddpm_tui.tui.state.previews import epoch_of, load_faces

        assert self._grid is not None
        assert self._film is not None
        size = run.setting("data", "size") if run else None
        try:
            self._faces = await asyncio.to_thread(load_faces, Path(path), size)
            epoch = await asyncio.to_thread(epoch_of, Path(path))
        except DdpmError as error:
            wait = self.query_one("#faces-wait", Static)
            self._grid.display = self._film.display = False
            wait.display = True
            wait.update(error.what.replace(path, Path(path).name))
            return
        self._newest = {} if epoch is None else {step: epoch}
        if self._faces:
            self._film.face = (self._faces[0].shape[1], self._faces[0].shape[0])
        entitle(self, self._title(step, epoch))
        self._draw()

    def _title(self, step: int, epoch: float | None) -> str:
        curves = self._curves
        if epoch is None and curves is not None and len(curves.epochs.get("step", ())):
            at = (abs(curves.epochs["step"] - step)).argmin()
            epoch = curves.epochs["epoch"][at] if curves.epochs["step"][at] == step else None
        when = f" faces after epoch {epoch:g} " if epoch else f" faces at step {step:,} "
        if self.at is None or curves is None:
            return when
        key = self._screen.ddpm.key
        room = self.content_size.width - len(when) - 8
        way = slider(self._place(curves), len(curves.previews), max(3, min(10, room)))
        return f"{when}· {key('dashboard.earlier')} {way} {key('dashboard.later')} "

    def _draw(self) -> None:
        from ddpm_tui.tui.state.previews import moment, worth_showing
        from ddpm_tui.tui.widgets.face_grid import FilmFrame

        if self._grid is None or self._film is None or not self._faces:
            return
        self.query_one("#faces-wait").display = False
        filming = self.filming and self._learns is None
        self._grid.display, self._film.display = not filming, filming
        if filming:
            curves = self._curves
            if curves is not None:
                frames = zip(curves.previews, curves.preview_paths, strict=True)
                epochs = {**_epochs_by_step(curves), **self._newest}
                film = [FilmFrame(Path(p), *moment(s, epochs.get(s))) for s, p in frames]
                self._film.show(film, self._place(curves))
            return
        room = self.content_size
        count = worth_showing(len(self._faces), self._faces[0].shape[1], room.width - 2, room.height)
        self._grid.show(self._faces[:count])

    def on_resize(self) -> None:
        if self._faces:
            self.call_after_refresh(self._draw)

    # The cursor in the epochs.

    def film(self) -> None:
        """Switch between all moments and one."""
        self._filming = not self.filming
        self._draw()

    def scrub(self, by: int) -> None:
        """Go so many previews later; behind the newest one is the newest, whichever it is."""
        curves = self._curves
        if curves is None or not curves.previews:
            return
        place = max(0, self._place(curves) + by)
        self._go(None if place >= len(curves.previews) - 1 and by > 0 else place)
        self.post_message(self.Moved(None if self.at is None else int(curves.previews[self.at])))

    def go_to_step(self, step: float | None) -> None:
        """Go to the preview nearest to a step; None: to the newest."""
        curves = self._curves
        if curves is None or not curves.previews:
            return
        nearest = min(range(len(curves.previews)), key=lambda i: abs(curves.previews[i] - (step or 0)))
        self._go(None if step is None else nearest)

    def _go(self, place: int | None) -> None:
        if place != self.at:
            self.at = place
            self._shown = None if self._shown is None else ""
            self._screen.repaint()


def slider(place: int, count: int, width: int = 10) -> str:
    """Return a place among `count` as a knob on a line."""
    at = round((width - 1) * place / max(1, count - 1))
    return "━" * at + "●" + "─" * (width - 1 - at)


def _epochs_by_step(curves: Any) -> dict[int, float]:
    epochs = curves.epochs
    pairs = zip(epochs.get("step", ()), epochs.get("epoch", ()), strict=True)
    return {int(step): float(epoch) for step, epoch in pairs}


def _stand_ins(home: Home, snapshot: Snapshot, run: RunView) -> tuple[list[Any], str]:
    """Return faces to show for a run that has no preview yet, and their description."""
    from ddpm_tui.tui.state.previews import epoch_of, load_faces, moment, shown_preview, training_faces

    found = shown_preview(home, snapshot, run.name)
    # A preview of its own that the Snapshot has not heard of yet comes with the next one.
    if found is not None and found[0].name != run.name:
        parent, step = found
        path = parent.preview(step)
        with contextlib.suppress(DdpmError):
            faces = load_faces(path, run.setting("data", "size"))
            return faces, f" parent's faces, {moment(step, epoch_of(path))[1]} "
    return training_faces(home, run.name), " training faces, no previews yet "
