"""The profile editor: arrows choose a setting, typing changes it, every keystroke is checked. Saves nothing itself."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import Dialog
from ddpm_tui.tui.screens.dialogs import Confirm
from ddpm_tui.tui.widgets.line import TextLine
from ddpm_tui.tui.widgets.rows import Line, Rows, fact_lines
from ddpm_tui.tui.widgets.table import Column, Row, Table
from engine.base.errors import DdpmError

if TYPE_CHECKING:
    from ddpm_tui.tui.screens.dialogs import Ask
    from ddpm_tui.tui.state.profile_facts import ProfileEntry, Setting
    from engine.config.profile import Profile

COLUMNS = (Column("setting", 24, grow=1), Column("value", 18, grow=1))


class Costs(Rows):
    """The profile's costs: lines of (name, value)."""

    def __init__(self) -> None:
        super().__init__(id="costs")
        self.facts: list[tuple[str, str]] = []

    def show(self, facts: list[tuple[str, str]]) -> None:
        self.facts = facts
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        return fact_lines(self.facts, width, label=14 if width >= 40 else 11)


class ProfileForm(Dialog[str]):
    """Saves the TOML text with the changes, comments kept, and closes once that is done."""

    BINDINGS = bindings("form")
    AUTO_FOCUS = "#value"
    CSS_PATH = "profiles.tcss"

    def __init__(self, entry: "ProfileEntry", naming: "Callable[[str], Ask] | None" = None) -> None:
        """Make a form. naming: makes the dialog that saves a text under another name, if this one is not the user's."""
        super().__init__()
        self.entry = entry
        self._naming = naming
        self._settings: list[Setting] = []
        self._typed: dict[str, str] = {}
        self._profile: Profile | None = entry.profile
        self._problem: tuple[str, str] = ("", "")
        self._key: str | None = None
        self._figures: list[tuple[str, str]] = []
        """What the last count found, as lines."""
        self._stop = threading.Event()
        self._only_changed = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide tall", id="form"):
            yield Static(f"Profile {self.entry.name}", classes="question", markup=False)
            with Horizontal(id="form-middle"):
                yield Table(COLUMNS, header=False)
                yield Costs()
            yield TextLine(id="find", placeholder="a part of its name")
            yield Static("", id="about-setting", classes="hint", markup=False)
            yield TextLine(id="value")
            yield Static("", id="says", classes="hint", markup=False)
            keys = self.keys_line(
                ("↑↓", "choose"),
                ("form.next_choice", "next choice"),
                ("form.find", "find"),
                ("form.changed", "changed only"),
                ("form.save", "save"),
                ("form.estimate", "measure"),
                ("form.leave", "leave"),
            )
            yield Static(keys, classes="keys", markup=False)

    def on_mount(self) -> None:
        from ddpm_tui.tui.state.profile_facts import settings

        self._settings = settings()
        self.query_one(Table).can_focus = False
        self.query_one("#find").display = False
        self._show()
        self._go()
        self._count()

    def on_unmount(self) -> None:
        self._stop.set()

    # The list.

    def _now(self, key: str) -> str:
        """Return the value as text: typed, else the file's."""
        from ddpm_tui.tui.state.profile_facts import get
        from engine.config.store import value_text

        if key in self._typed:
            return self._typed[key]
        assert self.entry.profile is not None
        return value_text(get(self.entry.profile, key))

    def _show(self) -> None:
        rows = []
        for setting in self._settings:
            changed = setting.key in self._typed
            if self._only_changed and not changed and setting.key != self._key:
                continue
            bad = self._problem[0] == setting.key
            tone = "bad" if bad else "accent bold" if changed else ""
            mark = "* " if changed else "  "
            value = self._now(setting.key) or "–"
            rows.append(Row(setting.key, ((mark + setting.key, "bold" if changed else "dim"), (value, tone))))
        self.query_one(Table).show(rows)

    def _setting(self) -> "Setting | None":
        """Return the setting under the cursor; None if no setting has the searched words."""
        key = self.query_one(Table).key
        return next((s for s in self._settings if s.key == key), None)

    def _go(self) -> None:
        """Show the setting under the cursor in the line below."""
        setting = self._setting()
        if setting is None or setting.key == self._key:
            return
        self._key = setting.key
        field = self.query_one("#value", Input)
        with field.prevent(Input.Changed):
            field.value = self._now(setting.key)
        field.select_all()  # as in every other field: typing replaces it
        choices = f"one of {', '.join(setting.choices)}" if setting.choices else ""
        about = "; ".join(part for part in (setting.about, choices) if part)
        self.query_one("#about-setting", Static).update(f"{setting.key}{': ' + about if about else ''}")

    def on_table_moved(self) -> None:
        self._go()

    def action_cursor(self, by: int) -> None:
        self.query_one(Table).action_cursor(by)

    def action_page(self, by: int) -> None:
        self.query_one(Table).action_page(by)

    def action_choice(self, by: int) -> None:
        """Take the next allowed value; do nothing if there is no list of them."""
        setting = self._setting()
        choices = setting.choices if setting else ()
        if not choices or not self.query_one("#value").has_focus:
            return
        field = self.query_one("#value", Input)
        at = choices.index(field.value) if field.value in choices else -by if by > 0 else 0
        field.value = choices[(at + by) % len(choices)]
        field.cursor_position = len(field.value)

    def action_back(self) -> None:
        """Set this setting back to the file's value."""
        setting = self._setting()
        if setting is not None:
            self._typed.pop(setting.key, None)
            self.query_one("#value", Input).value = self._now(setting.key)

    # Checking.

    # Finding.

    def action_find(self) -> None:
        """Show only the settings with the typed words; after enter, all of them with the cursor on the one."""
        line = self.query_one("#find", TextLine)
        if line.has_focus:
            self._found()
        else:
            line.display = True
            line.value = ""
            line.focus()

    def _found(self) -> None:
        table, line = self.query_one(Table), self.query_one("#find", TextLine)
        key = table.key
        line.display = False
        table.filter("")
        table.move_to(key)
        self.query_one("#value", Input).focus()
        self._go()

    def action_enter(self) -> None:
        """Go to the setting that was found, else to the next one."""
        if self.query_one("#find").has_focus:
            self._found()
        else:
            self.action_cursor(1)

    def action_changed(self) -> None:
        """Show only the settings that were changed, or all of them."""
        self._only_changed = not self._only_changed
        self._show()
        self._go()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "find":
            self.query_one(Table).filter(event.value)
            return
        from ddpm_tui.tui.state.profile_facts import get
        from engine.config.store import value_text

        key = self._key
        if key is None or self.entry.profile is None:
            return
        if event.value.strip() == value_text(get(self.entry.profile, key)):
            self._typed.pop(key, None)
        else:
            self._typed[key] = event.value
        self._check()

    def on_input_submitted(self) -> None:
        self.action_cursor(1)

    def text(self) -> str:
        """Return the TOML with the changes."""
        from ddpm_tui.tui.state.profile_facts import typed
        from engine.config.store import edit_toml

        return edit_toml(self.entry.text, {key: typed(key, text) for key, text in self._typed.items()})

    def _check(self) -> None:
        from engine.config.store import ProfileError, parse_profile

        says = self.query_one("#says", Static)
        try:
            self._profile = parse_profile(self.text(), self.entry.name)
            self._problem = ("", "")
            said, bad = "; ".join(self._profile.warnings()), False
        except ProfileError as error:
            self._profile = None
            first = error.problems[0]
            more = f"; and {len(error.problems) - 1} more" if len(error.problems) > 1 else ""
            self._problem = (first.key, first.message)
            said, bad = f"{first.key}: {first.message}{f' ({first.hint})' if first.hint else ''}{more}", True
        says.update(said)
        says.set_class(bad, "bad")
        self._show()
        self._count()

    # The costs.

    def _count(self) -> None:
        self._stop.set()
        self.beside(self._count_soon, "count")

    async def _count_soon(self) -> None:
        from ddpm_tui.tui.state.profile_facts import costs, counted

        await asyncio.sleep(0.15)
        show = self.query_one(Costs).show
        profile = self._profile
        if profile is None:
            show([("", "not a valid profile yet: see below")])
            return
        facts = await asyncio.to_thread(counted, self.ddpm.home, profile)
        # The last figures stay until the new ones come, so that the layout stays still while the user types.
        show([*(self._figures or [("", "counting …")]), *facts])
        try:
            figures = await self.ddpm.estimator.figures(profile.to_dict())
        except DdpmError as error:
            self._figures = []
            show([("", str(error)), *facts])
            return
        if figures is None:
            return  # a newer question was asked
        self._figures = costs(profile, figures)
        show([*self._figures, ("", f"{self.ddpm.key('form.estimate')} measures the speed"), *facts])

    def action_estimate(self) -> None:
        if self._profile is None:
            self.query_one("#says", Static).update("fix it first:  " + self._problem[1])
            return
        self._stop.set()
        self._stop = threading.Event()
        self.beside(partial(self._measure, self._profile, self._stop), "count")

    async def _measure(self, profile: "Profile", stop: threading.Event) -> None:
        from ddpm_tui.tui.state.profile_facts import costs, counted, estimate

        facts = await asyncio.to_thread(counted, self.ddpm.home, profile)
        show = self.query_one(Costs).show
        show([("", "measuring …"), *self._figures, *facts])
        try:
            figures = await asyncio.to_thread(
                estimate, self.ddpm.home, profile, True, stop, lambda text: None
            )
        except DdpmError as error:
            show([("", str(error)), *facts])
            return
        if figures:
            show([*costs(profile, figures), *facts])

    # Leaving.

    def action_save(self) -> None:
        if self._profile is None:
            return  # the reason is shown below already
        if not self._typed:
            self.dismiss(None)
            return
        if self._naming is None:
            self.submit(self.text())
        else:
            self.app.push_screen(self._naming(self.text()), lambda name: name and self.dismiss(None))

    def refused(self, why: str) -> None:
        says = self.query_one("#says", Static)
        says.update(why)
        says.add_class("bad")

    def action_leave(self) -> None:
        if self.query_one("#find").has_focus:
            self._found()
            return
        if not self._typed:
            self.dismiss(None)
            return
        count = len(self._typed)
        question = f"Leave without saving {count} change{'s' if count > 1 else ''}?"
        self.app.push_screen(
            Confirm(question, ", ".join(self._typed), "leave: the changes are lost", "keep editing"),
            lambda yes: yes and self.dismiss(None),
        )
