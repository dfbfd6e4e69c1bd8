"""Dialogs with a list and a few fields, which show the effect of enter before it is pressed."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import Dialog
from ddpm_tui.tui.state.reading import ProfileName, profile_names
from ddpm_tui.tui.state.snapshot import RunView, Snapshot
from ddpm_tui.tui.state.studies import gather
from ddpm_tui.tui.widgets.abstract import Abstract
from ddpm_tui.tui.widgets.line import TextLine
from ddpm_tui.tui.widgets.table import Column, Row, Table
from ddpm_tui.words import MOST
from engine.base.errors import DdpmError, UserError, unknown
from engine.base.home import short_reference
from engine.diffusion.samplers import SAMPLERS
from engine.service.states import Priority

NEW = "profile:"
"""Before the name of a profile among the things that can be trained."""


@dataclass(frozen=True)
class Field:
    """One input. kind: "count" (a whole number from 1), "number" (from 0), "choice", "priority"; empty means
    `value` is not given. choices: the values of a choice."""

    name: str
    label: str
    value: str = ""
    kind: str = "count"
    width: int = 8
    choices: tuple[str, ...] = ()


def choice_field(name: str, value: str, choices: Sequence[str]) -> Field:
    """Return a field for one of a few words; any other is answered with the nearest."""
    return Field(name, name, value, "choice", max(map(len, choices)) + 2, tuple(choices))


def priority_field(value: Priority) -> Field:
    """Return the field of a job's priority."""
    names = ", ".join(p.name.lower() for p in Priority)
    return Field("priority", f"priority ({names})", value.name.lower(), "priority", 7)


def with_turn(says: str, values: dict[str, Any], default: Priority) -> str:
    """Return the effect of the form and its turn in the queue, by the priority that the form has or would
    have."""
    turn = _TURNS[Priority.parse(values["priority"]) if "priority" in values else default]
    return f"{says}; goes {turn}" if says else ""


_TURNS = {
    Priority.NORMAL: "last",
    Priority.HIGH: "before waiting training, between the chunks of a running one",
    Priority.NOW: "first: a running training checkpoints and makes room at once",
}


