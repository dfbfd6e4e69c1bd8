"""The views of the comparison: curves, faces of the same seeds, samples. Imported after the first paint."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ddpm_tui.draw.series import Series
from ddpm_tui.tui.screens.compare_base import CompareView
from ddpm_tui.tui.screens.compare_tables import figures_view, settings_view
from ddpm_tui.tui.state.comparing import Compared, alike, preview_of, sample_sets, sheet
from ddpm_tui.tui.state.plotting import Plotter, mark_at, marks
from ddpm_tui.tui.state.previews import load_faces
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.widgets.chart import LossChart
from ddpm_tui.tui.widgets.face_grid import FilmFrame, Filmstrip

if TYPE_CHECKING:
    from ddpm_tui.tui.screens.base import BaseScreen

CHART_BYTES = 3000
ROOM_FOR_FACES = 30
"""Lines from which on the curves have the faces below them."""
FACES_BYTES = 30_000


class FacesBelow(Filmstrip, inherit_css=False):
    """The faces below the curves; with a style of its own, to set it apart from the view of the faces."""

    DEFAULT_CSS = "FacesBelow { width: 1fr; height: 1fr; }"


class CurvesView(CompareView):
    """The losses of all runs in one chart, each once, with the compared checkpoints marked on them.

    Also knows the colour that each subject has everywhere.
    """

    def __init__(self, chart: LossChart, film: FacesBelow) -> None:
        super().__init__("curves", chart)
        self.film = film
        """Comes below the chart if there is room."""
        self._epoch: float | None = None
        """Where the chart is inspected."""
        self._faces: tuple[Any, ...] = ()
        self.target = chart
        self.chart = chart
        self.plotter = Plotter()

    def colour(self, subject: Compared) -> str:
        """Return the ink of a subject."""
        red, green, blue = self.chart.look().ink.bright(self.plotter.slot(subject.name))
        return f"#{red:02x}{green:02x}{blue:02x}"

    def keep_only(self, subjects: Sequence[Compared]) -> None:
        """Free the colours of all other subjects."""
        self.plotter.forget(set(self.plotter.known) - {s.name for s in subjects})

    def paint(self, subjects: Sequence[Compared], snapshot: Snapshot) -> None:
        known = [s for s in subjects if s.run in snapshot.curves and snapshot.curves[s.run].points]
        first: dict[str, Compared] = {}
        for subject in known:
            first.setdefault(subject.run, subject)
        found = [(subject, snapshot.curves[run]) for run, subject in first.items()]
        self._paint_faces(subjects, snapshot)
        if not found:
            self.say("no curve yet")
            return
        state = (tuple(s.name for s in known), tuple(c.generation for _, c in found))
        fresh = state != self._made or not self.chart.display
        self.reveal()
        if not fresh and not self.ddpm.may_write(CHART_BYTES):
            return
        series: list[Series] = []
        grew = False
        for subject, curves in found:
            one, more = self.plotter.series(replace(curves, run=subject.name))
            series.append(replace(one, name=subject.run))
            grew = grew or more
        if fresh:
            self._made = state
            compared = [mark_at(snapshot.curves[s.run], s.step) for s in known if s.step is not None]
            alone = found[0] if len(found) == 1 else None
            own = marks(alone[1], snapshot.run(alone[0].run)) if alone else ()
            self.chart.show(series, [*compared, *own])
        elif grew:
            self.chart.grew()

    def reveal(self) -> None:
        super().reveal()
        if self.film.is_attached:
            self.film.display = bool(self._faces) and self.size.height >= ROOM_FOR_FACES

    def on_loss_chart_inspected(self, event: LossChart.Inspected) -> None:
        """Move the faces below to the epoch of the chart's cursor, each run to its own nearest preview before
        it."""
        self._epoch = event.epoch
        cast("BaseScreen", self.screen).repaint()

    def on_resize(self) -> None:
        cast("BaseScreen", self.screen).repaint()

    def _paint_faces(self, subjects: Sequence[Compared], snapshot: Snapshot) -> None:
        if self.size.height < ROOM_FOR_FACES:
            self.film.display = False
            return
        frames = []
        for subject in subjects:
            curves = snapshot.curves.get(subject.run)
            found = preview_of(curves, self._step_at(subject, curves)) if curves else None
            if found is not None:
                frames.append(FilmFrame(found[1], *_names(subject.run, curves, found[0])))
        if tuple(frames) == self._faces:
            return
        if self._faces and self._epoch is None and not self.ddpm.may_write(FACES_BYTES):
            return
        self._faces = tuple(frames)
        run = snapshot.run(subjects[0].run)
        cast("BaseScreen", self.screen).beside(
            partial(self._show_faces, frames, run.setting("data", "size") if run else None), "compared faces"
        )

    def _step_at(self, subject: Compared, curves: Any) -> int | None:
        if self._epoch is None or not curves.points:
            return subject.step
        return round(float(np.interp(self._epoch, curves.train["epoch"], curves.train["step"])))

    async def _show_faces(self, frames: Sequence[FilmFrame], size: int | None) -> None:
        if frames and not self.film.is_attached:
            await self.mount(self.film)
        self.film.display = bool(frames)
        if frames:
            faces = await asyncio.to_thread(load_faces, cast(Path, frames[0].sheet), size)
            self.film.face = (faces[0].shape[1], faces[0].shape[0])
            self.film.show(frames, 0)


class FacesView(CompareView):
    """Previews: the same seeds of every subject, a column each; all an epoch back or on together."""

    def __init__(self, film: Filmstrip) -> None:
        super().__init__("faces", film)
        self.film = film
        self._back: int | None = None

    def rewind(self) -> None:
        """Show every subject at its own moment again."""
        self._back = None

    def scrub(self, by: int, subjects: Sequence[Compared], snapshot: Snapshot) -> None:
        known = [snapshot.curves[s.run] for s in subjects if s.run in snapshot.curves]
        longest = max((len(curves.previews) for curves in known), default=1)
        self._back = max(0, min(longest - 1, (self._back or 0) - by))

    def paint(self, subjects: Sequence[Compared], snapshot: Snapshot) -> None:
        self.remark = (
            f"{self.ddpm.key('compare.earlier')} {self.ddpm.key('compare.later')} through the epochs"
        )
        frames: list[FilmFrame] = []
        missing: list[str] = []
        for subject in subjects:
            curves = snapshot.curves.get(subject.run)
            found = preview_of(curves, self._step_for(subject, curves)) if curves else None
            if found is not None:
                frames.append(FilmFrame(found[1], *_names(subject.run, curves, found[0])))
            else:
                missing.append(subject.name)
        if not frames:
            self.say("no previews yet: they come with the first epoch")
            return
        if missing:
            self.remark += f"; no previews of {', '.join(missing)}"
        state = tuple(frames)
        if state == self._made:
            return
        if self._made and self._back is None and not self.ddpm.may_write(FACES_BYTES):
            return
        self._made = state
        run = snapshot.run(subjects[0].run)
        self.beside(self._show, frames, run.setting("data", "size") if run else None)

    def _step_for(self, subject: Compared, curves: Any) -> int | None:
        """Return the step to show.

        Scrubbed: the step of that many epochs before the newest they all have; else the subject's own."""
        if self._back is None or not curves.previews:
            return subject.step
        return int(curves.previews[max(0, len(curves.previews) - 1 - self._back)])

    async def _show(self, frames: Sequence[FilmFrame], size: int | None) -> None:
        faces = await asyncio.to_thread(load_faces, cast(Path, frames[0].sheet), size)
        self.film.face = (faces[0].shape[1], faces[0].shape[0])
        self.reveal()
        self.film.show(frames, 0)


