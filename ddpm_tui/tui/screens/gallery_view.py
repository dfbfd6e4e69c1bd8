"""The right side of the gallery: all faces of a set, one of them large, or the film of a run. Knows no list
and queues nothing. The drawing widgets are imported only after the first paint.
"""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Static

from ddpm_tui.tui.screens.gallery_page import GalleryPage
from ddpm_tui.words import number
from engine.base.errors import DdpmError, UserError
from engine.base.folders import SampleFolder

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp
    from ddpm_tui.tui.screens.base import BaseScreen
    from ddpm_tui.tui.state.nearest import Neighbours
    from ddpm_tui.tui.state.samples import GalleryEntry

NEIGHBOURS = 8


class GalleryView(GalleryPage):
    """`look_at` gives it a set. `mode`: note (a sentence), grid, film or large."""

    def __init__(self) -> None:
        super().__init__()
        self._entry: GalleryEntry | None = None
        self._loading = True
        self._then: Callable[[], None] | None = None
        """What was asked for while the pictures were still to come."""
        self._filmed = ""
        self._near = False
        self._neighbours: dict[str, Neighbours] = {}
        self._stop = threading.Event()

    def compose(self) -> ComposeResult:
        yield Static("…", id="note", classes="placeholder", markup=False)
        yield Static("", id="moment", markup=False)

    @property
    def _ddpm(self) -> "DdpmApp":
        return cast("DdpmApp", self.app)

    @property
    def _screen(self) -> "BaseScreen":
        return cast("BaseScreen", self.screen)

    async def bring(self) -> None:
        """Import and mount the drawing widgets."""

        def load() -> tuple[Any, ...]:
            from ddpm_tui.tui.widgets.face_grid import FaceGrid, Filmstrip
            from ddpm_tui.tui.widgets.faces import TrajectoryPlayer

            return FaceGrid, Filmstrip, TrajectoryPlayer

        grid, film, player = await asyncio.to_thread(load)
        look = {"terminal": self._ddpm.terminal, "low_colours": self._ddpm.low_bandwidth}
        made = {
            "grid": grid(id="grid", **look),
            "film": film(id="film", **look),
            "player": player(id="player", **look),
            "near": grid(id="near", empty="looking through the training faces", **look),
        }
        made["near"].can_focus = False
        made["large"] = Horizontal(made["player"], made["near"], id="large")
        await self.mount(made["grid"], made["film"], made["large"])
        self._widgets = made
        self._show(self.mode)

    # The contents.

    def look_at(self, entry: "GalleryEntry | None") -> None:
        """Show a set from its beginning; nothing for None."""
        if self._entry is not None or entry is None:
            self._then = None  # the request was for another set
        self._loading = entry is not None
        self._entry = entry
        self._pictures = None
        self._face = 0
        self._moment = None
        self._rest()
        self._stop.set()
        if entry is None:
            self.say("")
        else:
            self._screen.read(partial(self._load, entry), group="load")

    def grown(self, entry: "GalleryEntry") -> None:
        """Take the shown set's new state: a film of a run that trains gets longer."""
        before, self._entry = self._entry, entry
        if before is not None and len(before.previews) != len(entry.previews) and self.mode == "film":
            self._screen.beside(partial(self._load, entry), "load")

    def say(self, text: str) -> None:
        """Show a sentence if there is no picture."""
        self.query_one("#note", Static).update(text)
        self._show("note")

    def _face_size(self, entry: "GalleryEntry") -> int | None:
        run = self._ddpm.snapshot.run(entry.run)
        return run.setting("data", "size") if run else None

    async def _load(self, entry: "GalleryEntry") -> None:
        from ddpm_tui.tui.state.samples import load_pictures

        await asyncio.sleep(0.05)  # nothing is read while the cursor moves through the list
        try:
            if entry.problem:
                self.say(f"{entry.called}: {entry.problem}")
            elif entry.path is None:
                await self._load_film(entry)
            else:
                self._pictures = await asyncio.to_thread(load_pictures, SampleFolder(entry.path))
                self._widgets["grid"].show(list(self._pictures.pictures))
                self._moment = None
                self._show("grid")
        except DdpmError as error:
            self.say(str(error))
            self._then = None
        self._loading = False
        then, self._then = self._then, None
        if then is not None:
            then()

    async def _load_film(self, entry: "GalleryEntry") -> None:
        from ddpm_tui.tui.state.previews import epoch_of, load_faces, moment
        from ddpm_tui.tui.widgets.face_grid import FilmFrame

        def frames() -> list[FilmFrame]:
            return [FilmFrame(path, *moment(step, epoch_of(path))) for step, path in entry.previews]

        faces = await asyncio.to_thread(load_faces, entry.previews[-1][1], self._face_size(entry))
        film = self._widgets["film"]
        film.face = (faces[0].shape[1], faces[0].shape[0])
        # The cursor stays at an earlier moment when the film gets longer.
        earlier = self._filmed == entry.key and film.selected < len(film.frames) - 1
        film.show(await asyncio.to_thread(frames), film.selected if earlier else None)
        self._filmed = entry.key
        self._show("film")

    async def _load_moment(self, entry: "GalleryEntry", path: Path) -> None:
        """Load the faces of one preview as a page."""
        import numpy as np

        from ddpm_tui.tui.state.previews import load_faces
        from ddpm_tui.tui.state.samples import Pictures

        faces = await asyncio.to_thread(load_faces, path, self._face_size(entry))
        self._pictures = Pictures(np.stack(faces), None)
        self._widgets["grid"].show(faces)
        self._show("grid")
        self.take_focus()

    def _show(self, mode: str) -> None:
        """Show a mode. The focus goes along if it was on a widget that is hidden."""
        self.mode = mode
        focused = self.screen.focused
        inside = focused is not None and self in focused.ancestors
        self.query_one("#note", Static).display = mode == "note"
        if mode != "grid":
            self._rest()
        self._say_moment()
        for name in ("grid", "film", "large"):
            if name in self._widgets:
                self._widgets[name].display = name == mode
        if mode != "large" and "player" in self._widgets:
            self._widgets["player"].pause()
        if inside:
            self.take_focus()

    def take_focus(self) -> None:
        target: Widget | None = self._widgets.get("player" if self.mode == "large" else self.mode)
        self.screen.set_focus(target)

    def on_face_grid_chosen(self, event: Any) -> None:
        event.stop()
        self._enlarge(event.index)

    def on_filmstrip_chosen(self, event: Any) -> None:
        event.stop()
        if self._entry is not None and self._entry.previews:
            _, path = self._entry.previews[event.index]
            self._screen.beside(partial(self._load_moment, self._entry, path), "load", holds=True)

    # The actions of the keys.

    def enlarge(self) -> None:
        """Go from the page to the face under its cursor, and back from there."""
        if self._loading:
            self._then = self.enlarge
        elif self.mode == "large":
            self._show("grid")
            self.take_focus()
        elif self.mode == "grid":
            self._enlarge(self._widgets["grid"].selected)
        elif self.mode == "film":
            self.take_focus()
        else:
            raise UserError("there is nothing to enlarge here")

    def _enlarge(self, index: int) -> None:
        if self._pictures is None:
            return
        self._face = index
        frames = self._pictures.frames(index, self._predicted)
        name = f"face {index + 1}"
        labels = [f"{name} noise", *([name] * (len(frames) - 1))] if len(frames) > 1 else [name]
        self._widgets["player"].show_frames(frames, labels)
        self._show("large")
        self.take_focus()
        self._widgets["near"].display = self._near
        if self._near:
            self._look_nearest()

    def scrub(self, by: int) -> None:
        if self.mode == "large":
            self._widgets["player"].action_scrub(by)
        elif self.mode == "film":
            self._widgets["film"].action_move(by)
        elif self.mode == "grid" and self.plays:
            self._rest()
            last = self._last_moment
            self._page_at(max(0, min(last, (last if self._moment is None else self._moment) + by)))
        elif self.mode == "grid":
            self._widgets["grid"].action_move(by, 0)

    def play(self) -> None:
        """Play the denoising. Raises UserError if it was not kept."""
        if self._loading:
            self._then = self.play
            return
        if self.mode == "grid" and self.plays:
            self._play_page()
            return
        if self.mode == "grid":
            self._enlarge(self._widgets["grid"].selected)
        if self.mode != "large":
            raise self._no_face()
        player = self._widgets["player"]
        if len(player.frames) < 2:
            trajectory = self._pictures.trajectory if self._pictures else None
            kept = 0 if trajectory is None else trajectory.shape[1]
            which = f"only of the first {kept}" if kept else "of none of these"
            raise UserError(
                f"the denoising of this face was not kept, {which}",
                f"{self._ddpm.key('gallery.again')} draws again; 'with trajectory' sets the number",
            )
        player.action_play()

    def nearest(self) -> None:
        """Put the nearest training faces beside the large one, or take them away."""
        if self._loading:
            self._then = self.nearest
        elif self.mode == "grid":
            self._near = True
            self._enlarge(self._widgets["grid"].selected)
        elif self.mode == "large":
            self._near = not self._near
            self._widgets["near"].display = self._near
            if self._near:
                self._look_nearest()
            else:
                self._stop.set()
        else:
            raise self._no_face()

    def _no_face(self) -> UserError:
        return UserError("choose a drawn face first", f"{self._ddpm.key('gallery.open')} enlarges it")

    def _look_nearest(self) -> None:
        self._stop.set()
        self._stop = threading.Event()
        self._widgets["near"].empty = "looking through the training faces"
        self._widgets["near"].show(())
        self._screen.beside(partial(self._find_nearest, self._stop), "near")

    async def _find_nearest(self, stop: threading.Event) -> None:
        from ddpm_tui.tui.state.previews import worth_showing

        if self._entry is None or self._pictures is None:
            return
        picture = self._pictures.pictures[self._face]
        near = self._widgets["near"]
        try:
            found = await asyncio.to_thread(self._neighbours_of, self._entry, picture, stop)
        except DdpmError as error:
            near.empty = "no training data"
            near.show(())
            self._ddpm.say(f"the nearest training faces are not known: {error}", "warn")
            return
        if not stop.is_set():
            count = worth_showing(len(found), picture.shape[0], near.size.width - 2, near.size.height)
            near.show(
                [n.picture for n in found[:count]],
                [f"distance {number(n.distance, 2)}" for n in found[:count]],
            )

    def _neighbours_of(self, entry: "GalleryEntry", picture: Any, stop: threading.Event) -> Any:
        from ddpm_tui.tui.state.nearest import Neighbours, training_data

        of = entry.run or entry.reference
        if of not in self._neighbours:
            self._neighbours = {of: Neighbours(training_data(self._ddpm.home, of))}
        return self._neighbours[of].nearest(picture, NEIGHBOURS, stop.is_set)