class Form(Dialog[dict[str, Any]], Abstract):
    """A list above, fields below, and a line with the effect of enter.

    Subclasses give `options` and `preview`; all fields go to the next by tab, enter does it from anywhere.
    If FINDS, typing while the list has the focus narrows it.
    """

    BINDINGS = bindings("dialog")
    QUESTION = ""
    FINDS = True
    FIELDS: tuple[Field, ...] = ()

    def __init__(self, current: str = "") -> None:
        super().__init__()
        self._current = current
        self._rows_wanted = 10
        self._asked = 0
        self._find = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Static(self.QUESTION, classes="question", markup=False)
            table = Table([Column("", 14, grow=3), Column("", 12, grow=4)], header=False)
            yield table
            for row in _in_rows(self.FIELDS):
                with Horizontal(classes="fields"):
                    for field in row:
                        yield Static(f"{field.label} ", classes="label", markup=False)
                        box = TextLine(field.value, id=f"field-{field.name}")
                        box.styles.width = field.width
                        yield box
            yield Static("", id="says", classes="hint", markup=False)
            yield Static(self.keys_line(*self.keys_said()), classes="keys", markup=False)

    def keys_said(self) -> list[tuple[str, str]]:
        """Return the keys that the form names; see `keys_line`."""
        find = [("type", "to find")] if self.FINDS else []
        return [*find, ("dialog.accept", "do it"), ("tab", "next field"), ("dialog.close", "back")]

    async def on_mount(self) -> None:
        rows = await self.options()
        table = self.query_one(Table)
        table.styles.margin = (0, 0, 1, 0)
        table.show(rows)
        self._rows_wanted = min(len(rows), 20)
        self._fit()
        table.move_to(self._current)
        table.focus()
        self._look()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        # Frame, question, fields, messages and keys stay in sight: the list has the rest of the box.
        height = self.app.size.height
        lines = 5 if height >= 30 else 4 if height >= 24 else 3
        self.query_one("#says").styles.max_height = lines
        room = int(height * 0.92) - 9 - lines - len(_in_rows(self.FIELDS))
        self.query_one(Table).styles.height = max(1, min(self._rows_wanted, room))

    @abstractmethod
    async def options(self) -> Sequence[Row]:
        """Return the choices: one row each."""

    @abstractmethod
    async def preview(self, chosen: str, values: dict[str, Any]) -> str:
        """Return one sentence on the effect. Raises DdpmError if it is impossible."""

    def values(self) -> dict[str, Any]:
        """Return the filled-in fields, typed. Raises UserError naming the field."""
        found: dict[str, Any] = {}
        for field in self.FIELDS:
            text = self.query_one(f"#field-{field.name}", Input).value.strip()
            if not text:
                continue
            if field.kind == "priority":
                found[field.name] = Priority.parse(text).name.lower()
            elif field.kind == "choice":
                if text not in field.choices:
                    raise unknown(field.name, text, field.choices)
                found[field.name] = text
            else:
                least, most = (1, MOST) if field.kind == "count" else (0, 2**63 - 1)
                # A number of up to twenty digits is cheap to convert.
                if not text.isdecimal() or len(text) > 20 or not least <= int(text) <= most:
                    short = text if len(text) <= 20 else text[:19] + "…"
                    raise UserError(
                        f"{field.label}: {short!r} is not a whole number from {least} to {most:,}"
                    )
                found[field.name] = int(text)
        return found

    def on_key(self, event: events.Key) -> None:
        """Find by letters, also by those that move in other lists; leave the space to forms that mark with
        it."""
        if not self.FINDS or not self.query_one(Table).has_focus:
            return
        if event.key == "backspace":
            self._narrow(self._find[:-1])
        elif event.is_printable and event.character and not event.character.isspace():
            self._narrow(self._find + event.character)
        else:
            return
        event.stop()
        event.prevent_default()

    def _narrow(self, words: str) -> None:
        """Show only rows with `words` in them, the cursor on the first."""
        self._find = words
        question = f"{self.QUESTION}: find {words}▏" if words else self.QUESTION
        self.query_one(".question", Static).update(question)
        table = self.query_one(Table)
        table.filter(words)
        table.move_to(next(iter(table.keys), None) if words else self._current)
        self._look()

    def action_close(self) -> None:
        if self._find:
            self._narrow("")
        else:
            super().action_close()

    def on_input_changed(self) -> None:
        self._look()

    def on_table_moved(self) -> None:
        self._look()

    def _look(self) -> None:
        self._asked += 1
        self.beside(partial(self._say, self._asked), "preview")

    async def _say(self, number: int) -> None:
        await asyncio.sleep(0.1)  # no preview is computed while the user types
        back = f"nothing has that name: backspace or {self.ddpm.key('dialog.close')} goes back"
        text, bad = back if self._find else "", False
        chosen = self.query_one(Table).key
        if chosen is not None:
            try:
                text = await self.preview(chosen, self.values())
            except DdpmError as error:
                text, bad = str(error), True
        if number == self._asked:
            self._tell(text, bad)

    def _tell(self, text: str, bad: bool) -> None:
        says = self.query_one("#says", Static)
        says.update(text)
        says.set_class(bad, "bad")

    def answer(self, chosen: str) -> dict[str, Any]:
        """Return the form's answer for the chosen row. Raises UserError."""
        return {"chosen": chosen, **self.values()}

    def action_accept(self) -> None:
        chosen = self.query_one(Table).key
        if chosen is None and self._find:
            return  # no row has the typed words: there is nothing to do
        if chosen is None:
            self.dismiss(None)
            return
        try:
            answer = self.answer(chosen)
        except UserError as error:
            self.refused(str(error))
        else:
            self.submit(answer)

    def refused(self, why: str) -> None:
        self._asked += 1  # a preview that is under way would write over it
        self._tell(why, bad=True)

    def on_input_submitted(self) -> None:
        self.action_accept()

    def on_table_chosen(self) -> None:
        self.action_accept()


