"""Screen 6: several runs or checkpoints side by side: curves, profiles, faces from the same seeds, figures.

Every subject keeps its colour as long as it is in the comparison.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.widgets import Static

from ddpm_tui.keymap import bindings
from ddpm_tui.screens.base import BaseScreen
from ddpm_tui.state.snapshot import Snapshot
from ddpm_tui.widgets.rows import Line, Piece, Rows
from ddpm_tui.widgets.table import Column, Row, Table
from engine.errors import DdpmError

if TYPE_CHECKING:
    from ddpm_tui.state.comparing import Subject
    from ddpm_tui.state.plotting import Plotter
    from ddpm_tui.widgets.chart import LossChart
    from ddpm_tui.widgets.face_grid import Filmstrip

VIEWS = ("curves", "profiles", "faces", "samples", "figures")
MOST = 6
"""Subjects at once: there are no more colours that everybody can tell apart."""
CHART_BYTES = 3000


class ViewLine(Rows):
    """Which views there are, and the shown one."""

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
        line: list[Piece] = [
            (f" {name} ", "cursor bold" if name == self.current else "dim") for name in VIEWS
        ]
        remark: list[Piece] = [" ", (self.remark, "dim")]
        return [line, remark] if height > 1 else [[*line, *remark]]


class CompareScreen(BaseScreen):
    """`space` puts the run under the cursor in or out, `v` goes through the views."""

    NAME = "compare"
    BINDINGS = [*bindings("compare"), *bindings("list", only=["list.filter"]), *bindings("app")]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]

    def __init__(self) -> None:
        super().__init__()
        self._subjects: list[Subject] = []
        self._view = VIEWS[0]
        self._epochs_back: int | None = None
        self._started = False
        self._how = ""
        self._chart: LossChart | None = None
        self._film: Filmstrip | None = None
        self._plotter: Plotter | None = None
        self._drawn: tuple[Any, ...] = ()
        self._made: tuple[Any, ...] = ()

    def body(self) -> ComposeResult:
        with Horizontal():
            with Container(id="subjects-box"):
                yield Table(
                    [Column("", 1), Column("run", 14, grow=1), Column("epoch", 5, right=True)], id="subjects"
                )
            with Container(id="view"):
                yield ViewLine()
                yield Static("", classes="placeholder", id="note", markup=False)
                yield Table([Column("", 10)], id="table")

    def on_mount(self) -> None:
        self.query_one("#table").display = False
        self.query_one("#subjects").focus()

    def painted_first(self) -> None:
        self.beside(self._bring_pictures)

    async def _bring_pictures(self) -> None:
        await asyncio.to_thread(_import_drawing)
        from ddpm_tui.state.plotting import Plotter
        from ddpm_tui.widgets.chart import LossChart
        from ddpm_tui.widgets.face_grid import Filmstrip

        terminal = self.ddpm.terminal
        self._plotter = Plotter()
        self._chart = LossChart(terminal=terminal, id="chart")
        self._film = Filmstrip((32, 32), terminal=terminal, low_colours=self.ddpm.low_bandwidth, id="film")
        self._film.can_focus = False
        self._chart.display = self._film.display = False
        await self.query_one("#view").mount(self._chart, self._film)
        self._take_marked()
        self.repaint()

    def on_screen_resume(self) -> None:
        self._take_marked()

    def _take_marked(self) -> None:
        """What another screen marked; at the first time without any, the two newest runs."""
        if self._plotter is None:
            return
        from ddpm_tui.state.comparing import Subject

        marked, self.ddpm.marked = self.ddpm.marked, ()
        if marked:
            self._subjects = [Subject.parse(text) for text in marked][:MOST]
            if any(s.step is not None for s in self._subjects):
                self._view = "faces"
        elif not self._started and self.snapshot.loaded:
            runs = [r.name for r in self.snapshot.runs if not r.problem and r.latest_step is not None]
            self._subjects = [Subject(name) for name in runs[-2:]]
        self._started = self._started or self.snapshot.loaded
        self._epochs_back = None

    def filtered(self, words: str) -> None:
        self.query_one("#subjects", Table).filter(words)

    # Painting.

    def paint(self, snapshot: Snapshot) -> None:
        if self._plotter is None or self._chart is None:
            return
        if not self._started:
            self._take_marked()
        self._subjects = [s for s in self._subjects if snapshot.run(s.run)]
        self.ddpm.store.follow(self.NAME, {s.run for s in self._subjects})
        self._plotter.forget(set(self._plotter.known) - {s.name for s in self._subjects})
        self._paint_subjects(snapshot)
        remark = self._how if self._view == "samples" else ""
        if self._view == "faces":
            remark = f"{self.ddpm.key('compare.earlier')} {self.ddpm.key('compare.later')} through the epochs"
        self.query_one(ViewLine).show(self._view, remark)
        {
            "curves": self._paint_curves,
            "profiles": self._paint_settings,
            "faces": self._paint_faces,
            "samples": self._paint_samples,
            "figures": self._paint_figures,
        }[self._view](snapshot)

    def _colour(self, subject: "Subject") -> str:
        """The ink of a subject, as the chart draws it."""
        assert self._chart is not None
        assert self._plotter is not None
        red, green, blue = self._chart.look().ink.bright(self._plotter.slot(subject.name))
        return f"#{red:02x}{green:02x}{blue:02x}"

    def _paint_subjects(self, snapshot: Snapshot) -> None:
        chosen = {s.name: s for s in self._subjects}
        rows = []
        for subject in (s for s in self._subjects if s.step is not None):
            rows.append(Row(subject.name, (("■", self._colour(subject)), subject.name, "")))
        for run in reversed(snapshot.runs):
            here = chosen.get(run.name)
            sign = ("■", self._colour(here)) if here else ("✗", "bad") if run.problem else ("·", "faint")
            rows.append(Row(run.name, (sign, (run.name, "" if here else "dim"), (f"{run.epoch}", "dim"))))
        key = self.ddpm.key
        empty: list[Line] = [[("No runs yet.", "bold")], [(key("app.queue"), "accent bold"), " queues one"]]
        self.query_one("#subjects", Table).show(rows, empty)

    def _show(self, which: str, note: str = "") -> None:
        """One of chart, film, table, note."""
        assert self._chart is not None
        assert self._film is not None
        self._chart.display = which == "chart"
        self._film.display = which == "film"
        self.query_one("#table").display = which == "table"
        place = self.query_one("#note", Static)
        place.display = which == "note"
        if which == "note":
            place.update(note)

    def _nothing(self) -> bool:
        if not self._subjects:
            self._made = ()
            self._show("note", f"{self.ddpm.key('compare.mark')} puts the run under the cursor in")
        return not self._subjects

    def _paint_curves(self, snapshot: Snapshot) -> None:
        from dataclasses import replace

        from ddpm_tui.draw.series import Series
        from ddpm_tui.state.plotting import marks

        assert self._chart is not None
        assert self._plotter is not None
        if self._nothing():
            return
        found = [
            (s, snapshot.curves[s.run])
            for s in self._subjects
            if s.run in snapshot.curves and snapshot.curves[s.run].points
        ]
        if not found:
            self._show("note", "no curve yet")
            return
        state = tuple((s.name, c.generation) for s, c in found)
        fresh = state != self._drawn or not self._chart.display
        self._show("chart")
        if not fresh and not self.ddpm.may_write(CHART_BYTES):
            return
        series: list[Series] = []
        grew = False
        for subject, curves in found:
            one, more = self._plotter.series(replace(curves, run=subject.name))
            series.append(one)
            grew = grew or more
        if fresh:
            self._drawn = state
            self._chart.show(series, marks(found[0][1]) if len(found) == 1 else ())
        elif grew:
            self._chart.grew()

    def _paint_settings(self, snapshot: Snapshot) -> None:
        if self._nothing():
            return
        state = ("profiles", tuple(s.name for s in self._subjects))
        if state != self._made:
            self._made = state
            from ddpm_tui.state.comparing import settings

            self._fill(settings, self.ddpm.home, tuple(self._subjects))

    def _paint_figures(self, snapshot: Snapshot) -> None:
        if self._nothing():
            return
        epochs = tuple(
            len(snapshot.curves[s.run].epochs.get("step", ())) if s.run in snapshot.curves else 0
            for s in self._subjects
        )
        state = ("figures", tuple(s.name for s in self._subjects), epochs)
        if state != self._made:
            self._made = state
            from ddpm_tui.state.comparing import figures

            self._fill(figures, self.ddpm.home, tuple(self._subjects), snapshot.curves)

    def _fill(self, make: Any, *args: Any) -> None:
        """Make a table in a thread and show it."""

        async def work() -> None:
            try:
                found = await asyncio.to_thread(make, *args)
            except DdpmError as error:
                self._show("note", str(error))
                return
            if not found.rows:
                self._show("note", found.note)
                return
            table = self.query_one("#table", Table)
            width = max(8, min(30, max(len(cell) for row in found.rows for cell in row[1:])))
            label = max(len(row[0]) for row in found.rows)
            table.columns = (
                Column("", min(label, 32), grow=1),
                *(Column(s.name, width, grow=2) for s in self._subjects),
            )
            inks = ["dim", *(self._colour(s) for s in self._subjects)]
            table.show(
                [
                    Row(r[0], tuple((c, inks[min(i, len(inks) - 1)]) for i, c in enumerate(r)))
                    for r in found.rows
                ]
            )
            self._show("table")

        self.beside(work, "fill")

    # Faces: the same seeds of every subject, a column each.

    def _paint_faces(self, snapshot: Snapshot) -> None:
        from ddpm_tui.state.comparing import preview_of

        if self._nothing():
            return
        frames: list[tuple[Path, str]] = []
        for subject in self._subjects:
            curves = snapshot.curves.get(subject.run)
            found = preview_of(curves, self._step_for(subject, curves)) if curves else None
            if found is not None and curves is not None:
                frames.append((found[1], f"{subject.run} {_epoch_name(curves, found[0])}"))
        if not frames:
            self._show("note", "no previews yet: they come with the first epoch")
            return
        state = ("faces", tuple(frames))
        if state == self._made:
            return
        if self._made[:1] == ("faces",) and self._epochs_back is None and not self.ddpm.may_write(30_000):
            return
        self._made = state
        self.beside(partial(self._film_of_files, frames), "fill")

    def _step_for(self, subject: "Subject", curves: Any) -> int | None:
        """Scrubbed: the step of that many epochs before the newest they all have; else the subject's own."""
        if self._epochs_back is None or curves is None or not curves.previews:
            return subject.step
        at = max(0, len(curves.previews) - 1 - self._epochs_back)
        return int(curves.previews[at])

    async def _film_of_files(self, frames: Sequence[tuple[Path, str]]) -> None:
        from ddpm_tui.state.previews import load_faces
        from ddpm_tui.widgets.face_grid import FilmFrame

        assert self._film is not None
        run = self.snapshot.run(frames[0][1].partition(" ")[0])
        try:
            faces = await asyncio.to_thread(
                load_faces, frames[0][0], run.setting("data", "size") if run else None
            )
        except DdpmError as error:
            self._show("note", str(error))
            return
        self._film.face = (faces[0].shape[1], faces[0].shape[0])
        self._show("film")
        self._film.show([FilmFrame(path, label) for path, label in frames], 0)

    def _paint_samples(self, snapshot: Snapshot) -> None:
        if self._nothing():
            return
        state = ("samples", tuple(s.name for s in self._subjects), tuple(j.state for j in snapshot.jobs))
        if state != self._made:
            self._made = state
            self.beside(self._film_of_samples, "fill")

    async def _film_of_samples(self) -> None:
        from ddpm_tui.state.comparing import alike, sample_sets, sheet
        from ddpm_tui.widgets.face_grid import FilmFrame

        assert self._film is not None
        subjects = list(self._subjects)
        home = self.ddpm.home
        sets = await asyncio.gather(
            *(asyncio.to_thread(sample_sets, home.run(s.run), s.step) for s in subjects)
        )
        chosen = [(s, found) for s, found in zip(subjects, alike(sets), strict=True) if found is not None]
        if not chosen:
            key = self.ddpm.key
            self._show("note", f"no samples yet: {key('app.queue')} then {key('queue.sample')} draws some")
            return
        first = chosen[0][1].pictures
        self._film.face = (first.shape[2], first.shape[1])
        self._show("film")
        same = len({found.how for _, found in chosen}) == 1
        self._film.show([FilmFrame(sheet(found.pictures), f"{s.run}@{found.step}") for s, found in chosen], 0)
        self._how = chosen[0][1].how if same else "drawn in different ways: not the same noise"
        self.query_one(ViewLine).show(self._view, self._how)

    # Keys.

    def action_mark(self) -> None:
        from ddpm_tui.state.comparing import Subject

        key = self.query_one("#subjects", Table).key
        if key is None:
            return
        subject = Subject.parse(key)
        run = self.snapshot.run(subject.run)
        if subject in self._subjects:
            self._subjects.remove(subject)
        elif run is not None and run.problem:
            self.ddpm.say(f"{run.name}: {run.problem}", "bad")
        elif len(self._subjects) >= MOST:
            self.ddpm.say(f"{MOST} at once are enough to tell apart; take one out first", "warn")
        else:
            self._subjects.append(subject)
        self._epochs_back = None
        self.repaint()

    def action_clear(self) -> None:
        self._subjects = []
        self.repaint()

    def action_next_view(self) -> None:
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        self._made = ()
        self.repaint()

    def action_scrub(self, by: int) -> None:
        """All subjects an epoch back or on together."""
        if self._view != "faces":
            return
        longest = max(
            (
                len(self.snapshot.curves[s.run].previews)
                for s in self._subjects
                if s.run in self.snapshot.curves
            ),
            default=1,
        )
        back = (self._epochs_back or 0) - by
        self._epochs_back = max(0, min(longest - 1, back))
        self.repaint()

    def action_focus_chart(self) -> None:
        if self._chart is not None and self._chart.display:
            self.set_focus(self.query_one("#subjects") if self._chart.has_focus else self._chart)


def _epoch_name(curves: Any, step: int) -> str:
    steps = curves.epochs.get("step", ())
    for known, epoch in zip(steps, curves.epochs.get("epoch", ()), strict=True):
        if known == step:
            return f"e{epoch:g}"
    return f"@{step}"


def _import_drawing() -> None:
    """What the first paint does without."""
    import ddpm_tui.state.comparing
    import ddpm_tui.state.plotting
    import ddpm_tui.widgets.chart
    import ddpm_tui.widgets.face_grid  # noqa: F401