class SamplesView(CompareView):
    """Drawn samples, a column each: from the same noise if there are such sets."""

    def __init__(self, film: Filmstrip) -> None:
        super().__init__("samples", film)
        self.film = film

    def paint(self, subjects: Sequence[Compared], snapshot: Snapshot) -> None:
        state = (tuple(s.name for s in subjects), tuple(j.state for j in snapshot.jobs))
        if state != self._made:
            self._made = state
            self.beside(self._show, list(subjects))

    async def _show(self, subjects: Sequence[Compared]) -> None:
        home = self.ddpm.home
        sets = await asyncio.gather(
            *(asyncio.to_thread(sample_sets, home.run(s.run), s.step) for s in subjects)
        )
        chosen = [(s, found) for s, found in zip(subjects, alike(sets), strict=True) if found is not None]
        if not chosen:
            key = self.ddpm.key
            self.say(f"no samples yet: {key('compare.sample')} draws some of each from the same seeds")
            return
        first = chosen[0][1].pictures
        self.film.face = (first.shape[2], first.shape[1])
        self.reveal()
        self.film.show([FilmFrame(sheet(found.pictures), f"{s.run}@{found.step}") for s, found in chosen], 0)
        same = len({found.how for _, found in chosen}) == 1
        self.remark = chosen[0][1].how if same else "drawn in different ways: not the same noise"
        if missing := [s.name for s, found in zip(subjects, alike(sets), strict=True) if found is None]:
            self.remark += f"; none of {', '.join(missing)}, {self.ddpm.key('compare.sample')} draws"
        self.call_later(cast("BaseScreen", self.screen).repaint)


def make_views(terminal: Any, low_colours: bool) -> list[CompareView]:
    """Return all views, in the order of the keys that turn them."""

    def film() -> Filmstrip:
        made = Filmstrip((32, 32), terminal=terminal, low_colours=low_colours)
        made.can_focus = False
        return made

    below = FacesBelow((32, 32), terminal=terminal, low_colours=low_colours)
    below.can_focus = False
    curves = CurvesView(LossChart(terminal=terminal, id="chart"), below)
    return [
        curves,
        settings_view(curves.colour),
        FacesView(film()),
        SamplesView(film()),
        figures_view(curves.colour),
    ]


def _names(run: str, curves: Any, step: int) -> tuple[str, str]:
    """Return a run at a step, at length and in short."""
    steps = curves.epochs.get("step", ())
    for known, epoch in zip(steps, curves.epochs.get("epoch", ()), strict=True):
        if known == step:
            return f"{run}, epoch {epoch:g}", f"{run} e{epoch:g}"
    return f"{run}@{step}", ""
