"""Screen 4: drawn faces of all runs; one large, its denoising and its nearest training faces; films of learning."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens import asks
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.screens.forms import SampleForm
from ddpm_tui.tui.screens.gallery_rows import columns, fact_lines, set_rows
from ddpm_tui.tui.screens.gallery_view import GalleryView
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.state.studies import gather, is_study
from ddpm_tui.tui.widgets.rows import Line
from ddpm_tui.tui.widgets.sheet import Sheet
from ddpm_tui.tui.widgets.table import Table
from engine.base.errors import UserError
from engine.base.home import ExportPlace

if TYPE_CHECKING:
    from ddpm_tui.tui.state.samples import GalleryEntry, GalleryReader
    from engine.runs.evaluations import Score


class GalleryScreen(BaseScreen):
    """Left the sets and the facts of one, right its faces."""

    NAME = "gallery"
    LIST = "#left"
    BINDINGS = [
        *bindings("gallery"),
        *bindings("list", only=["list.filter", "list.unfilter", "list.next_pane", "list.previous_pane"]),
        *bindings("app"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]

    def __init__(self) -> None:
        super().__init__()
        self._reader: GalleryReader | None = None
        self._entries: tuple[GalleryEntry, ...] = ()
        self._loaded = False
        self._reading = False
        self._shown: str | None = None
        self._follow: str | None = None
        self._open: set[str] = set()
        self._words = ""

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="left"):
                yield Table(columns(()), id="sets")
                yield Sheet(id="how")
            yield GalleryView()

    def on_mount(self) -> None:
        self.sets.focus()

    @property
    def sets(self) -> Table:
        return self.query_one("#sets", Table)

    @property
    def view(self) -> GalleryView:
        return self.query_one(GalleryView)

    def open(self, run: str, sample: str = "") -> None:
        """Put the cursor on a set, or on a run's previews."""
        self._follow = f"{run}/{sample}"
        self.repaint()

    def filtered(self, words: str) -> None:
        self._words = words.strip()
        self._list()  # runs folded into a study are found too
        self.sets.filter(words)

    def painted_first(self) -> None:
        self.read(self._import, "sets")

    async def _import(self) -> None:
        def load() -> "type[GalleryReader]":
            from ddpm_tui.tui.state.samples import GalleryReader

            return GalleryReader

        reader = await asyncio.to_thread(load)
        while not self.query(GalleryView):  # the boxes of a screen come one after the other
            await asyncio.sleep(0.02)
        await self.view.bring()
        self._reader = reader(self.ddpm.home)
        self.repaint()

    # The list.

    def paint(self, snapshot: Snapshot) -> None:
        if self._reader is not None and not self._reading:
            self._reading = True
            names = [run.name for run in snapshot.runs]
            look = partial(self._read, self._reader, names)
            if self._loaded and self._follow is None:
                self.beside(look)
            else:
                self.read(look, "sets")

    async def _read(self, reader: "GalleryReader", names: list[str]) -> None:
        try:
            found = await asyncio.to_thread(reader.read, names)
        finally:
            self._reading = False
        if found is not self._entries or not self._loaded:
            self._entries, self._loaded = found, True
            self._list()
        if self._follow is not None:
            self._move_to(self._follow)

    def _move_to(self, key: str) -> None:
        """Put the cursor there, unfolding its study; if it is not there yet, do it when it comes."""
        self._follow = key
        run = key.partition("/")[0]
        runs = list(dict.fromkeys(entry.run for entry in self._entries))
        folded = {g.key for g in gather(runs) if g.study and run in g.runs}
        if folded - self._open and any(entry.key == key for entry in self._entries):
            self._open |= folded
            self._list()
        if key in self.sets.keys:
            self.sets.move_to(key)
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
        self.set_class(any(entry.spacing for entry in self._entries), "-spacings")
        self.sets.columns = columns(self._entries)
        rows = set_rows(self._entries, self._open, bool(self._words))
        self.sets.show(rows, sample if self.snapshot.runs else train)
        self._look()

    def _entry(self) -> "GalleryEntry | None":
        return next((e for e in self._entries if e.key == self.sets.key), None)

    def on_table_moved(self) -> None:
        self._look()

    def on_table_chosen(self) -> None:
        self.action_open()

    def _look(self) -> None:
        """Show the set under the cursor, if it is another one."""
        key, entry = self.sets.key, self._entry()
        if key == self._shown and entry is not None:
            self.view.grown(entry)
            return
        self._shown = key
        self.view.look_at(entry)
        self._say_facts(entry, {})
        if entry is not None and entry.step is not None:
            self.beside(partial(self._load_scores, entry), "scores")
        elif is_study(key):
            self.view.say(f"{self.ddpm.key('gallery.open')} shows the sets of this study's runs")

    async def _load_scores(self, entry: "GalleryEntry") -> None:
        def load() -> "dict[str, Score]":
            from ddpm_tui.tui.state.scores import scores_of_set

            home, run, digest = self.ddpm.home, entry.facts.get("run"), entry.facts.get("weights_sha256")
            place = home.run(entry.run) if entry.run else ExportPlace(home, str(run), str(digest))
            return scores_of_set(place, entry.facts)

        await asyncio.sleep(0.05)  # nothing is read while the cursor moves through the list
        self._say_facts(entry, await asyncio.to_thread(load))

    def _say_facts(self, entry: "GalleryEntry | None", scores: "dict[str, Score]") -> None:
        self.query_one(Sheet).show(lambda width: fact_lines(entry, scores, width) if entry else [])

    # Keys.

    def action_open(self) -> None:
        """Go from the list to its faces, from a face to it large, and back from there; unfold a study."""
        key = self.sets.key
        if self.sets.has_focus and key is not None and is_study(key):
            self._open ^= {key}
            self._list()
        else:
            self.view.enlarge()

    def pane_to_zoom(self) -> Widget | None:
        return self.view

    def offers(self, key_id: str) -> bool:
        entry, view = self._entry(), self.view
        needed = {
            "gallery.open": entry is not None or is_study(self.sets.key),
            "gallery.earlier": view.mode != "note",
            "gallery.later": view.mode != "note",
            "gallery.play": view.plays,
            "gallery.predicted": view.predicts,
            "gallery.nearest": view.mode in ("grid", "large"),
            "gallery.film": entry is not None and bool(entry.run) and not entry.previews,
            "gallery.again": entry is not None or bool(self.snapshot.runs),
            "gallery.delete": entry is not None and bool(entry.sample),
        }
        return needed.get(key_id, True)

    def label(self, key_id: str) -> str:
        if key_id in ("gallery.earlier", "gallery.later") and self.view.mode != "large":
            return "earlier" if key_id == "gallery.earlier" else "later"
        return "all faces" if key_id == "gallery.open" and self.view.mode == "large" else ""

    def needs(self, action: str) -> bool:
        return not self._loaded or action.partition("(")[0] in (
            "open",
            "scrub",
            "play",
            "predicted",
            "nearest",
        )

    def action_scrub(self, by: int) -> None:
        self.view.scrub(by)

    def action_play(self) -> None:
        self.view.play()

    def action_predicted(self) -> None:
        self.view.predicted()

    def action_nearest(self) -> None:
        self.view.nearest()

    def action_film(self) -> None:
        entry = self._entry()
        if entry is None:
            raise UserError("there is no run to film")
        if not entry.run:
            raise UserError("an exported checkpoint has no previews", "they are its run's")
        film = f"{entry.run}/"
        if entry.previews and self.view.mode != "film":
            self._shown = None
            self._look()
        elif film in self.sets.keys:
            self.sets.move_to(film)
        else:
            raise UserError(f"run {entry.run!r} has no previews", "they come with the first epoch")

    def action_sample(self) -> None:
        entry = self._entry()
        if entry is None and not self.snapshot.runs:
            raise UserError(
                "there is no run to draw from", f"{self.ddpm.key('app.profiles')} picks a profile to train"
            )
        more = []
        current = f"{entry.run}@latest" if entry and entry.run else ""
        if entry is not None and entry.sample and entry.reference != entry.run:
            current = entry.reference
            more = [
                (current, "the checkpoint of this set" if entry.run else "the exported folder of this set")
            ]
        self.ask(SampleForm(current, more), self._sample)

    async def _sample(self, answer: dict[str, Any]) -> None:
        await asks.add(self.ddpm, "sample", {"checkpoint": answer.pop("chosen"), **answer})

    def action_delete(self) -> None:
        entry = self._entry()
        if entry is None:
            raise UserError("no set is chosen")
        if not entry.sample:
            raise UserError(
                "previews belong to the run", f"{self.ddpm.key('app.checkpoints')} is where runs are deleted"
            )
        self.attempt(self._delete(entry))

    async def _delete(self, entry: "GalleryEntry") -> None:
        from engine.base.trash import discard, restore

        home = self.ddpm.home
        assert entry.path is not None
        trashed = await asyncio.to_thread(discard, home, "samples", entry.called, entry.path)
        self.ddpm.say(f"set {entry.called} is in the trash; {self.ddpm.key('app.undo')} brings it back")

        async def back() -> None:
            await asyncio.to_thread(restore, trashed)
            self._follow = entry.key
            self.repaint()

        self.ddpm.undo.push(
            f"set {entry.called} is back",
            back,
            does=f"set {entry.called} is deleted",
            again=partial(self._delete, entry),
        )
        self.repaint()
