"""Screen 6: several runs or checkpoints side by side: curves, profiles, faces from the same seeds, figures.

Every subject keeps its colour as long as it is in the comparison.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.widget import Widget
from textual.widgets import Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens import asks
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.state.studies import gather, is_study, within
from ddpm_tui.tui.widgets.rows import Line, Piece, Rows
from ddpm_tui.tui.widgets.table import Column, Row, Table
from ddpm_tui.words import plural
from engine.base.errors import UserError

if TYPE_CHECKING:
    from ddpm_tui.tui.screens.compare_base import CompareView
    from ddpm_tui.tui.screens.compare_views import CurvesView, FacesView
    from ddpm_tui.tui.state.comparing import Compared

VIEWS = ("curves", "profiles", "faces", "samples", "figures")
SAMPLES = 16
"""Pictures that are drawn of each at a key."""
MOST = 6
"""Subjects at once: there are no more colours that everybody can tell apart."""


class ViewLine(Rows):
    """The names of the views, with the shown one marked."""

    def __init__(self) -> None:
        super().__init__(id="views")
        self.current = VIEWS[0]
        self.remark = ""

    def show(self, current: str, remark: str) -> None:
        self.current, self.remark = current, remark
        fits = sum(len(name) + 2 for name in VIEWS) + 1 + len(remark) <= self.size.width
        self.styles.height = 1 if fits or not remark else 2
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        names = list(VIEWS)
        while sum(len(name) + 2 for name in names) > width and names[0] != self.current:
            del names[0]  # the shown one is in sight
        line: list[Piece] = [
            (f" {name} ", "cursor bold" if name == self.current else "dim") for name in names
        ]
        remark: list[Piece] = [" ", (self.remark, "dim")]
        return [line, remark] if height > 1 else [[*line, *remark]]


class CompareScreen(BaseScreen):
    """Runs are put in and taken out on the left; on the right one of the views."""

    NAME = "compare"
    LIST = "#subjects-box"
    BINDINGS = [
        *bindings("compare"),
        *bindings("list", only=["list.filter", "list.unfilter"]),
        *bindings("app"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (78, "-usual"), (110, "-wide")]

    def __init__(self) -> None:
        super().__init__()
        self._subjects: list[Compared] = []
        self._view = VIEWS[0]
        self._views: dict[str, CompareView] = {}
        self._curves: CurvesView | None = None
        self._faces: FacesView | None = None
        self._started = False
        self._open: set[str] = set()
        self._words = ""

    def body(self) -> ComposeResult:
        with Horizontal():
            with Container(id="subjects-box"):
                yield Table(
                    [Column("", 1), Column("run", 14, grow=1), Column("epoch", 5, right=True)], id="subjects"
                )
            with Container(id="view"):
                yield ViewLine()
                yield Static("", classes="placeholder", id="note", markup=False)

    def on_mount(self) -> None:
        self.subjects.focus()

    @property
    def subjects(self) -> Table:
        return self.query_one("#subjects", Table)

    def painted_first(self) -> None:
        self.read(self._bring_views)

    async def _bring_views(self) -> None:
        def load() -> Any:
            from ddpm_tui.tui.screens import compare_views

            return compare_views

        module = await asyncio.to_thread(load)
        views: list[CompareView] = module.make_views(self.ddpm.terminal, self.ddpm.low_bandwidth)
        await self.query_one("#view").mount(*views)
        self._views = dict(zip(VIEWS, views, strict=True))
        self._curves = next(v for v in views if isinstance(v, module.CurvesView))
        self._faces = next(v for v in views if isinstance(v, module.FacesView))
        self._take_marked()
        self.repaint()

    def on_screen_resume(self) -> None:
        self._take_marked()

    def _take_marked(self) -> None:
        """Take the subjects that another screen marked; at first, if there are none, the two newest runs."""
        if self._faces is None:
            return
        from ddpm_tui.tui.state.comparing import Compared

        marked, self.ddpm.marked = self.ddpm.marked, ()
        if marked:
            self._subjects = [Compared.parse(text) for text in marked][:MOST]
            if any(s.step is not None for s in self._subjects):
                self._view = "faces"
        elif not self._started and self.snapshot.loaded:
            runs = [r.name for r in self.snapshot.runs if not r.problem and r.latest_step is not None]
            self._subjects = [Compared(name) for name in runs[-2:]]
        self._started = self._started or self.snapshot.loaded
        self._faces.rewind()
        self.refresh_bindings()

    def filtered(self, words: str) -> None:
        self._words = words.strip()
        self.repaint()  # runs folded into a study are found too
        self.subjects.filter(words)

    # Painting.

    def paint(self, snapshot: Snapshot) -> None:
        if self._curves is None:
            return
        if not self._started:
            self._take_marked()
        self._subjects = [s for s in self._subjects if snapshot.run(s.run)]
        self.ddpm.store.follow(self.NAME, {s.run for s in self._subjects})
        self._curves.keep_only(self._subjects)
        self._paint_subjects(snapshot)
        note = self.query_one("#note", Static)
        note.display = not self._subjects
        for name, view in self._views.items():
            view.display = bool(self._subjects) and name == self._view
        shown = self._views[self._view]
        if self._subjects:
            shown.paint(self._subjects, snapshot)
        else:
            shown.forget()
            note.update(f"{self.ddpm.key('compare.mark')} puts the run under the cursor in")
        self.query_one(ViewLine).show(self._view, shown.remark if self._subjects else "")

    def _colour(self, subject: "Compared") -> str:
        return self._curves.colour(subject) if self._curves else ""

    def _paint_subjects(self, snapshot: Snapshot) -> None:
        chosen = {s.name: s for s in self._subjects}
        rows = []
        for subject in (s for s in self._subjects if s.step is not None):
            rows.append(Row(subject.name, (("■", self._colour(subject)), subject.name, "")))
        runs = {run.name: run for run in reversed(snapshot.runs)}
        for group in gather(list(runs)):
            open_ = self._words or group.key in self._open
            if group.study:
                sign, count = ("▾" if open_ else "▸", "dim"), (f"×{len(group.runs)}", "dim")
                rows.append(Row(group.key, (sign, (group.study, "bold"), count), " ".join(group.runs)))
            for run in (runs[name] for name in group.runs):
                here = chosen.get(run.name)
                if group.study and not open_ and here is None:
                    continue
                sign = ("■", self._colour(here)) if here else ("✗", "bad") if run.problem else ("·", "faint")
                name = (" " if group.study else "") + within(group.study, run.name)
                cells: tuple[Piece, ...] = (sign, (name, "" if here else "dim"), (f"{run.epoch}", "dim"))
                rows.append(Row(run.name, cells, run.name))
        key = self.ddpm.key
        empty: list[Line] = [[("No runs yet.", "bold")], [(key("app.queue"), "accent bold"), " queues one"]]
        self.subjects.show(rows, empty)

    # Keys.

    def action_mark(self) -> None:
        from ddpm_tui.tui.state.comparing import Compared

        key = self.subjects.key
        if key is None:
            return
        if is_study(key):
            self.action_fold()
            return
        subject = Compared.parse(key)
        run = self.snapshot.run(subject.run)
        if subject in self._subjects:
            self._subjects.remove(subject)
        elif run is not None and run.problem:
            self.ddpm.say(f"{run.name}: {run.problem}", "bad")
        elif len(self._subjects) >= MOST:
            self.ddpm.say(f"{MOST} runs at most; remove one first", "warn")
        else:
            self._subjects.append(subject)
        if self._faces is not None:
            self._faces.rewind()
        self.repaint()

    def action_fold(self) -> None:
        """Show the runs of the study under the cursor, or fold them away."""
        key = self.subjects.key
        if key is not None and is_study(key):
            self._open ^= {key}
            self.repaint()

    def on_table_chosen(self) -> None:
        self.action_mark()

    def action_clear(self) -> None:
        self._subjects = []
        self.repaint()

    def action_sample(self) -> None:
        """Queue pictures of every subject from the same seeds, for the samples view."""
        if not self._subjects:
            raise UserError("nothing is compared", f"{self.ddpm.key('compare.mark')} puts a run in")
        self.attempt(
            self._sample([s.name if s.step is not None else f"{s.run}@latest" for s in self._subjects])
        )

    async def _sample(self, references: list[str]) -> None:
        with self.ddpm.undo.together(f"the {plural(len(references), 'job')} that draw are cancelled"):
            for reference in references:
                await asks.add(self.ddpm, "sample", {"checkpoint": reference, "n": SAMPLES, "seed": 0})
        self.ddpm.say(f"queued: {plural(SAMPLES, 'picture')} of each from the same seeds")

    def action_turn(self, by: int) -> None:
        """Go to the next view, or to the one before."""
        self._view = VIEWS[(VIEWS.index(self._view) + by) % len(VIEWS)]
        if self._views:
            self._views[self._view].forget()
        self.repaint()
        self.refresh_bindings()

    def action_scrub(self, by: int) -> None:
        """Move all subjects an epoch back or on together."""
        if self._view == "faces" and self._faces is not None:
            self._faces.scrub(by, self._subjects, self.snapshot)
            self.repaint()

    def action_focus_view(self) -> None:
        """Focus the chart, or a table that may be longer than the screen, or go back to the list."""
        target = self._target
        if target is not None and target.display:
            self.set_focus(self.subjects if target.has_focus else target)

    @property
    def _target(self) -> Widget | None:
        """Return the widget of the shown view that takes keys."""
        return self._views[self._view].target if self._views else None

    def pane_to_zoom(self) -> Widget | None:
        return self.query_one("#view")

    def offers(self, key_id: str) -> bool:
        scrubs = self._view == "faces" and bool(self._subjects)
        needed = {
            "compare.mark": self.subjects.key is not None,
            "compare.fold": is_study(self.subjects.key),
            "compare.view": bool(self._subjects),
            "compare.view_before": bool(self._subjects),
            "compare.enter": bool(self._subjects),
            "compare.earlier": scrubs,
            "compare.later": scrubs,
            "compare.sample": bool(self._subjects),
            "compare.clear": bool(self._subjects),
        }
        return needed.get(key_id, True)

    def needs(self, action: str) -> bool:
        return not self._views or action in ("focus_view", "fold")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._target is not None if action == "focus_view" else True

    def label(self, key_id: str) -> str:
        if key_id != "compare.enter" or self._target is None:
            return ""
        return "list" if self._target.has_focus else "chart" if self._view == "curves" else "scroll table"
