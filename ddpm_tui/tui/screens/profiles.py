"""Screen 5: profiles: their settings and costs, differences from another; editing and queueing them."""

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens import asks
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.screens.dialogs import Ask
from ddpm_tui.tui.screens.forms import NEW, TrainForm, wish
from ddpm_tui.tui.screens.profile_changes import ProfileChanges
from ddpm_tui.tui.screens.profile_form import ProfileForm
from ddpm_tui.tui.screens.profile_look import ProfileLook
from ddpm_tui.tui.screens.profile_rows import COLUMNS, AboutProfile, diff_rows, facts_of, profile_row
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.widgets.table import Table
from engine.base.errors import DdpmError, UserError

if TYPE_CHECKING:
    from ddpm_tui.tui.state.profile_facts import ProfileEntry, ProfileReader

REST_S = 0.3
"""How long the cursor rests on a profile before its network is counted."""


class ProfilesScreen(BaseScreen):
    """Left the profiles, right the settings of the one under the cursor, or its differences from the marked
    one."""

    NAME = "profiles"
    LIST = "#list"
    BINDINGS = [
        *bindings("profiles"),
        *bindings("list", only=["list.filter", "list.unfilter"]),
        *bindings("app"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (116, "-wide"), (160, "-large")]

    def __init__(self) -> None:
        super().__init__()
        self._reader: ProfileReader | None = None
        self._entries: tuple[ProfileEntry, ...] = ()
        self._reading = False
        self._marked: str | None = None
        self._figures: dict[str, list[tuple[str, str]]] = {}
        """What it costs, by the profile's text: counted."""
        self._measured: dict[str, list[tuple[str, str]]] = {}
        self._notes: dict[str, str] = {}
        """What is to be said of that: that it is being measured, or why it cannot be told."""
        self._counting = ""
        """The text that was counted last, or is being counted: a failure is tried again on the next visit."""
        self._counted: dict[str, list[tuple[str, str]]] = {}
        self._stop = threading.Event()
        self._follow: str | None = None

    def body(self) -> ComposeResult:
        with Horizontal():
            yield Table(COLUMNS, id="list", empty=[[("…", "dim")]])
            yield AboutProfile()
            yield ProfileLook()

    def on_mount(self) -> None:
        self.table.focus()

    def on_unmount(self) -> None:
        self._stop.set()

    @property
    def table(self) -> Table:
        return self.query_one("#list", Table)

    def open(self, profile: str) -> None:
        """Put the cursor on a profile, as soon as it is there."""
        self._follow = profile
        self.repaint()

    def filtered(self, words: str) -> None:
        self.table.filter(words)

    def painted_first(self) -> None:
        self.read(self._import, "list")

    async def _import(self) -> None:
        def load() -> Any:
            from ddpm_tui.tui.state.profile_facts import ProfileReader

            return ProfileReader

        reader = await asyncio.to_thread(load)
        self._reader = reader(self.ddpm.home)
        while not self.query(ProfileLook):  # the boxes of a screen come one after the other
            await asyncio.sleep(0.02)
        self.repaint()
        await self.query_one(ProfileLook).bring()

    # The list.

    def paint(self, snapshot: Snapshot) -> None:
        if self._reader is not None and not self._reading:
            self._reading = True
            look = partial(self._read, self._reader)
            if self._entries and self._follow is None:
                self.beside(look)
            else:
                self.read(look, "list")

    async def _read(self, reader: "ProfileReader") -> None:
        try:
            found = await asyncio.to_thread(reader.read)
        finally:
            self._reading = False
        if found is not self._entries:
            self._entries = found
            self._list()
        if self._follow in self.table.keys:
            self.table.move_to(self._follow)
            self._follow = None

    def _list(self) -> None:
        rows = [profile_row(entry, entry.name == self._marked) for entry in self._entries]
        key = self.ddpm.key("profiles.new")
        self.table.show(rows, [[("No profile.", "bold")], [(key, "accent bold"), " makes one"]])
        self._about()

    def _entry(self, name: str | None = None) -> "ProfileEntry | None":
        name = name or self.table.key
        return next((e for e in self._entries if e.name == name), None)

    def _chosen(self) -> "ProfileEntry":
        entry = self._entry()
        if entry is None:
            raise UserError("no profile is chosen")
        return entry

    def _usable(self) -> "ProfileEntry":
        entry = self._chosen()
        if entry.profile is None:
            raise UserError(entry.problems[0], f"{self.ddpm.key('profiles.editor')} opens it in your editor")
        return entry

    def on_table_moved(self) -> None:
        self._about()

    def on_table_chosen(self) -> None:
        self.action_edit()

    def _about(self) -> None:
        entry = self._entry()
        for look in self.query(ProfileLook):
            look.show(entry, self.snapshot)
        about = self.query_one(AboutProfile)
        if entry is None:
            about.show([])
            return
        if entry.profile is None:
            editor = self.ddpm.key("profiles.editor")
            facts = [("cannot be used", entry.problems[0]), *(("", p) for p in entry.problems[1:])]
            about.show([*facts, ("", ""), ("", f"{editor} opens it in your editor")], "bad")
            return
        other = self._entry(self._marked) if self._marked else None
        if other is not None and other.profile is not None and other.name != entry.name:
            about.show_diff(diff_rows(other, entry))
            return
        if self._counting != entry.text:
            self._counting = entry.text
            self._notes.pop(entry.text, None)
            self.beside(partial(self._count, entry), "count")
        about.show(self._facts(entry))

    def _facts(self, entry: "ProfileEntry") -> "list[tuple[str, str]]":
        profile = entry.profile
        assert profile is not None
        facts = [
            ("profile", f"{entry.name}, {'yours' if entry.own else 'shipped'}"),
            ("for", profile.description),
        ]
        # Measured costs come first, in sight; merely counted ones come last.
        measured, note = self._measured.get(entry.text), self._notes.get(entry.text)
        facts += [("cost", note)] if note else []
        facts += measured or []
        facts += facts_of(profile)
        facts += self._counted.get(entry.text, [])
        facts += [("warning", text) for text in profile.warnings()]
        if measured is None:
            facts += self._figures.get(entry.text, [])
        if measured is None and not note and entry.text not in self._figures:
            facts.append(("", "counting …"))
        elif measured is None and not note:
            facts.append(("", f"{self.ddpm.key('profiles.estimate')} measures the speed here"))
        return facts

    async def _count(self, entry: "ProfileEntry") -> None:
        """Show the figures that need no training, for the profile that the cursor rests on."""
        from ddpm_tui.tui.state.profile_facts import costs, counted

        profile = entry.profile
        assert profile is not None
        self._counted[entry.text] = await asyncio.to_thread(counted, self.ddpm.home, profile)
        self._about()
        if entry.text in self._figures:
            return
        await asyncio.sleep(REST_S)
        try:
            figures = await self.ddpm.estimator.figures(profile.to_dict())
        except DdpmError as error:
            self._note(entry, str(error))
            return
        if figures is not None:
            self._figures[entry.text] = costs(profile, figures)
            self._about()

    # Keys.

    def pane_to_zoom(self) -> Widget | None:
        return self.query_one(AboutProfile)

    def offers(self, key_id: str) -> bool:
        entry = self._entry()
        usable = entry is not None and entry.profile is not None
        needed = {
            "profiles.save": False,  # of the form
            "profiles.editor": entry is not None,
            "profiles.delete": entry is not None and entry.own,
        }
        return needed.get(key_id, usable or not key_id.startswith("profiles."))

    def action_mark(self) -> None:
        entry = self._usable()
        self._marked = None if self._marked == entry.name else entry.name
        if self._marked:
            self.ddpm.say(f"{entry.name} is marked: others are shown by how they differ from it")
        self._list()

    def action_train(self) -> None:
        entry = self._usable()
        self.ask(TrainForm(NEW + entry.name), self._train)

    async def _train(self, answer: dict[str, Any]) -> None:
        await asks.train(self.ddpm, **wish(answer.pop("chosen"), answer))

    def action_edit(self) -> None:
        """Edit a profile: a user's is replaced; a shipped one becomes one of the user's with a name of its
        own."""
        entry = self._usable()

        def left(_: str | None) -> None:
            self._counting = ""  # the form's newer questions may have replaced ours
            self._about()

        form = ProfileForm(entry, None if entry.own else partial(self._naming, entry))
        form.do = partial(self._changes.save, entry.name)
        self.app.push_screen(form, left)

    def action_save(self) -> None:
        self.ddpm.say(f"nothing is being changed: {self.ddpm.key('profiles.edit')} opens the form", "dim")

    def _naming(
        self, entry: "ProfileEntry", text: str, question: str = "Name of your profile", hint: str = ""
    ) -> Ask:
        """Return a dialog that asks for the name of the user's profile for `text`, and saves it."""
        hint = hint or "included ones stay unchanged"
        ask = Ask(question, f"my-{entry.name}", hint, self._changes.check_free)
        ask.do = lambda name: self._changes.save(name, text)
        return ask

    @property
    def _changes(self) -> ProfileChanges:
        return ProfileChanges(self.ddpm, self.open)

    def action_new(self) -> None:
        entry = self._usable()
        self.app.push_screen(self._naming(entry, entry.text, f"New profile from {entry.name}", "its name"))

    def action_editor(self) -> None:
        """Open a copy in the user's editor; check and save it afterwards. A broken profile of the user's
        opens as it is."""
        entry = self._chosen()
        text = self._changes.edit(entry)
        if text is None:
            self.ddpm.say("nothing was changed", "dim")
        elif entry.own:
            self.attempt(self._changes.save(entry.name, text))
        else:
            self.app.push_screen(self._naming(entry, text))

    def action_delete(self) -> None:
        entry = self._chosen()
        if not entry.own:
            raise UserError(
                f"{entry.name} is included with the program", "only your own profiles can be deleted"
            )
        self.attempt(self._changes.delete(entry))

    def action_estimate(self) -> None:
        entry = self._usable()
        self._stop.set()
        self._stop = threading.Event()
        self.beside(partial(self._estimate, entry, self._stop), "estimate")

    async def _estimate(self, entry: "ProfileEntry", stop: threading.Event) -> None:
        from ddpm_tui.tui.state.profile_facts import costs, estimate

        assert entry.profile is not None
        self._note(entry, "measuring a few steps …")
        try:
            figures = await asyncio.to_thread(
                estimate, self.ddpm.home, entry.profile, True, stop, lambda text: None
            )
        except DdpmError as error:
            self._note(entry, str(error))
            return
        if figures:
            self._measured[entry.text] = costs(entry.profile, figures)
        self._note(entry, "")

    def _note(self, entry: "ProfileEntry", text: str) -> None:
        self._notes.pop(entry.text, None)
        if text:
            self._notes[entry.text] = text
        self._about()
