"""Dialogs of the checkpoints screen: questions, branching with changes checked while one types, all facts of one."""

import asyncio
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input, Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import Dialog
from ddpm_tui.tui.screens.checkpoint_rows import facts_of
from ddpm_tui.tui.screens.dialogs import Ask, Confirm
from ddpm_tui.tui.widgets.line import TextLine
from ddpm_tui.tui.widgets.rows import Line, Rows, fact_lines
from ddpm_tui.words import learning_rate, plural, size
from engine.base.errors import DdpmError, UserError
from engine.base.folders import RunFolder
from engine.base.home import Home, check_name

if TYPE_CHECKING:
    from engine.runs.checkpoints import CheckpointInfo
    from engine.runs.record import RunRecord

CALMER = 0.1
"""A branch is mostly made to go on with a smaller learning rate: this part of it is put forward."""

LABEL = 23
"""Cells for the longest name of a fact, a file's."""


class BranchForm(Dialog[tuple[str, list[str]]]):
    """A name and 'section.key=value' changes. Returns both; their effect is shown while one types."""

    BINDINGS = bindings("dialog")

    def __init__(self, home: Home, run: RunFolder, info: "CheckpointInfo") -> None:
        super().__init__()
        self._home, self._run, self._info = home, run, info
        self._record: RunRecord | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(f"Branch from {self._run.name}@{self._info.step}", classes="question", markup=False)
            yield Static("name of the new run", classes="hint", markup=False)
            yield TextLine(id="name")
            yield Static("changes: section.key=value, separated by spaces", classes="hint", markup=False)
            yield TextLine(id="changes")
            yield Static("", id="says", classes="hint", markup=False)
            keys = self.keys_line(("dialog.accept", "do it"), ("tab", "next field"), ("dialog.close", "back"))
            yield Static(keys, classes="keys", markup=False)

    def on_mount(self) -> None:
        self.beside(self._fill, holds=True)

    async def _fill(self) -> None:
        from engine.runs.record import free_run_name, read_record

        try:
            self._record = await asyncio.to_thread(read_record, self._run)
        except DdpmError as error:
            self._say(str(error), bad=True)
            return
        base = (
            self._run.name.rpartition("-")[0]
            if self._run.name.rpartition("-")[2].isdigit()
            else self._run.name
        )
        self.query_one("#name", Input).value = free_run_name(self._home, base or self._run.name)
        rate = learning_rate(self._record.profile.optim.lr * CALMER)
        self.query_one("#changes", Input).value = f"optim.lr={rate}"
        self.query_one("#changes", Input).focus()
        self._check()

    def _answer(self) -> tuple[str, list[str], tuple[str, ...]]:
        """Return name, overrides, and in words the changes and how it would train. Raises DdpmError."""
        from engine.runs.branch import foretell
        from engine.runs.record import branch_profile

        if self._record is None:
            raise UserError(f"the record of run {self._run.name!r} is not read yet")
        name = check_name("run", self.query_one("#name", Input).value.strip())
        if self._home.run(name).path.exists():
            raise UserError(f"there is already a run named {name!r}", "choose another")
        try:
            overrides = shlex.split(self.query_one("#changes", Input).value)
        except ValueError as error:
            raise UserError(f"the changes cannot be read ({error})") from None
        profile, changes = branch_profile(self._record.profile, overrides)
        ahead = foretell(self._record, self._info.whole(), profile)
        return name, overrides, (*(changes or ("nothing changes",)), *ahead)

    def _check(self) -> None:
        try:
            name, _, says = self._answer()
        except DdpmError as error:
            self._say(_here(error), bad=True)
        else:
            self._say(f"{name}: " + "; ".join(says))

    def _say(self, text: str, bad: bool = False) -> None:
        says = self.query_one("#says", Static)
        says.update(text)
        says.set_class(bad, "bad")

    def on_input_changed(self) -> None:
        if self._record is not None:
            self._check()

    def on_input_submitted(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        try:
            name, overrides, _ = self._answer()
        except DdpmError as error:
            self._say(_here(error), bad=True)
        else:
            self.submit((name, overrides))

    def refused(self, why: str) -> None:
        self._say(why, bad=True)


def _here(error: DdpmError) -> str:
    """Return the error without the command line's option: here changes are typed bare."""
    return re.sub(r"--set:? ", "", str(error))


def tag_question(run: RunFolder, info: "CheckpointInfo") -> Ask:
    hint = f"has {', '.join(info.tags)}; enter one again to remove it" if info.tags else "one word"
    return Ask(f"Tag {run.name}@{info.step}", "", hint, lambda tag: check_name("tag", tag))


def export_question(run: RunFolder, info: "CheckpointInfo") -> Ask:
    target = str(Path.home() / f"{run.name}-{info.step}")
    hint = "a new folder: weights (EMA), profile, how to draw from it"

    def check(text: str) -> None:
        if whole_path(text).exists():
            raise UserError(f"{text} already exists", "choose another folder")

    return Ask(f"Export {run.name}@{info.step} to", target, hint, check)


def whole_path(text: str) -> Path:
    """Return the whole path. Raises UserError if it depends on the folder in which the screen was started."""
    try:
        path = Path(text.strip()).expanduser()
    except RuntimeError as error:  # ~USER
        raise UserError(f"{text}: {error}") from None
    if not path.is_absolute():
        raise UserError(f"{text!r} is not an absolute path", "begin with / or ~/")
    return path


def rename_question(run: RunFolder) -> Ask:
    return Ask(f"Rename run {run.name}", run.name, check=lambda name: check_name("run", name))


class Facts(Rows):
    """Names and values, a long value on as many lines as it needs."""

    DEFAULT_CSS = "Facts { height: auto; }"

    def __init__(self, facts: list[tuple[str, str]]) -> None:
        super().__init__()
        self._facts = facts

    def lines(self, width: int, height: int) -> list[Line]:
        return fact_lines(self._facts, width, LABEL)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(fact_lines(self._facts, width, LABEL))


class Details(Dialog[None]):
    """Everything in the manifest that a person may want, and every score with its terms."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "VerticalScroll"

    def __init__(
        self, run: RunFolder, info: "CheckpointInfo", scores: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__()
        self._run, self._info, self._scores = run, info, list(scores)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide"):
            yield Static(f"{self._run.name}@{self._info.step}", classes="question", markup=False)
            if self._info.problem:
                yield Static(self._info.problem, classes="hint bad", markup=False)
            with VerticalScroll(id="all-facts"):
                yield Facts([*facts_of(self._info), *self._scores])
            keys = self.keys_line(("↑↓", "scroll"), ("dialog.close", "back"))
            yield Static(keys, classes="keys", markup=False)

    def action_accept(self) -> None:
        self.dismiss(None)


def delete_question(home: Home, run: RunFolder, undo: str) -> Confirm:
    """Ask whether a whole run is meant, as the key is easily confused with one checkpoint's.

    Reads its folder. Raises BusyError before asking if it cannot be deleted now.

    undo: the key.
    """
    from engine.base.trash import size_of
    from engine.runs.checkpoints import list_checkpoints
    from engine.service.run_changes import check_discard

    check_discard(home, run)
    count, weight = len(list_checkpoints(run)), size_of(run.path)
    return Confirm(
        f"Delete the whole run {run.name}?",
        f"{plural(count, 'checkpoint')} with all curves, previews and samples, {size(weight)}: to the trash, "
        f"{undo} brings them back. One checkpoint alone is deleted in the list at the right.",
        "delete the run",
        "keep it",
    )


def scores_of(run: RunFolder, step: int) -> list[tuple[str, str]]:
    """Return the newest score of each name with all that it depends on, then the unreadable ones. Reads
    files.
    """
    from ddpm_tui.tui.state.scores import newest_scores

    found = newest_scores(run, step)
    scores = [(name, score.line()) for name, score in found.by_name.items()]
    return [*scores, *(("a score", problem) for problem in found.problems)]
