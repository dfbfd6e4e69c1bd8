"""Screen 5: profiles: what each says and would cost, how it differs from another; editing and queueing them."""

import asyncio
import contextlib
import os
import shlex
import subprocess
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal

from ddpm_tui.keymap import bindings
from ddpm_tui.screens import asks
from ddpm_tui.screens.base import BaseScreen
from ddpm_tui.screens.dialogs import Ask
from ddpm_tui.screens.forms import NEW, TrainForm, wish
from ddpm_tui.screens.profile_form import ProfileForm
from ddpm_tui.state.snapshot import Snapshot
from ddpm_tui.widgets.rows import Line, Rows, cut, fact_lines
from ddpm_tui.widgets.table import Column, Row, Table
from engine.errors import DdpmError, UserError
from engine.home import check_name

if TYPE_CHECKING:
    from ddpm_tui.state.profile_facts import Entry, ProfileReader

REST_S = 0.3
"""How long the cursor rests on a profile before its network is counted."""

COLUMNS = (Column("", 1), Column("profile", 18, grow=1), Column("", 7, drop=1))


class AboutProfile(Rows):
    """Lines about the profile under the cursor."""

    def __init__(self) -> None:
        super().__init__(id="about")
        self.facts: list[tuple[str, str]] = []
        self.tone = ""
        self.diff: list[tuple[str, str, str]] = []

    def show(self, facts: list[tuple[str, str]], diff: list[tuple[str, str, str]], tone: str = "") -> None:
        self.facts, self.diff, self.tone = facts, diff, tone
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        if not self.diff:
            return [
                [(p, self.tone) if isinstance(p, str) else p for p in line]
                for line in fact_lines(self.facts, width)
            ]
        key = max(len(row[0]) for row in self.diff)
        room = max(6, (width - key - 4) // 2)
        found: list[Line] = []
        for place, (name, left, right) in enumerate(self.diff):
            inks = ("accent", "warn") if place else ("bold", "bold")
            found.append(
                [(f"{name:<{key}}  ", "dim"), (cut(left, room), inks[0]), "  ", (cut(right, room), inks[1])]
            )
        return found


class ProfilesScreen(BaseScreen):
    """Left the profiles, right what the one under the cursor is, or how it differs from the marked one."""

    NAME = "profiles"
    BINDINGS = [
        *bindings("profiles"),
        *bindings("list", only=["list.filter", "list.unfilter"]),
        *bindings("app"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]

    def __init__(self) -> None:
        super().__init__()
        self._reader: ProfileReader | None = None
        self._entries: tuple[Entry, ...] = ()
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

    def on_mount(self) -> None:
        self.table.focus()

    def on_unmount(self) -> None:
        self._stop.set()

    @property
    def table(self) -> Table:
        return self.query_one("#list", Table)

    def open(self, profile: str) -> None:
        self._follow = profile
        self.repaint()

    def filtered(self, words: str) -> None:
        self.table.filter(words)

    def painted_first(self) -> None:
        self.beside(self._import)

    async def _import(self) -> None:
        def load() -> Any:
            from ddpm_tui.state.profile_facts import ProfileReader

            return ProfileReader

        reader = await asyncio.to_thread(load)
        self._reader = reader(self.ddpm.home)
        self.repaint()

    # What there is.

    def paint(self, snapshot: Snapshot) -> None:
        if self._reader is not None and not self._reading:
            self._reading = True
            self.beside(partial(self._read, self._reader))

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
        rows = []
        for entry in self._entries:
            mark = ("●", "accent") if entry.name == self._marked else ""
            whose = (
                ("broken", "bad")
                if entry.problems
                else ("yours", "good")
                if entry.own
                else ("shipped", "dim")
            )
            words = f"{entry.name} {whose[0]} {entry.profile.description if entry.profile else ''}"
            rows.append(Row(entry.name, (mark, (entry.name, "bad" if entry.problems else ""), whose), words))
        key = self.ddpm.key("profiles.new")
        self.table.show(rows, [[("No profile.", "bold")], [(key, "accent bold"), " makes one"]])
        self._about()

    def _entry(self, name: str | None = None) -> "Entry | None":
        name = name or self.table.key
        return next((e for e in self._entries if e.name == name), None)

    def _chosen(self) -> "Entry":
        entry = self._entry()
        if entry is None:
            raise UserError("no profile is chosen")
        return entry

    def _usable(self) -> "Entry":
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
        about = self.query_one(AboutProfile)
        if entry is None:
            about.show([], [])
            return
        if entry.profile is None:
            editor = self.ddpm.key("profiles.editor")
            facts = [("cannot be used", entry.problems[0]), *(("", p) for p in entry.problems[1:])]
            about.show([*facts, ("", ""), ("", f"{editor} opens it in your editor")], [], "bad")
            return
        other = self._entry(self._marked) if self._marked else None
        if other is not None and other.profile is not None and other.name != entry.name:
            about.show([], self._diff(other, entry))
            return
        if self._counting != entry.text:
            self._counting = entry.text
            self._notes.pop(entry.text, None)
            self.beside(partial(self._count, entry), "count")
        about.show(self._facts(entry), [])

    def _facts(self, entry: "Entry") -> "list[tuple[str, str]]":
        p = entry.profile
        assert p is not None
        facts = [
            ("profile", f"{entry.name}, {'yours' if entry.own else 'shipped'}"),
            ("for", p.description),
        ]
        # What was asked for comes where it is in sight; what is only counted has time.
        measured, note = self._measured.get(entry.text), self._notes.get(entry.text)
        facts += [("cost", note)] if note else []
        facts += measured or []
        facts += [
            ("data", f"{p.data.dataset}, {p.data.size} px, {p.data.recipe}{', mirrored' if p.data.flip else ''}"),
            ("network", f"{p.model.block}, width {p.model.width}, {p.model.blocks_per_level} blocks a level"),
            ("diffusion", f"{p.diffusion.steps} steps, {p.diffusion.schedule}"),
            ("objective", f"predicts {p.objective.prediction}, {p.objective.loss}"),
            ("training", f"batches of {p.training.batch_size}, {p.optim.optimizer}"),
            ("EMA", f"half-life {p.training.ema_halflife:,} pictures"),
            ("sampling", f"{p.sampling.sampler}, {p.sampling.steps} steps, {p.sampling.weights} weights"),
        ]  # fmt: skip
        facts += self._counted.get(entry.text, [])
        facts += [("warning", text) for text in p.warnings()]
        if measured is None:
            facts += self._figures.get(entry.text, [])
        if measured is None and not note and entry.text not in self._figures:
            facts.append(("", "counting …"))
        elif measured is None and not note:
            facts.append(("", f"{self.ddpm.key('profiles.estimate')} measures the speed here"))
        return facts

    async def _count(self, entry: "Entry") -> None:
        """What can be told without training, for the profile that the cursor rests on."""
        from ddpm_tui.state.profile_facts import costs, counted

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

    def _diff(self, a: "Entry", b: "Entry") -> "list[tuple[str, str, str]]":
        from engine.profiles_store import diff_profiles, value_text

        assert a.profile is not None
        assert b.profile is not None
        rows = [
            (key, value_text(x, "–"), value_text(y, "–")) for key, x, y in diff_profiles(a.profile, b.profile)
        ]
        return [("", a.name, b.name), *(rows or [("no difference", "", "")])]

    # Keys.

    def action_mark(self) -> None:
        entry = self._usable()
        self._marked = None if self._marked == entry.name else entry.name
        if self._marked:
            self.ddpm.say(f"{entry.name} is marked: others are shown by how they differ from it")
        self._list()

    def action_train(self) -> None:
        entry = self._usable()
        self.app.push_screen(TrainForm(NEW + entry.name), self._train)

    def _train(self, answer: dict[str, Any] | None) -> None:
        if answer is not None:
            self.attempt(asks.train(self.ddpm, **wish(answer.pop("chosen"), answer)))

    def action_edit(self) -> None:
        entry = self._usable()

        def left(text: str | None) -> None:
            self._counting = ""  # the form's questions may have overtaken ours
            self._about()
            if text:
                self._save_as(entry, text)

        self.app.push_screen(ProfileForm(entry), left)

    def action_save(self) -> None:
        self.ddpm.say(f"nothing is being changed: {self.ddpm.key('profiles.edit')} opens the form", "dim")

    def _save_as(self, entry: "Entry", text: str) -> None:
        """A profile of the user's is replaced; a shipped one becomes one of the user's with a name of its own."""
        if entry.own:
            self.attempt(self._save(entry.name, text))
            return
        ask = Ask("Name of your profile", f"my-{entry.name}", "shipped ones stay as they are", self._free)
        self.app.push_screen(ask, lambda name: self.attempt(self._save(name, text)) if name else None)

    def _free(self, name: str) -> None:
        if self.ddpm.home.user_profile(check_name("profile", name)).exists():
            raise UserError(f"you have a profile {name!r} already", "choose another name")

    async def _save(self, name: str, text: str) -> None:
        from engine.files import write_text
        from engine.profiles_store import save_profile

        path = self.ddpm.home.user_profile(name)
        before = path.read_text(encoding="utf-8") if path.exists() else None
        await asyncio.to_thread(save_profile, self.ddpm.home, name, text)
        self.ddpm.say(f"saved {name}; {self.ddpm.key('profiles.train')} trains it")

        async def back() -> None:
            if before is None:
                path.unlink(missing_ok=True)
            else:
                write_text(path, before)
            self.repaint()

        self.ddpm.undo.push(f"{name} is as it was", back)
        self._follow = name
        self.repaint()

    def action_new(self) -> None:
        entry = self._usable()
        ask = Ask(f"New profile from {entry.name}", f"my-{entry.name}", "its name", self._free)
        self.app.push_screen(ask, lambda name: self.attempt(self._save(name, entry.text)) if name else None)

    def action_editor(self) -> None:
        """A copy in $EDITOR; checked and saved afterwards. A broken one of the user's is opened just so."""
        entry = self._chosen()
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        name = Path(editor.split()[0]).name if editor.split() else editor
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{entry.name}.toml"
            path.write_text(entry.text, encoding="utf-8")
            try:
                with self.app.suspend():
                    code = subprocess.call([*shlex.split(editor), str(path)])
            except (OSError, ValueError) as error:
                raise UserError(f"{name} cannot be started ({error})", "set EDITOR to your editor") from None
            finally:
                self.ddpm.action_redraw()
            text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        if code:
            raise UserError(f"{name} ended with code {code}; nothing was changed")
        if text is None:
            raise UserError(f"{name} left no file; nothing was changed")
        if text == entry.text:
            self.ddpm.say("nothing was changed", "dim")
            return
        self._keep(entry, text)

    def _keep(self, entry: "Entry", text: str) -> None:
        from engine.profiles_store import ProfileError, parse_profile

        try:
            parse_profile(text, entry.path.name)
        except ProfileError as error:
            # What was typed is not thrown away: it is kept beside the profiles, where no list looks.
            draft = self.ddpm.home.profiles / f"{entry.name}.toml.draft"
            with contextlib.suppress(OSError):
                draft.write_text(text, encoding="utf-8")
            raise UserError(f"not saved: {error}", f"your text is in {draft}") from None
        self._save_as(entry, text)

    def action_delete(self) -> None:
        entry = self._chosen()
        if not entry.own:
            raise UserError(
                f"{entry.name} is shipped with the program", "only profiles of yours can be deleted"
            )
        self.attempt(self._delete(entry))

    async def _delete(self, entry: "Entry") -> None:
        from engine.runs.trash import discard, restore

        trashed = await asyncio.to_thread(discard, self.ddpm.home, "profile", entry.name, entry.path)
        self.ddpm.say(f"profile {entry.name} is in the trash; {self.ddpm.key('app.undo')} brings it back")

        async def back() -> None:
            await asyncio.to_thread(restore, trashed)
            self._follow = entry.name
            self.repaint()

        self.ddpm.undo.push(f"profile {entry.name} is back", back)
        self.repaint()

    def action_estimate(self) -> None:
        entry = self._usable()
        self._stop.set()
        self._stop = threading.Event()
        self.beside(partial(self._estimate, entry, self._stop), "estimate")

    async def _estimate(self, entry: "Entry", stop: threading.Event) -> None:
        from ddpm_tui.state.profile_facts import costs, estimate

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

    def _note(self, entry: "Entry", text: str) -> None:
        self._notes.pop(entry.text, None)
        if text:
            self._notes[entry.text] = text
        self._about()
