"""Screen 4: drawn faces of all runs; one large, its denoising and its nearest training faces; films of learning."""

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from ddpm_tui.keymap import bindings
from ddpm_tui.screens import asks
from ddpm_tui.screens.base import BaseScreen
from ddpm_tui.screens.forms import SampleForm
from ddpm_tui.state.snapshot import Snapshot
from ddpm_tui.widgets.rows import Line
from ddpm_tui.widgets.table import Column, Row, Table
from ddpm_tui.words import number
from engine.errors import DdpmError, UserError
from engine.home import RunFolder

if TYPE_CHECKING:
    from ddpm_tui.state.nearest import Neighbours
    from ddpm_tui.state.samples import Entry, GalleryReader, Pictures

COLUMNS = (Column("set", 13, grow=1), Column("n", 4, right=True), Column("how", 9, drop=1))
NEIGHBOURS = 8


class GalleryScreen(BaseScreen):
    """Left the sets, right one of three views: all its faces, one of them large, or the film of the run."""

    NAME = "gallery"
    BINDINGS = [
        *bindings("gallery"),
        *bindings("list", only=["list.filter", "list.next_pane", "list.previous_pane"]),
        *bindings("app"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]

    def __init__(self) -> None:
        super().__init__()
        self._reader: GalleryReader | None = None
        self._entries: tuple[Entry, ...] = ()
        self._loaded = False
        self._reading = False
        self._shown: str | None = None
        self._pictures: Pictures | None = None
        self._view = "note"
        self._note = ""
        self._widgets: dict[str, Any] = {}
        self._near = False
        self._neighbours: dict[str, Neighbours] = {}
        self._asked: tuple[str | None, int] | None = None
        self._stop = threading.Event()
        self._follow: str | None = None
        self._face = 0

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="left"):
                yield Table(COLUMNS, id="sets")
                yield Static("", id="how", markup=False)
            with Container(id="view"):
                yield Static("", id="note", classes="placeholder", markup=False)

    def on_mount(self) -> None:
        self.sets.focus()

    @property
    def sets(self) -> Table:
        return self.query_one("#sets", Table)

    def open(self, run: str, sample: str = "") -> None:
        """Put the cursor on a set, or on a run's previews."""
        self._follow = f"{run}/{sample}"
        self.repaint()

    def filtered(self, words: str) -> None:
        self.sets.filter(words)

    def painted_first(self) -> None:
        self.beside(self._import)

    async def _import(self) -> None:
        def load() -> tuple[Any, ...]:
            from ddpm_tui.state.samples import GalleryReader
            from ddpm_tui.widgets.face_grid import FaceGrid, Filmstrip
            from ddpm_tui.widgets.faces import TrajectoryPlayer

            return GalleryReader, FaceGrid, Filmstrip, TrajectoryPlayer

        reader, grid, film, player = await asyncio.to_thread(load)
        look = {"terminal": self.ddpm.terminal, "low_colours": self.ddpm.low_bandwidth}
        self._widgets = {
            "grid": grid(id="grid", **look),
            "film": film(id="film", **look),
            "player": player(id="player", **look),
            "near": grid(id="near", empty="looking through the training faces", **look),
        }
        self._widgets["near"].can_focus = False
        large = Horizontal(self._widgets["player"], self._widgets["near"], id="large")
        while not self.query("#view"):  # the boxes of a screen come one after the other
            await asyncio.sleep(0.02)
        await self.query_one("#view").mount(self._widgets["grid"], self._widgets["film"], large)
        self._widgets["large"] = large
        self._reader = reader(self.ddpm.home)
        self._show(self._view)
        self.repaint()

    # What there is.

    def paint(self, snapshot: Snapshot) -> None:
        if self._reader is not None and not self._reading:
            self._reading = True
            names = [run.name for run in snapshot.runs]
            self.beside(partial(self._read, self._reader, names))
        elif self._reader is None:
            self._say_nothing("…")

    async def _read(self, reader: "GalleryReader", names: list[str]) -> None:
        try:
            found = await asyncio.to_thread(reader.read, names)
        finally:
            self._reading = False
        if found is not self._entries or not self._loaded:
            self._entries, self._loaded = found, True
            self._list()
        if self._follow in self.sets.keys:
            self.sets.move_to(self._follow)
            self._follow = None

    def _list(self) -> None:
        key = self.ddpm.key
        sample: list[Line] = [
            [("No faces yet.", "bold")],
            [(key("app.checkpoints"), "accent bold"), " picks a checkpoint,"],
            [(key("checkpoints.sample"), "accent bold"), " there draws from it"],
        ]
        train: list[Line] = [
            [("No faces yet.", "bold")],
            [(key("app.profiles"), "accent bold"), " picks a profile,"],
            [(key("profiles.train"), "accent bold"), " there trains it"],
        ]
        self.sets.show([_row(entry) for entry in self._entries], sample if self.snapshot.runs else train)
        self._look()

    def _entry(self) -> "Entry | None":
        return next((e for e in self._entries if e.key == self.sets.key), None)

    def on_table_moved(self) -> None:
        self._look()

    def on_table_chosen(self) -> None:
        self.action_open()

    def _look(self) -> None:
        """Show the set under the cursor, if it is another one."""
        entry = self._entry()
        self.query_one("#how", Static).update(_how(entry) if entry else "")
        if not self._widgets:
            return
        if entry is None:
            self._shown = None
            self._say_nothing("")
        elif entry.key != self._shown:
            self._shown = entry.key
            self._pictures = None
            self._face = 0
            self._stop.set()
            self.beside(partial(self._load, entry), "load")

    async def _load(self, entry: "Entry") -> None:
        from ddpm_tui.state.samples import load_pictures

        await asyncio.sleep(0.05)  # while one goes through the list, nothing is read
        if entry.problem:
            self._say_nothing(f"{entry.key}: {entry.problem}")
            return
        if entry.previews:
            await self._load_film(entry)
            return
        folder = RunFolder(self.ddpm.home.runs / entry.run).sample(entry.sample)
        try:
            self._pictures = await asyncio.to_thread(load_pictures, folder)
        except DdpmError as error:
            self._say_nothing(str(error))
            return
        self._widgets["grid"].show(list(self._pictures.pictures))
        self._show("grid")

    async def _load_film(self, entry: "Entry") -> None:
        from ddpm_tui.state.previews import load_faces
        from ddpm_tui.widgets.face_grid import FilmFrame

        run = self.snapshot.run(entry.run)
        size = run.setting("data", "size") if run else None
        try:
            faces = await asyncio.to_thread(load_faces, entry.previews[-1][1], size)
        except DdpmError as error:
            self._say_nothing(str(error))
            return
        film = self._widgets["film"]
        film.face = (faces[0].shape[1], faces[0].shape[0])
        film.show([FilmFrame(path, f"{step:,}") for step, path in entry.previews])
        self._show("film")

    # Views.

    def _say_nothing(self, text: str) -> None:
        self._note = text
        self._show("note")

    def _show(self, view: str) -> None:
        """note, grid, film or large; the focus goes along where it was on the view that goes."""
        self._view = view
        note = self.query_one("#note", Static)
        note.display = view == "note"
        note.update(self._note)
        focused = self.focused
        for name in ("grid", "film", "large"):
            if name in self._widgets:
                self._widgets[name].display = name == view
        if view != "large" and "player" in self._widgets:
            self._widgets["player"].pause()
        if focused is not None and focused is not self.sets:
            self._focus_view()

    def _focus_view(self) -> None:
        target: Widget = self._widgets.get("player" if self._view == "large" else self._view, self.sets)
        self.set_focus(target)

    def action_open(self) -> None:
        """From the list to its faces, from a face to it large, and back from there."""
        if self._view == "large":
            self._show("grid")
            self._focus_view()
        elif self._view == "film" and self.sets.has_focus:
            self._focus_view()
        elif self._view == "grid":
            self._open_large(self._widgets["grid"].selected)
        elif self._view == "note":
            raise UserError("there is nothing to enlarge here")

    def on_face_grid_chosen(self, event: Any) -> None:
        self._open_large(event.index)

    def on_filmstrip_chosen(self, event: Any) -> None:
        entry = self._entry()
        if entry is not None and entry.previews:
            step, path = entry.previews[event.index]
            self.beside(partial(self._open_moment, step, path), "load")

    async def _open_moment(self, step: int, path: Path) -> None:
        """The faces of one preview as a page."""
        import numpy as np

        from ddpm_tui.state.previews import load_faces
        from ddpm_tui.state.samples import Pictures

        entry = self._entry()
        run = self.snapshot.run(entry.run) if entry else None
        faces = await asyncio.to_thread(load_faces, path, run.setting("data", "size") if run else None)
        self._pictures = Pictures(np.stack(faces), None)
        self._widgets["grid"].show(faces)
        self._show("grid")
        self._focus_view()

    def _open_large(self, index: int) -> None:
        if self._pictures is None:
            return
        self._face = index
        frames = self._pictures.frames(index)
        name = f"face {index + 1}"
        kept = len(frames) > 1
        labels = (
            [f"{name} {'noise' if i == 0 else ''}".strip() for i in range(len(frames))] if kept else [name]
        )
        self._widgets["player"].show_frames(frames, labels)
        self._show("large")
        self._focus_view()
        self._widgets["near"].display = self._near
        if self._near:
            self._look_nearest()

    # Keys.

    def action_scrub(self, by: int) -> None:
        if self._view == "large":
            self._widgets["player"].action_scrub(by)
        elif self._view == "film":
            self._widgets["film"].action_move(by)
        elif self._view == "grid":
            self._widgets["grid"].action_move(by, 0)

    def action_play(self) -> None:
        if self._view == "grid":
            self._open_large(self._widgets["grid"].selected)
        if self._view != "large":
            raise UserError("choose a drawn face first", f"{self.ddpm.key('gallery.open')} enlarges it")
        player = self._widgets["player"]
        if len(player.frames) < 2:
            kept = (
                0
                if self._pictures is None or self._pictures.trajectory is None
                else self._pictures.trajectory.shape[1]
            )
            which = f"only of the first {kept}" if kept else "of none of these"
            raise UserError(
                f"the denoising of this face was not kept, {which}",
                f"{self.ddpm.key('gallery.again')} draws again; 'with trajectory' says of how many",
            )
        player.action_play()

    def action_film(self) -> None:
        entry = self._entry()
        if entry is None:
            raise UserError("there is no run to film")
        film = f"{entry.run}/"
        if entry.previews and self._view != "film":
            self._shown = None
            self._look()
        elif film in self.sets.keys:
            self.sets.move_to(film)
        else:
            raise UserError(f"run {entry.run!r} has no previews", "they come with the first epoch")

    def action_nearest(self) -> None:
        if self._view == "grid":
            self._near = True
            self._open_large(self._widgets["grid"].selected)
        elif self._view == "large":
            self._near = not self._near
            self._widgets["near"].display = self._near
            if self._near:
                self._look_nearest()
            else:
                self._stop.set()
        else:
            raise UserError("choose a drawn face first", f"{self.ddpm.key('gallery.open')} enlarges it")

    def _look_nearest(self) -> None:
        self._stop.set()
        self._stop = threading.Event()
        self._widgets["near"].empty = "looking through the training faces"
        self._widgets["near"].show(())
        self.beside(partial(self._find_nearest, self._stop), "near")

    async def _find_nearest(self, stop: threading.Event) -> None:
        entry = self._entry()
        run = self.snapshot.run(entry.run) if entry else None
        if run is None or self._pictures is None:
            return
        picture = self._pictures.pictures[self._face]
        near = self._widgets["near"]
        try:
            found = await asyncio.to_thread(self._nearest, run.name, picture, stop)
        except DdpmError as error:
            near.empty = "the training data is not here"
            near.show(())
            self.ddpm.say(f"the nearest training faces are not known: {error}", "warn")
            return
        if not stop.is_set():
            from ddpm_tui.state.previews import worth_showing

            count = worth_showing(len(found), picture.shape[0], near.size.width - 2, near.size.height)
            near.show([n.picture for n in found[:count]], [number(n.distance, 2) for n in found[:count]])

    def _nearest(self, run: str, picture: Any, stop: threading.Event) -> Any:
        from ddpm_tui.state.nearest import Neighbours, training_data

        if run not in self._neighbours:
            self._neighbours = {run: Neighbours(training_data(self.ddpm.home, run))}
        return self._neighbours[run].nearest(picture, NEIGHBOURS, stop.is_set)

    def action_sample(self) -> None:
        entry = self._entry()
        if entry is None and not self.snapshot.runs:
            raise UserError(
                "there is no run to draw from", f"{self.ddpm.key('app.profiles')} picks a profile to train"
            )
        more = []
        if entry is not None and entry.step is not None:
            more = [(f"{entry.run}@{entry.step}", "the checkpoint of this set")]
        current = more[0][0] if more else f"{entry.run}@latest" if entry else ""
        self.app.push_screen(SampleForm(current, more), self._sample)

    def _sample(self, answer: dict[str, Any] | None) -> None:
        if answer is not None:
            self.attempt(asks.add(self.ddpm, "sample", {"checkpoint": answer.pop("chosen"), **answer}))

    def action_delete(self) -> None:
        entry = self._entry()
        if entry is None:
            raise UserError("no set is chosen")
        if not entry.sample:
            raise UserError(
                "previews belong to the run", f"{self.ddpm.key('app.checkpoints')} is where runs are deleted"
            )
        self.attempt(self._delete(entry))

    async def _delete(self, entry: "Entry") -> None:
        from engine.runs.trash import discard, restore

        home = self.ddpm.home
        path = RunFolder(home.runs / entry.run).sample(entry.sample).path
        trashed = await asyncio.to_thread(discard, home, "samples", entry.key, path)
        self.ddpm.say(f"set {entry.key} is in the trash; {self.ddpm.key('app.undo')} brings it back")

        async def back() -> None:
            await asyncio.to_thread(restore, trashed)
            self._follow = entry.key
            self.repaint()

        self.ddpm.undo.push(f"set {entry.key} is back", back)
        self.repaint()


def _row(entry: "Entry") -> Row:
    facts = entry.facts
    if entry.previews:
        return Row(entry.key, (entry.run, (str(len(entry.previews)), "dim"), ("previews", "dim")))
    if entry.problem:
        return Row(entry.key, ((entry.key, "bad"), "", ("damaged", "bad")))
    how = f"{facts.get('sampler', '?')} {facts.get('steps', '?')}"
    name = f"{entry.run}@{facts.get('checkpoint', '?')}"
    return Row(entry.key, (name, str(facts.get("n", "?")), (how, "dim")), f"{name} {how} {entry.sample}")


def _how(entry: "Entry") -> str:
    if entry.previews:
        return f"{entry.run}: the same seeds at {len(entry.previews)} moments"
    facts = entry.facts
    if entry.problem:
        return entry.problem
    weights = "" if facts.get("weights") == "ema" else f", {facts.get('weights')} weights"
    when = str(facts.get("created", "")).replace("T", " ")[:16]
    return f"seed {facts.get('seed')}, epoch {facts.get('epoch')}{weights}\n{facts.get('size')} px, {when}"
