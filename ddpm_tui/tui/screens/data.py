"""Screen 7: data sets: add a folder or zip, look at its pictures and at the files left out, train on it."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens import asks
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.screens.data_dialogs import AddData, TrainOn, train_wish
from ddpm_tui.tui.screens.dialogs import Confirm
from ddpm_tui.tui.state.shell import line
from ddpm_tui.tui.state.snapshot import JobView, Snapshot
from ddpm_tui.tui.widgets.meters import eighths
from ddpm_tui.tui.widgets.rows import Piece, entitle, fact_lines
from ddpm_tui.tui.widgets.sheet import Sheet
from ddpm_tui.tui.widgets.table import Column, Row, Table
from ddpm_tui.words import plural
from engine.base.errors import UserError
from engine.service.states import State

if TYPE_CHECKING:
    from ddpm_tui.tui.state.datasets import DataReader, DataSet

COLUMNS = (
    Column("data set", 14, grow=2),
    Column("pictures", 8, right=True),
    Column("packed", 13, grow=1),
    Column("runs", 4, right=True, drop=2),
    Column("where", 16, grow=3, drop=1),
)
BAR = 8


class DataScreen(BaseScreen):
    """Above the data sets, below the facts about one, at the right some of its pictures."""

    NAME = "data"
    LIST = "#left"
    BINDINGS = [
        *bindings("data"),
        *bindings("list", only=["list.filter", "list.unfilter"]),
        *bindings("app"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]

    def __init__(self) -> None:
        super().__init__()
        self._reader: DataReader | None = None
        self._sets: tuple[DataSet, ...] = ()
        self._reading = False
        self._loaded = False
        self._follow: str | None = None
        self._shown: tuple[str, int] | None = None
        self._grid: Any = None

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="left"):
                yield Table(COLUMNS, id="sets", empty=[[("…", "dim")]])
                yield Sheet(id="facts")
            yield Vertical(id="faces", classes="rule")

    def on_mount(self) -> None:
        self.sets.focus()
        entitle(self.query_one("#faces"), " pictures ")

    @property
    def sets(self) -> Table:
        return self.query_one("#sets", Table)

    def open(self, dataset: str) -> None:
        """Put the cursor on a data set, as soon as it is there."""
        self._follow = dataset
        self.repaint()

    def filtered(self, words: str) -> None:
        self.sets.filter(words)

    def painted_first(self) -> None:
        self.read(self._import, "sets")

    async def _import(self) -> None:
        def load() -> tuple[Any, Any]:
            from ddpm_tui.tui.state.datasets import DataReader
            from ddpm_tui.tui.widgets.face_grid import FaceGrid

            return DataReader, FaceGrid

        reader, grid = await asyncio.to_thread(load)
        while not self.query("#faces"):  # the boxes of a screen come one after the other
            await asyncio.sleep(0.02)
        self._grid = grid(terminal=self.ddpm.terminal, low_colours=self.ddpm.low_bandwidth, empty="")
        self._grid.can_focus = False
        await self.query_one("#faces").mount(self._grid)
        self._reader = reader(self.ddpm.home)
        self.repaint()

    # The list.

    def paint(self, snapshot: Snapshot) -> None:
        if self._reader is not None and not self._reading:
            self._reading = True
            look = partial(self._read, self._reader)
            if self._loaded and self._follow is None:
                self.beside(look)
            else:
                self.read(look, "sets")
        if self._loaded:
            self._list(snapshot)

    async def _read(self, reader: "DataReader") -> None:
        try:
            found = await asyncio.to_thread(reader.read)
        finally:
            self._reading = False
        if found is not self._sets or not self._loaded:
            self._sets, self._loaded = found, True
            self._list(self.snapshot)
        if self._follow in self.sets.keys:
            self.sets.move_to(self._follow)
            self._follow = None

    def _list(self, snapshot: Snapshot) -> None:
        key = self.ddpm.key("data.add")
        rows = [_row(data, snapshot) for data in self._sets]
        self.sets.styles.height = max(4, min(len(rows) + 2, self.size.height // 2))
        self.sets.show(rows, [[("No data set.", "bold")], [(key, "accent bold"), " adds a folder or a zip"]])
        self._about()

    def _data(self) -> "DataSet | None":
        return next((data for data in self._sets if data.name == self.sets.key), None)

    def _chosen(self) -> "DataSet":
        data = self._data()
        if data is None:
            raise UserError("no data set is chosen", f"{self.ddpm.key('data.add')} adds one")
        return data

    def on_table_moved(self) -> None:
        self._about()

    def on_table_chosen(self) -> None:
        self.action_train()

    def _about(self) -> None:
        data = self._data()
        sheet = self.query_one("#facts", Sheet)
        if data is None:
            sheet.show(lambda width: [])
            return
        from ddpm_tui.tui.state.datasets import facts

        said = facts(data)
        only_built_in = all(other.built_in for other in self._sets)
        if only_built_in:
            said.append(("your own", f"{self.ddpm.key('data.add')} adds a folder or a zip of pictures"))
        sheet.show(lambda width: fact_lines(said, width, 11))
        shown = (data.name, len(data.packed))
        if shown != self._shown and self._grid is not None:
            self._shown = shown
            self.beside(partial(self._look_at, data), "faces")

    async def _look_at(self, data: "DataSet") -> None:
        from ddpm_tui.tui.state.datasets import thumbnails
        from ddpm_tui.tui.state.previews import worth_showing

        await asyncio.sleep(0.05)  # nothing is read while the cursor moves through the list
        faces = await asyncio.to_thread(thumbnails, data)
        entitle(self.query_one("#faces"), f" pictures of {data.name} ")
        self._grid.empty = "" if faces else "shown once they are packed"
        room = self.query_one("#faces").content_size
        count = worth_showing(len(faces), faces[0].shape[1], room.width - 2, room.height) if faces else 0
        self._grid.show(faces[:count])

    def on_resize(self) -> None:
        self._shown = None
        self.call_after_refresh(self._about)

    # Keys.

    def pane_to_zoom(self) -> Widget | None:
        return self.query_one("#faces")

    def offers(self, key_id: str) -> bool:
        data = self._data()
        needed = {
            "data.train": data is not None,
            "data.verify": data is not None and bool(data.packed),
            "data.pack": data is not None and not data.built_in,
            "data.remove": data is not None and not data.built_in,
        }
        return needed.get(key_id, True)

    def action_add(self) -> None:
        self.ask(AddData(), self._add)

    async def _add(self, answer: dict[str, Any]) -> None:
        """Look through the pictures, then have the engine pack them."""
        from engine.data.catalog import add_source

        source = await asyncio.to_thread(
            add_source, self.ddpm.home, answer["path"], answer["name"], False, answer["exclude"]
        )
        recipe = "center178" if source.celeba else "whole"
        self._follow = source.name
        args = {"dataset": source.name, "size": answer["size"], "recipe": recipe}
        await asks.add(self.ddpm, "pack", args)
        words = ["--name", source.name, "--size", answer["size"]]
        excluded = [word for pattern in answer["exclude"] or () for word in ("--exclude", pattern)]
        self.ddpm.echo(line("data", "add", source.path, *words, *excluded))
        left_out = sum(int(kind["count"]) for kind in source.left_out.values())
        but = f", {left_out:,} files left out" if left_out else ""
        key = self.ddpm.key("data.train")
        self.ddpm.say(
            f"{source.name}: {plural(source.pictures, 'picture')}{but}, being packed; {key} trains on it"
        )
        self.repaint()

    def action_train(self) -> None:
        data = self._chosen()
        self.ask(TrainOn(data), partial(self._train, data))

    async def _train(self, data: "DataSet", answer: dict[str, Any]) -> None:
        wish = train_wish(data, answer.pop("chosen"), answer)
        await asks.train(self.ddpm, **wish)

    def action_verify(self) -> None:
        data = self._chosen()
        self.ddpm.say(f"reading {data.name} …", "dim")
        self.attempt(self._verify(data), holds=False)

    async def _verify(self, data: "DataSet") -> None:
        from ddpm_tui.tui.state.datasets import check

        self.ddpm.echo(line("data", "verify", data.name))
        text, whole = await asyncio.to_thread(check, self.ddpm.home, data)
        self.ddpm.say(text, "good" if whole else "bad")

    def action_remove(self) -> None:
        data = self._chosen()
        if data.built_in:
            raise UserError(f"{data.name} is built in", "only data sets that were added can be removed")
        runs = _runs_on(self.snapshot, data.name)
        undo = self.ddpm.key("app.undo")
        why = f"What is packed goes to the trash, {undo} brings it back; the pictures stay in place."
        if runs:
            why += f" {plural(runs, 'run')} cannot train on without it."
        question = Confirm(f"Forget data set {data.name}?", why, "forget it", "keep it")
        self.app.push_screen(question, lambda yes: self.attempt(self._remove(data)) if yes else None)

    async def _remove(self, data: "DataSet") -> None:
        from engine.base.trash import find_trashed, restore
        from engine.data.catalog import remove_source

        home = self.ddpm.home
        gone = await asyncio.to_thread(remove_source, home, data.name)
        self.ddpm.echo(line("data", "remove", data.name))
        self.ddpm.say(f"{data.name} is forgotten; {self.ddpm.key('app.undo')} brings it back")

        async def back() -> None:
            await asyncio.to_thread(lambda: restore(find_trashed(home, gone[-1].name, "data")))
            self._follow = data.name
            self.repaint()

        again = partial(self._remove, data)
        does = f"data set {data.name} is forgotten"
        self.ddpm.undo.push(f"data set {data.name} is back", back, does=does, again=again)
        self.repaint()


def _packs(snapshot: Snapshot, name: str) -> list[JobView]:
    """Return the jobs that pack the data set, those that are over last."""
    jobs = [*snapshot.live, *snapshot.waiting, *snapshot.over]
    return [view for view in jobs if view.job.kind == "pack" and view.job.args.get("dataset") == name]


def _runs_on(snapshot: Snapshot, name: str) -> int:
    return sum(run.setting("data", "dataset") == name for run in snapshot.runs)


def _row(data: "DataSet", snapshot: Snapshot) -> Row:
    packs = _packs(snapshot, data.name)
    packing = next((view for view in packs if not view.job.over), None)
    forms = ", ".join(map(str, sorted({manifest.size for _, manifest in data.packed})))
    packed: Piece = (f"{forms} px" if forms else "not yet", "" if forms else "dim")
    if packing is not None:
        share = packing.fraction
        packed = ("waits", "dim") if share is None else (f"{eighths(share, BAR)} {100 * share:.0f} %", "bar")
    elif not forms and packs and packs[-1].state is State.FAILED:
        packed = ("failed", "bad")
    runs = _runs_on(snapshot, data.name)
    cells = (
        data.name,
        f"{data.source.pictures:,}",
        packed,
        (str(runs) if runs else "", "dim"),
        (data.source.path or "built in", "dim"),
    )
    return Row(data.name, cells, f"{data.name} {data.source.path}")
