"""Screen 3: runs as a tree of branches, the checkpoints of one, and what can be done with each."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from ddpm_tui.keymap import bindings
from ddpm_tui.screens import asks
from ddpm_tui.screens.base import BaseScreen
from ddpm_tui.screens.checkpoint_changes import Changes
from ddpm_tui.screens.checkpoint_dialogs import BranchForm, Details, scores_of
from ddpm_tui.screens.dialogs import Ask
from ddpm_tui.screens.forms import SampleForm, TrainForm, wish
from ddpm_tui.state.lineage import CheckpointReader, tree
from ddpm_tui.state.snapshot import RunView, Snapshot
from ddpm_tui.widgets.rows import Line, Piece, Rows
from ddpm_tui.widgets.table import Column, Row, Table
from ddpm_tui.words import learning_rate, number, size
from engine.errors import DdpmError, UserError
from engine.home import RunFolder, check_name

if TYPE_CHECKING:
    from engine.runs.checkpoints import CheckpointInfo

RUN_COLUMNS = (Column("run", 14, grow=1), Column("", 3, right=True, drop=1))
COLUMNS = (
    Column("", 1),
    Column("step", 7, right=True),
    Column("epoch", 5, right=True),
    Column("eps err", 7, right=True),
    Column("held out", 8, right=True, drop=3),
    Column("train", 7, right=True, drop=4),
    Column("size", 7, right=True, drop=2),
    Column("", 8, grow=1),
)


class About(Rows):
    """What there is to say about the run and checkpoint under the cursor."""

    def __init__(self) -> None:
        super().__init__(id="about")
        self._said: list[Line] = []

    def show(self, said: list[Line]) -> None:
        self._said = said
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        return self._said


class CheckpointsScreen(BaseScreen):
    """Left the runs and the faces of the checkpoint, right the checkpoints, newest first."""

    NAME = "checkpoints"
    BINDINGS = [
        *bindings("checkpoints"),
        *bindings("list", only=["list.filter", "list.next_pane", "list.previous_pane"]),
        *bindings("app"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]

    def __init__(self) -> None:
        super().__init__()
        self._reader = CheckpointReader()
        self._found: tuple[CheckpointInfo, ...] = ()
        self._run: str | None = None
        self._marks: list[str] = []
        self._faces: Any = None
        self._face_of: tuple[str, int] | None = None
        self._follow: tuple[str | None, str | None] = (None, None)
        self._reading = False

    def body(self) -> ComposeResult:
        with Horizontal(id="lists"):
            with Vertical(id="left"):
                yield Table(RUN_COLUMNS, id="runs")
                yield Vertical(id="faces")
            with Vertical(id="right"):
                yield Table(COLUMNS, id="steps")
                yield About()

    def on_mount(self) -> None:
        self.steps.focus()

    @property
    def runs(self) -> Table:
        return self.query_one("#runs", Table)

    @property
    def steps(self) -> Table:
        return self.query_one("#steps", Table)

    def open(self, run: str, step: int | None = None) -> None:
        """Put the cursors on a run and one of its checkpoints."""
        self._follow = (run, None if step is None else str(step))
        self.repaint()

    def filtered(self, words: str) -> None:
        (self.runs if self.runs.has_focus else self.steps).filter(words)

    def painted_first(self) -> None:
        self.beside(self._import_faces)

    async def _import_faces(self) -> None:
        def load() -> Any:
            from ddpm_tui.state import previews
            from ddpm_tui.widgets.face_grid import FaceGrid

            return previews, FaceGrid

        _, face_grid = await asyncio.to_thread(load)
        self._faces = face_grid(empty="…", terminal=self.ddpm.terminal)
        self._faces.can_focus = False
        while not self.query("#faces"):  # the boxes of a screen come one after the other
            await asyncio.sleep(0.02)
        await self.query_one("#faces").mount(self._faces)
        self._face_of = None
        self._show_faces()

    # Painting.

    def paint(self, snapshot: Snapshot) -> None:
        key = self.ddpm.key
        rows = []
        for twig in tree(snapshot.runs):
            run = twig.run
            busy = snapshot.job_of(run.name) is not None
            name = f"{twig.stem}{run.name}"
            tone = "bad" if run.problem else "good" if busy else ""
            rows.append(
                Row(run.name, ((name, tone), (str(run.checkpoints), "dim")), f"{run.name} {run.profile_name}")
            )
        self.runs.show(
            rows,
            [
                [("No run yet.", "bold")],
                [(key("app.profiles"), "accent bold"), " picks a profile"],
                [(key("profiles.train"), "accent bold"), " there trains it"],
            ],
        )
        if self._follow[0] in self.runs.keys:
            self.runs.move_to(self._follow[0])
            self._follow = (None, self._follow[1])
        self._look()

    def _look(self) -> None:
        """Read the checkpoints of the run under the cursor, if its files changed."""
        run = self.runs.key
        changed = run != self._run
        self._run = run
        if run is not None and not self._reading:
            self._reading = True
            self.beside(partial(self._read, run))
        if changed:
            self._found = ()
            self._show_steps()

    async def _read(self, run: str) -> None:
        folder = RunFolder(self.ddpm.home.runs / run)
        try:
            found = await asyncio.to_thread(self._reader.read, folder)
        finally:
            self._reading = False
        if run != self._run:
            self._look()
        elif found is not self._found or not found:
            self._found = found
            self._show_steps()

    def _show_steps(self) -> None:
        key = self.ddpm.key
        run = self.snapshot.run(self._run)
        empty: list[Line] = []
        if run is not None and run.problem:
            empty = [[(run.problem, "bad")]]
        elif run is not None and self._reading:
            empty = [[("reading its checkpoints", "dim")]]
        elif run is not None:
            empty = [
                [("No checkpoint yet.", "bold")],
                [(key("checkpoints.train"), "accent bold"), " queues training of this run"],
            ]
        self.steps.show([self._row(info) for info in self._found], empty)
        if self._follow[1] is not None and self._follow[1] in self.steps.keys:
            self.steps.move_to(self._follow[1])
            self._follow = (None, None)
        self._about()

    def _row(self, info: "CheckpointInfo") -> Row:
        m = info.manifest
        mark = ("●", "accent") if f"{self._run}@{info.step}" in self._marks else ""
        if m is None:
            problem = _short(info)
            bare: tuple[Piece, ...] = (
                mark,
                str(info.step),
                "",
                "",
                "",
                "",
                "",
                (f"damaged: {problem}", "bad"),
            )
            return Row(str(info.step), bare, f"{info.step} damaged")
        words = [*info.tags, *(["chunk end"] if m.chunk_end else [])]
        said = ", ".join([*(["best"] if info.best else []), *words])
        tone = "good" if info.best else "accent" if info.tags else "dim"
        cells = (
            mark,
            f"{info.step:,}",
            f"{m.epochs_seen:.2f}".rstrip("0").rstrip("."),
            number(m.eps_error),
            (number(m.val_loss), "dim"),
            (number(m.train_loss), "dim"),
            (size(info.size), "dim"),
            (said, tone),
        )
        return Row(str(info.step), cells, f"{info.step} e{m.epochs_seen:.4g} {said}")

    def _about(self) -> None:
        run, info = self.snapshot.run(self._run), self._info()
        said: list[Line] = []
        if info is not None and info.problem:
            said.append([("damaged: " + _short(info), "bad")])
        if run is not None:
            came = f" from {run.parent}@{run.parent_step}" if run.parent else ""
            profile = f"profile {run.profile_name}" if run.profile_name else "its own profile"
            what = f"{run.name}{came}, {profile}"
            said.append([(what, "bold"), (f"  {'; '.join(run.changes)}", "accent")])
        if self._marks:
            said.append([("marked ", "dim"), (", ".join(self._marks), "accent")])
        if info is not None and info.manifest is not None:
            m = info.manifest
            rate = f"lr {learning_rate(m.lr)}" if m.lr else ""
            facts = [f"{m.images:,} pictures seen", rate, m.created.replace("T", " ")[:16]]
            said.append([("   ".join(f for f in facts if f), "dim")])
        self.query_one(About).show(said)
        self._show_faces()

    def _show_faces(self) -> None:
        if self._faces is None or self._run is None:
            return
        info = self._info()
        wanted = None if info is None else (self._run, info.step)
        if wanted == self._face_of:
            return
        self._face_of = wanted
        if wanted is None:
            self._faces.show(())
            return
        self.beside(partial(self._load_faces, wanted), "faces")

    async def _load_faces(self, wanted: tuple[str, int]) -> None:
        from ddpm_tui.state.previews import load_faces, worth_showing

        await asyncio.sleep(0.05)  # while one goes through the list, nothing is read
        run, step = wanted
        path = RunFolder(self.ddpm.home.runs / run).preview(step)
        view = self.snapshot.run(run)
        try:
            faces = await asyncio.to_thread(load_faces, path, view.setting("data", "size") if view else None)
        except DdpmError as error:
            self._faces.empty = "no preview of this step" if not path.exists() else error.what
            self._faces.show(())
            return
        room = self._faces.size
        self._faces.show(faces[: worth_showing(len(faces), faces[0].shape[1], room.width - 2, room.height)])

    def on_resize(self) -> None:
        self._face_of = None
        self.call_after_refresh(self._show_faces)

    def on_table_moved(self, event: Table.Moved) -> None:
        if event.table.id == "runs":
            self._look()
        else:
            self._about()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        self.action_details()

    # What the keys are about.

    def _info(self) -> "CheckpointInfo | None":
        step = self.steps.key
        return next((c for c in self._found if str(c.step) == step), None)

    def _chosen_run(self) -> RunView:
        run = self.snapshot.run(self._run)
        if run is None:
            raise UserError(
                "there is no run yet", f"{self.ddpm.key('app.profiles')} picks a profile to train"
            )
        return run

    def _chosen(self) -> "CheckpointInfo":
        run, info = self._chosen_run(), self._info()
        if info is None:
            raise UserError(
                f"run {run.name!r} has no checkpoint here", f"{self.ddpm.key('checkpoints.train')} trains it"
            )
        return info

    def _whole(self) -> "CheckpointInfo":
        """The chosen one, if it is not damaged."""
        info = self._chosen()
        if info.manifest is None:
            raise UserError(f"checkpoint {info.step} is damaged: {_short(info)}", "choose another")
        return info

    def _folder(self) -> RunFolder:
        return RunFolder(self.ddpm.home.runs / self._chosen_run().name)

    def _reference(self) -> str:
        return f"{self._chosen_run().name}@{self._chosen().step}"

    def _changed(self, *_: object) -> None:
        """Something on the disk is different now."""
        self.ddpm.store.poke()
        self._look()

    @property
    def _changes(self) -> Changes:
        return Changes(self.ddpm, self._changed)

    # Keys.

    def action_details(self) -> None:
        if self.runs.has_focus and self._found:
            self.steps.focus()
            return
        folder, info = self._folder(), self._chosen()

        def show(scores: list[tuple[str, str]]) -> None:
            self.app.push_screen(Details(folder, info, scores))

        self.attempt(asyncio.to_thread(scores_of, folder, info.step), show)

    def action_mark(self) -> None:
        reference = self._reference()
        self._whole()
        if reference in self._marks:
            self._marks.remove(reference)
        else:
            self._marks = [*self._marks, reference][-6:]
        self._show_steps()

    def action_compare(self) -> None:
        here = self._reference()
        marked = list(self._marks)
        if len(marked) < 2 and here not in marked:
            marked.append(here)
        if len(marked) < 2:
            raise UserError("mark two checkpoints first", f"{self.ddpm.key('checkpoints.mark')} marks")
        self.ddpm.marked = tuple(marked)
        self.ddpm.call_later(self.ddpm.action_go, "compare")

    def action_sample(self) -> None:
        self._whole()
        reference = self._reference()
        self.app.push_screen(SampleForm(reference, [(reference, "this checkpoint")]), self._sample)

    def _sample(self, answer: dict[str, Any] | None) -> None:
        if answer is not None:
            self.attempt(asks.add(self.ddpm, "sample", {"checkpoint": answer.pop("chosen"), **answer}))

    def action_train(self) -> None:
        self.app.push_screen(TrainForm(self._chosen_run().name), self._train)

    def _train(self, answer: dict[str, Any] | None) -> None:
        if answer is not None:
            self.attempt(asks.train(self.ddpm, **wish(answer.pop("chosen"), answer)))

    def action_evaluate(self) -> None:
        self._whole()
        self.attempt(asks.add(self.ddpm, "evaluate", {"checkpoint": self._reference()}))

    def action_tag(self) -> None:
        info, folder = self._chosen(), self._folder()
        hint = f"has {', '.join(info.tags)}; the same word again takes it away" if info.tags else "one word"
        ask = Ask(
            f"Tag {self._reference()}",
            info.tags[0] if info.tags else "",
            hint,
            lambda tag: check_name("tag", tag),
        )
        self.app.push_screen(
            ask, lambda tag: self.attempt(self._changes.tag(folder, info, tag)) if tag else None
        )

    def action_delete(self) -> None:
        if self.runs.has_focus:
            self.attempt(self._changes.delete_run(self._folder()))
        else:
            info = self._chosen()
            self._marks = [mark for mark in self._marks if mark != self._reference()]
            self.attempt(self._changes.delete(self._folder(), info))

    def action_verify(self) -> None:
        self.attempt(self._changes.verify(self._folder(), self._chosen()))

    def action_export(self) -> None:
        info, folder = self._chosen(), self._folder()
        self._whole()
        target = str(Path.home() / f"{folder.name}-{info.step}")
        ask = Ask(
            f"Export {self._reference()} to",
            target,
            "a new folder: weights (EMA), profile, how to draw from it",
        )
        self.app.push_screen(
            ask, lambda path: self.attempt(self._changes.export(folder, info, Path(path))) if path else None
        )

    def action_rename(self) -> None:
        folder = self._folder()
        ask = Ask(f"Rename run {folder.name}", folder.name, check=lambda name: check_name("run", name))
        self.app.push_screen(
            ask, lambda name: self.attempt(self._rename(folder.name, name)) if name else None
        )

    async def _rename(self, old: str, new: str) -> None:
        if new != old:
            self._follow = (new, None)
            await self._changes.rename(old, new)

    def action_branch(self) -> None:
        info = self._chosen()
        self._whole()
        self.app.push_screen(BranchForm(self.ddpm.home, self._folder(), info), self._branch)

    def _branch(self, answer: tuple[str, list[str]] | None) -> None:
        if answer is not None:
            self.attempt(self._changes.branch(self._folder(), self._chosen(), *answer), self._branched)

    def _branched(self, name: str) -> None:
        self._follow = (name, None)


def _short(info: "CheckpointInfo") -> str:
    """What is wrong with it, without the path that the list tells already."""
    return (info.problem or "").replace(f"{info.folder.path}{os.sep}", "")
