"""Dialogs of the data screen: which pictures to add, and the profile to train on them."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import Dialog
from ddpm_tui.tui.screens.forms import Field, Form, priority_field, with_turn
from ddpm_tui.tui.state.reading import profile_names
from ddpm_tui.tui.widgets.line import TextLine
from ddpm_tui.tui.widgets.table import Column, Row, Table
from engine.base.errors import DdpmError, UserError
from engine.service.states import Priority

if TYPE_CHECKING:
    from ddpm_tui.tui.state.datasets import DataSet

SIZES = (8, 512)
REST_S = 0.1


class AddData(Dialog[dict[str, Any]]):
    """A path with completion; a choice in the list goes into it. Answers path, name, size and exclude."""

    BINDINGS = [*bindings("dialog"), *bindings("path")]
    AUTO_FOCUS = "#path"

    def __init__(self, start: str = "") -> None:
        super().__init__()
        self._start = start or f"{Path.home()}/"

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Static("Add pictures: a folder or a zip", classes="question", markup=False)
            yield TextLine(self._start, id="path")
            yield Table(
                [Column("", 30, grow=1)],
                header=False,
                empty=[[("no folder or zip begins with this", "dim")]],
            )
            with Horizontal(classes="fields"):
                for name, label, value, width in (
                    ("name", "name", "", 14),
                    ("size", "pixels", "32", 4),
                    ("exclude", "leave out", "", 14),
                ):
                    yield Static(f"{label} ", classes="label", markup=False)
                    box = TextLine(value, id=f"field-{name}")
                    box.styles.width = width
                    yield box
            yield Static("", id="says", classes="hint", markup=False)
            keys = self.keys_line(
                ("path.complete", "complete"), ("↑↓", "choose"), ("enter", "add it"), ("dialog.close", "back")
            )
            yield Static(keys, classes="keys", markup=False)

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.can_focus = False
        table.styles.height = max(3, min(12, self.app.size.height - 19))
        path = self.query_one("#path", TextLine)
        path.select_on_focus = False
        path.action_end()
        self._list()
        self._tell("subfolders are included; files that are not pictures are counted and left out")

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "path":
            self._list()

    def _list(self) -> None:
        self.beside(self._look, "look")

    async def _look(self) -> None:
        from ddpm_tui.tui.state.datasets import completions

        await asyncio.sleep(REST_S)  # no folder is read while the user types
        text = self.query_one("#path", Input).value
        found = await asyncio.to_thread(completions, text)
        rows = [Row(path, ((Path(path).name + ("/" if path.endswith("/") else ""), ""),)) for path in found]
        self.query_one(Table).show(rows)

    def action_complete(self) -> None:
        """Complete the path as far as all matches agree, wholly if only one is left. In other fields go to
        the next one."""
        path = self.query_one("#path", TextLine)
        if not path.has_focus:
            self.app.action_focus_next()
            return
        from ddpm_tui.tui.state.datasets import common_start, completions

        found = completions(path.value)
        begun = common_start(found) if found else ""
        if len(begun) > len(str(Path(path.value or "~/").expanduser())):
            self._put(begun)
        elif found and (chosen := self.query_one(Table).key):
            self._put(chosen)

    def action_cursor(self, by: int) -> None:
        self.query_one(Table).action_cursor(by)

    @on(Table.Chosen)
    def _clicked(self, event: Table.Chosen) -> None:
        if event.key is not None:
            self._put(event.key)

    def _put(self, text: str) -> None:
        path = self.query_one("#path", TextLine)
        path.value = text
        path.action_end()

    def _tell(self, text: str, bad: bool = False) -> None:
        says = self.query_one("#says", Static)
        says.update(text)
        says.set_class(bad, "bad")

    def on_input_submitted(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        try:
            answer = self._answer()
        except UserError as error:
            self.refused(str(error))
        else:
            self._tell(f"looking through {answer['path']} …")
            self.submit(answer)

    def _answer(self) -> dict[str, Any]:
        def value(field: str) -> str:
            return self.query_one(f"#{field}", Input).value.strip()

        size = value("field-size")
        least, most = SIZES
        if not size.isdecimal() or not least <= int(size) <= most:
            raise UserError(f"pixels: {size!r} is not a whole number from {least} to {most}")
        if not value("path"):
            raise UserError("the path is missing", "type the path of your pictures")
        return {
            "path": str(Path(value("path")).expanduser()),
            "name": value("field-name") or None,
            "size": int(size),
            "exclude": tuple(value("field-exclude").split()) or None,
        }

    def refused(self, why: str) -> None:
        self._tell(why, bad=True)


class TrainOn(Form):
    """Asks for the profile to train on a data set. chosen: its name."""

    QUESTION = "Train on it"
    FIELDS = (
        Field("to_epoch", "to epoch", ""),
        Field("limit", "pictures", ""),
        priority_field(Priority.NORMAL),
    )

    def __init__(self, data: "DataSet") -> None:
        super().__init__(_fitting(data))
        self.QUESTION = f"Train on {data.name}: which profile?"
        self._data = data
        self._said: dict[str, str] = {}

    async def options(self) -> Sequence[Row]:
        rows = []
        for profile in sorted(
            await asyncio.to_thread(profile_names, self.ddpm.home), key=lambda p: not p.own
        ):
            if not profile.problem:
                rows.append(Row(profile.name, (profile.name, (profile.description, "dim"))))
        return rows

    async def preview(self, chosen: str, values: dict[str, Any]) -> str:
        wish = train_wish(self._data, chosen, values)
        reply = await self.ddpm.store.link.request("train", dry_run=True, **wish)
        says = "; ".join(reply.get("says") or ())
        if chosen not in self._said:
            self._said[chosen] = ""
            self.beside(partial(self._count, chosen), "count")
        return with_turn(
            "; ".join(part for part in (says, self._said[chosen]) if part), values, Priority.NORMAL
        )

    async def _count(self, chosen: str) -> None:
        """Show the profile's needs in a few words; they come later than the line about the job to queue."""
        from ddpm_tui.tui.state.profile_facts import figures_in_short

        try:
            said = await figures_in_short(self.ddpm.home, self.ddpm.estimator, chosen)
        except DdpmError:
            return  # the job to queue is shown all the same
        if said:
            self._said[chosen] = said
            self._look()


def _fitting(data: "DataSet") -> str:
    """Return the suggested profile: one for any pictures, or for CelebA."""
    sizes = [manifest.size for _, manifest in data.packed]
    if data.built_in or 32 in sizes:
        return "demo"
    return "celeba64" if data.source.celeba else "folder"


def train_wish(data: "DataSet", profile: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the request to the service: always a new run, cropped as the data set is packed, of all its
    pictures unless a number is given."""
    changes = [f"data.dataset={data.name}"]
    if not data.built_in:
        changes += [f"data.recipe={data.recipe}", f"data.limit={values.get('limit') or 'none'}"]
    elif values.get("limit"):
        changes.append(f"data.limit={values['limit']}")
    to_epoch = values.get("to_epoch")
    return {
        "target": profile,
        "new": True,
        "set": changes,
        "to_epoch": to_epoch,
        "chunks": None if to_epoch else 1,
        "priority": values.get("priority"),
    }