class TrainForm(Form):
    """The run or profile to train, and how far. chosen: a run's name, or NEW + a profile's."""

    QUESTION = "Queue training"
    FIELDS = (
        Field("chunks", "chunks", "1"),
        Field("to_epoch", "or to epoch", ""),
        priority_field(Priority.NORMAL),
    )

    async def options(self) -> Sequence[Row]:
        profiles = await asyncio.to_thread(profile_names, self.ddpm.home)
        own, of_studies = (
            [_run_row(r) for r in runs if not r.problem] for runs in _in_turn(self.ddpm.snapshot)
        )
        mine, shipped = ([_profile_row(p) for p in profiles if p.own is whose] for whose in (True, False))
        self._current = self._current or next((row.key for row in own), "")
        return [*mine, *own, *shipped, *of_studies]

    async def preview(self, chosen: str, values: dict[str, Any]) -> str:
        reply = await self.ddpm.store.link.request("train", dry_run=True, **wish(chosen, values))
        return with_turn("; ".join(reply.get("says") or ()), values, Priority.NORMAL)


def wish(chosen: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return a TrainForm's answer as the service takes it: a profile always means a new run."""
    to_epoch = values.get("to_epoch")
    chunks = None if to_epoch else values.get("chunks")
    asked = {"chunks": chunks, "to_epoch": to_epoch, "priority": values.get("priority")}
    if chosen.startswith(NEW):
        return {"target": chosen.removeprefix(NEW), "new": True, **asked}
    return {"target": chosen, **asked}


class SampleForm(Form):
    """Pictures from a checkpoint. chosen: RUN@WHICH, or an exported folder."""

    QUESTION = "Queue drawing pictures"
    FIELDS = (
        Field("n", "pictures", "64"),
        Field("seed", "seed", "0", "number"),
        Field("steps", "steps", ""),
        choice_field("sampler", "", tuple(SAMPLERS)),
        Field("trajectory", "with trajectory", "8", "number"),
        priority_field(Priority.HIGH),
    )

    def __init__(self, current: str = "", more: Sequence[tuple[str, str]] = ()) -> None:
        """Make a form. more: further (RUN@STEP or exported folder, remark) to choose from, put first."""
        super().__init__(current)
        self._more = more

    async def options(self) -> Sequence[Row]:
        rows = [Row(ref, (short_reference(ref), (remark, "dim"))) for ref, remark in self._more]
        for runs in _in_turn(self.ddpm.snapshot):
            for run in runs:
                rows += [Row(ref, (ref, (remark, "dim"))) for ref, remark in _references(run)]
        return rows

    async def preview(self, chosen: str, values: dict[str, Any]) -> str:
        args = {"checkpoint": chosen, **values}
        args.pop("priority", None)
        reply = await self.ddpm.store.link.request("add", kind="sample", args=args, dry_run=True)
        return with_turn("; ".join(reply.get("says") or ()), values, Priority.HIGH)


def _profile_row(profile: ProfileName) -> Row:
    remark = profile.problem or profile.description
    return Row(NEW + profile.name, (f"new {profile.name}", (remark, "bad" if profile.problem else "dim")))


def _run_row(run: RunView) -> Row:
    return Row(run.name, (run.name, (f"go on, at epoch {run.epoch}", "dim")))


def _in_turn(snapshot: Snapshot) -> tuple[list[RunView], list[RunView]]:
    """Return runs newest first, and apart from them those of studies, which are many and seldom wanted."""
    names = [run.name for run in snapshot.runs]
    groups = gather(names, {run.name: run.parent for run in snapshot.runs})
    of_studies = {name for group in groups if group.study for name in group.runs}
    newest = list(reversed(snapshot.runs))
    return [r for r in newest if r.name not in of_studies], [r for r in newest if r.name in of_studies]


def _references(run: RunView) -> list[tuple[str, str]]:
    if run.problem:
        return []
    latest = (
        f"newest when it starts, now epoch {run.epoch}"
        if run.latest_step is not None
        else "when there is one"
    )
    return [(f"{run.name}@latest", latest), (f"{run.name}@best", "lowest error on held-out pictures")]


def _in_rows(fields: tuple[Field, ...], width: int = 64) -> list[list[Field]]:
    """Group fields that fit on a line together."""
    rows: list[list[Field]] = [[]]
    used = 0
    for field in fields:
        need = len(field.label) + field.width + 4
        if used + need > width:
            rows.append([])
            used = 0
        rows[-1].append(field)
        used += need
    return rows
