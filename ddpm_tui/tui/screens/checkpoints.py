"""Screen 3: runs as a tree of branches, the checkpoints of one, and the actions on each."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Grid
from textual.widget import Widget

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens import asks
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.screens.checkpoint_changes import CheckpointChanges
from ddpm_tui.tui.screens.checkpoint_dialogs import (
    BranchForm,
    Details,
    delete_question,
    export_question,
    rename_question,
    scores_of,
    tag_question,
    whole_path,
)
from ddpm_tui.tui.screens.checkpoint_faces import CheckpointFaces
from ddpm_tui.tui.screens.checkpoint_facts import CheckpointFacts
from ddpm_tui.tui.screens.checkpoint_rows import COLUMNS, checkpoint_row, fault, no_checkpoint_lines
from ddpm_tui.tui.screens.checkpoint_strip import CheckpointStrip
from ddpm_tui.tui.screens.dialogs import Confirm
from ddpm_tui.tui.screens.evaluate_form import EvaluateForm
from ddpm_tui.tui.screens.forms import SampleForm, TrainForm, wish
from ddpm_tui.tui.screens.run_tree import RunTree
from ddpm_tui.tui.state.lineage import CheckpointReader
from ddpm_tui.tui.state.snapshot import RunView, Snapshot
from ddpm_tui.tui.widgets.filter import FilterLine
from ddpm_tui.tui.widgets.rows import Line
from ddpm_tui.tui.widgets.table import Table
from engine.base.errors import UserError
from engine.base.folders import RunFolder

if TYPE_CHECKING:
    from engine.runs.checkpoints import CheckpointInfo


class CheckpointsScreen(BaseScreen):
    """Left the runs and the faces of the checkpoint, right the checkpoints, newest first. On a large terminal runs,
    checkpoints, and then large faces over all that is known of the checkpoint."""

    NAME = "checkpoints"
    LIST = "#runs"
    BINDINGS = [
        *bindings("checkpoints"),
        *bindings("list", only=["list.filter", "list.unfilter", "list.next_pane", "list.previous_pane"]),
        *bindings("app"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide"), (160, "-large")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]

    def __init__(self) -> None:
        super().__init__()
        self._reader = CheckpointReader()
        self._found: tuple[CheckpointInfo, ...] = ()
        self._run: str | None = None
        self._marks: list[str] = []
        self._follow: tuple[str | None, str | None] = (None, None)
        self._reading = False
        self._begun = False
        """Whether the cursor was put on what is being trained."""
        self._narrowed: Table | None = None

    def body(self) -> ComposeResult:
        with Grid(id="lists"):
            yield RunTree()
            yield Table(COLUMNS, id="steps")
            yield CheckpointFaces()
            yield CheckpointStrip()
            yield CheckpointFacts()

    def on_mount(self) -> None:
        self.steps.focus()

    @property
    def runs(self) -> RunTree:
        return self.query_one(RunTree)

    @property
    def steps(self) -> Table:
        return self.query_one("#steps", Table)

    def open(self, run: str, step: int | None = None) -> None:
        """Put the cursors on a run and one of its checkpoints."""
        self._follow = (run, None if step is None else str(step))
        self.repaint()

    async def action_filter(self) -> None:
        """Narrow the focused list; the other list's words are cleared."""
        into = self.runs if self.runs.has_focus else self.steps if self.steps.has_focus else None
        await super().action_filter()
        if into is not None and into is not self._narrowed:
            self.query_one(FilterLine).value = ""
            self._narrow("")
            self._narrowed = into

    def filtered(self, words: str) -> None:
        self._narrow(words.strip())

    def _narrow(self, words: str) -> None:
        if self._narrowed is self.steps:
            self.steps.filter(words)
        elif self._narrowed is self.runs:
            self.runs.narrow(words)

    def painted_first(self) -> None:
        self.beside(self._bring_faces)

    async def _bring_faces(self) -> None:
        while not self.query(CheckpointStrip):  # the boxes of a screen come one after the other
            await asyncio.sleep(0.02)
        await self.query_one(CheckpointFaces).bring()
        await self.query_one(CheckpointStrip).bring()

    # Painting.

    def paint(self, snapshot: Snapshot) -> None:
        key = self.ddpm.key
        self.runs.show_runs(
            snapshot,
            [
                [("No run yet.", "bold")],
                [(key("app.profiles"), "accent bold"), " picks a profile"],
                [(key("profiles.train"), "accent bold"), " there trains it"],
            ],
        )
        if not self._begun and snapshot.loaded:
            self._begun = True
            if self._follow[0] is None and snapshot.live:
                self._follow = (snapshot.live[0].run, None)
        if self._follow[0] is not None and self.runs.go_to(self._follow[0]):
            self._follow = (None, self._follow[1])
        self._look()
        self.query_one(CheckpointFacts).look(snapshot)
        for strip in self.query(CheckpointStrip):
            self.ddpm.store.follow(self.NAME, [strip.run] if strip.run else [])
            strip.look(snapshot)

    def on_resize(self) -> None:
        self.call_after_refresh(self._about)

    def _look(self) -> None:
        """Read the checkpoints of the run under the cursor, if its files changed."""
        run = self.runs.run
        changed = run != self._run or run is None
        self._run = run
        if run is not None and not self._reading:
            self._reading = True
            self.read(partial(self._read, run), "steps")
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
            empty = no_checkpoint_lines(run, self.ddpm.undo.next, key)
        else:
            empty = self.runs.study_lines(key("checkpoints.details"))
        self.steps.show(
            [checkpoint_row(c, f"{self._run}@{c.step}" in self._marks) for c in self._found], empty
        )
        if self._follow[1] is not None and self._follow[1] in self.steps.keys:
            self.steps.move_to(self._follow[1])
            self._follow = (None, None)
        self._about()

    def _about(self) -> None:
        run, info = self.snapshot.run(self._run), self._info()
        self.query_one(CheckpointFacts).tell(run, info, self._marks)
        for strip in self.query(CheckpointStrip):
            strip.show(run, self._found, info.step if info else None)
        faces = self.query_one(CheckpointFaces)
        if run is None or info is None:
            faces.show(None)
        else:
            faces.show(self._folder(), info, run.setting("data", "size"))

    def on_table_moved(self, event: Table.Moved) -> None:
        if event.table.id == "runs":
            self._look()
        else:
            self._about()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        self.action_details()

    # The objects of the keys.

    def _info(self) -> "CheckpointInfo | None":
        step = self.steps.key
        return next((c for c in self._found if str(c.step) == step), None)

    def _chosen_run(self) -> RunView:
        run, study = self.snapshot.run(self._run), self.runs.study
        if study is not None:
            raise UserError(
                f"study {study.study} is many runs",
                f"{self.ddpm.key('checkpoints.details')} shows them; choose one",
            )
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
        """Return the chosen checkpoint. Raises UserError if it is damaged."""
        info = self._chosen()
        if info.manifest is None:
            raise UserError(f"checkpoint {info.step} is damaged: {fault(info)}", "choose another")
        return info

    def _folder(self) -> RunFolder:
        return RunFolder(self.ddpm.home.runs / self._chosen_run().name)

    def _reference(self) -> str:
        return f"{self._chosen_run().name}@{self._chosen().step}"

    def _changed(self, *_: object) -> None:
        """Read again after a change on the disk."""
        self.ddpm.store.poke()
        self._look()

    @property
    def _changes(self) -> CheckpointChanges:
        return CheckpointChanges(self.ddpm, self._changed)

    # Keys.

    def action_details(self) -> None:
        if self.runs.study is not None:
            self.runs.fold()
            return
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
        self.ask(SampleForm(reference, [(reference, "this checkpoint")]), self._sample)

    async def _sample(self, answer: dict[str, Any]) -> None:
        await asks.add(self.ddpm, "sample", {"checkpoint": answer.pop("chosen"), **answer})

    def action_train(self) -> None:
        self.ask(TrainForm(self._chosen_run().name), self._train)

    async def _train(self, answer: dict[str, Any]) -> None:
        await asks.train(self.ddpm, **wish(answer.pop("chosen"), answer))

    def action_evaluate(self) -> None:
        run, info = self._chosen_run(), self._whole()
        self.ask(EvaluateForm(run, info.step), partial(self._evaluate, self._reference()))

    async def _evaluate(self, reference: str, args: dict[str, Any]) -> None:
        await asks.add(self.ddpm, "evaluate", {"checkpoint": reference, **args})

    def action_tag(self) -> None:
        info, folder = self._chosen(), self._folder()
        self.ask(tag_question(folder, info), partial(self._changes.tag, folder, info))

    def action_delete(self) -> None:
        if self.runs.has_focus:
            folder, undo = self._folder(), self.ddpm.key("app.undo")
            self.attempt(
                asyncio.to_thread(delete_question, self.ddpm.home, folder, undo), partial(self._ask, folder)
            )
        else:
            info = self._chosen()
            self._marks = [mark for mark in self._marks if mark != self._reference()]
            self.attempt(self._changes.delete(self._folder(), info))

    def _ask(self, folder: RunFolder, question: Confirm) -> None:
        self.app.push_screen(
            question, lambda yes: self.attempt(self._changes.delete_run(folder)) if yes else None
        )

    def pane_to_zoom(self) -> Widget | None:
        return self.query_one(CheckpointFaces)

    def offers(self, key_id: str) -> bool:
        run, info = self.snapshot.run(self._run), self._info()
        whole = info is not None and info.manifest is not None
        needed = {
            "checkpoints.branch": whole,
            "checkpoints.sample": whole,
            "checkpoints.mark": whole,
            "checkpoints.evaluate": whole,
            "checkpoints.export": whole,
            "checkpoints.tag": info is not None,
            "checkpoints.verify": info is not None,
            "checkpoints.details": info is not None or self.runs.study is not None,
            "checkpoints.compare": len({*self._marks, f"{self._run}@{self.steps.key}"}) > 1,
            "checkpoints.train": run is not None,
            "checkpoints.rename": run is not None,
            "checkpoints.delete": run is not None if self.runs.has_focus else info is not None,
        }
        return needed.get(key_id, True)

    def label(self, key_id: str) -> str:
        if key_id == "checkpoints.mark" and f"{self._run}@{self.steps.key}" in self._marks:
            return "unmark"
        return "delete run" if key_id == "checkpoints.delete" and self.runs.has_focus else ""

    def action_verify(self) -> None:
        self.attempt(self._changes.verify(self._folder(), self._chosen()), holds=False)

    def action_export(self) -> None:
        info, folder = self._whole(), self._folder()
        self.app.push_screen(
            export_question(folder, info),
            lambda path: self._export(folder, info, path),
        )

    def _export(self, folder: RunFolder, info: "CheckpointInfo", path: str | None) -> None:
        if path:
            self.attempt(self._changes.export(folder, info, whole_path(path)), holds=False)

    def action_rename(self) -> None:
        folder = self._folder()
        self.ask(rename_question(folder), partial(self._rename, folder.name))

    async def _rename(self, old: str, new: str) -> None:
        if new != old:
            await self._changes.rename(old, new)
            self._follow = (new, None)
            await self.ddpm.store.caught_up()

    def action_branch(self) -> None:
        folder, info = self._folder(), self._whole()
        self.ask(BranchForm(self.ddpm.home, folder, info), partial(self._branch, folder, info))

    async def _branch(self, folder: RunFolder, info: "CheckpointInfo", answer: tuple[str, list[str]]) -> None:
        self._follow = (await self._changes.branch(folder, info, *answer), None)
        await self.ddpm.store.caught_up()
