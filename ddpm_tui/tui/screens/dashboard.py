"""Screen 1: the job at work, its curves and newest faces, the devices, the queue, and what happened.

The chart and the faces bring NumPy, so they are put in after the first paint. They repaint by themselves only
while the link's budget allows it; text always goes out.
"""

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.widgets import Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.state.snapshot import JobView, RunView, Snapshot
from ddpm_tui.tui.widgets.jobs import EventList, JobPanel, QueueSummary
from ddpm_tui.tui.widgets.meters import MeterPanel
from ddpm_tui.tui.widgets.rows import Line, entitle
from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.service.states import State

if TYPE_CHECKING:
    from ddpm_tui.tui.state.plotting import Plotter
    from ddpm_tui.tui.widgets.chart import LossChart
    from ddpm_tui.tui.widgets.face_grid import FaceGrid, Filmstrip

DEMO = "demo"
CHART_BYTES = 2500
CELL_BYTES, FACES_BYTES = 20, 1000
"""What a painting of the chart costs, and of faces for each cell and all together, about; what it really cost is
counted."""


class DashboardScreen(BaseScreen):
    """What is going on. `n` goes through the running jobs where there are several."""

    NAME = "dashboard"
    BINDINGS = bindings("dashboard", "app")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-usual"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]

    def __init__(self) -> None:
        super().__init__()
        self._job: str | None = None
        self._run: str | None = None
        self._chart: LossChart | None = None
        self._grid: FaceGrid | None = None
        self._film: Filmstrip | None = None
        self._plotter: Plotter | None = None
        self._drawn: tuple[Any, ...] = ()
        self._newest: dict[int, float] = {}
        """The epoch of the newest preview, by its step: the metrics say it only later."""
        self._preview: str | None = None
        self._faces: list[Any] = []
        self._filming = False
        self._learns: str | None = None
        self._fresh = False

    def body(self) -> ComposeResult:
        unicode = self.ddpm.terminal.unicode
        yield JobPanel(unicode=unicode, id="job")
        with Horizontal(id="middle"):
            with Container(id="curves", classes="rule"):
                yield Static("", classes="placeholder", id="curves-wait", markup=False)
            with Container(id="faces", classes="rule"):
                yield Static("", classes="placeholder", id="faces-wait", markup=False)
        with Horizontal(id="below"):
            with Container(id="queue-box", classes="rule"):
                yield QueueSummary(id="summary")
            with Container(id="meters-box", classes="rule"):
                yield MeterPanel(unicode=unicode, id="meters")
            with Container(id="events-box", classes="rule"):
                yield EventList(id="events")

    def on_mount(self) -> None:
        for place, title in (("queue-box", "queue"), ("meters-box", "devices"), ("events-box", "events")):
            entitle(self.query_one(f"#{place}"), f" {title} ")
        entitle(self.query_one("#curves"), " loss ")
        entitle(self.query_one("#faces"), " faces ")

    def painted_first(self) -> None:
        self.read(self._bring_pictures)

    async def _bring_pictures(self) -> None:
        """Import what draws, beside the event loop, and put it where the placeholders are."""
        await asyncio.to_thread(_import_drawing)
        from ddpm_tui.tui.state.plotting import Plotter
        from ddpm_tui.tui.widgets.chart import LossChart
        from ddpm_tui.tui.widgets.face_grid import FaceGrid, Filmstrip

        terminal = self.ddpm.terminal
        self._plotter = Plotter()
        self._chart = LossChart(terminal=terminal, id="chart")
        self._grid = FaceGrid(terminal=terminal, low_colours=self.ddpm.low_bandwidth, id="grid")
        self._grid.can_focus = False
        self._film = Filmstrip((32, 32), terminal=terminal, low_colours=self.ddpm.low_bandwidth, id="film")
        self._film.display = False
        self._chart.display = self._grid.display = False
        await self.query_one("#curves").mount(self._chart)
        await self.query_one("#faces").mount(self._grid, self._film)
        self.repaint()

    # What is shown.

    def paint(self, snapshot: Snapshot) -> None:
        job = self._choose(snapshot)
        fresh = snapshot.loaded and not snapshot.runs and not snapshot.jobs
        if fresh != self._fresh:
            self._fresh = fresh
            self.refresh_bindings()
        run = snapshot.run(self._run)
        self.ddpm.store.follow(self.NAME, [self._run] if self._run else [])
        curves = snapshot.curves.get(self._run or "")
        loss = None
        if curves is not None and (
            job is None or job.job.kind == "train"
        ):  # another job has no loss of its own
            from ddpm_tui.tui.state.plotting import last_finite

            loss = last_finite(curves.train, "loss")
        resume = self.ddpm.key("dashboard.pause")
        self.query_one(JobPanel).show(job, snapshot.time, loss, self._nothing(snapshot, run), resume)
        self.query_one(QueueSummary).show(snapshot)
        self.query_one(MeterPanel).show(snapshot.meters)
        self.query_one(EventList).show(snapshot)
        self._paint_curves(snapshot, job)
        self._paint_faces(snapshot, run, job)

    def _choose(self, snapshot: Snapshot) -> JobView | None:
        """The job to show: the one chosen while it lives, else the first at work; and its run, which stays when
        the job is over."""
        live = snapshot.live
        job = next((j for j in live if j.id == self._job), None) or (live[0] if live else None)
        if job is None:
            stopped = [j for j in snapshot.jobs if j.job.takes("resume")]
            job = next((j for j in stopped if j.run == self._run), None) or (stopped[0] if stopped else None)
        self._job = job.id if job else None
        with_run = job if job and job.run else None
        if with_run:
            self._run = with_run.run
        elif self._run is None or snapshot.run(self._run) is None:
            recent = next((j for j in reversed(snapshot.over) if j.run and snapshot.run(j.run)), None)
            self._run = recent.run if recent else snapshot.runs[-1].name if snapshot.runs else None
        return job

    def _nothing(self, snapshot: Snapshot, run: RunView | None) -> list[Line]:
        """What to say where no job is at work."""
        key = self.ddpm.key
        if not snapshot.loaded:
            return [[("looking …", "dim")]]
        waiting = snapshot.waiting
        if waiting:
            why = waiting[0].wait or str(waiting[0].state)
            return [
                [("Nothing is running. ", "bold"), (f"Next: {waiting[0].title}", "")],
                [(why, "dim")],
                [(key("app.queue"), "accent bold"), (" queue", "dim")],
            ]
        bad = snapshot.over[-1] if snapshot.over else None
        if bad is not None and bad.state is State.FAILED:
            return [
                [("✗ ", "bad"), (bad.title, "bold"), ("  failed", "bad")],
                [(bad.job.reason, "bad"), ("  " + bad.job.hint, "accent")],
                [
                    (key("app.queue"), "accent bold"),
                    " queue: ",
                    (key("queue.retry"), "accent bold"),
                    " tries again, ",
                    (key("queue.log"), "accent bold"),
                    " shows what its worker said",
                ],
            ]
        if run is not None:
            return [
                [("Nothing is running. ", "bold"), (f"Shown: run {run.name}, epoch {run.epoch}", "dim")],
                [
                    (key("app.queue"), "accent bold"),
                    " then ",
                    (key("queue.add"), "accent bold"),
                    " trains on   ",
                    (key("app.gallery"), "accent bold"),
                    " looks at samples   ",
                    (key("app.checkpoints"), "accent bold"),
                    " checkpoints",
                ],
            ]
        return [
            [("Nothing has been trained here yet.", "bold")],
            [
                (key("dashboard.demo"), "accent bold"),
                " starts the demo: built-in faces, a few minutes, faces at the end",
            ],
            [(key("app.profiles"), "accent bold"), " to choose what to train instead"],
        ]

    def _paint_curves(self, snapshot: Snapshot, job: JobView | None) -> None:
        box, wait = self.query_one("#curves"), self.query_one("#curves-wait", Static)
        curves = snapshot.curves.get(self._run or "")
        if self._chart is None or self._plotter is None:
            return
        if curves is None or not curves.points:
            self._chart.display, wait.display = False, True
            entitle(box, f" loss of {self._run} " if self._run else " loss ")
            wait.update(
                self._instead(
                    job,
                    "the loss curve comes with the first steps",
                    "no curve yet",
                    "too few steps for a curve",
                )
            )
            return
        from ddpm_tui.tui.state.plotting import marks, target

        first = not self._chart.display
        self._chart.display, wait.display = True, False
        corrupt = f", {curves.corrupt_lines} damaged lines left out" if curves.corrupt_lines else ""
        entitle(box, f" loss of {curves.run}{corrupt} ")
        to_epoch = job.progress.to_epoch if job and job.progress and job.run == curves.run else None
        run = snapshot.run(curves.run)
        segments = run.segments if run else ()
        state = (curves.run, curves.generation, len(curves.events), to_epoch, segments)
        if state == self._drawn and not self.ddpm.may_write(CHART_BYTES):
            return
        series, grew = self._plotter.series(curves)
        if first or state != self._drawn:
            self._drawn = state
            self._chart.show([series], marks(curves, run), target(curves, to_epoch))
        elif grew:
            self._chart.grew()

    def _instead(self, job: JobView | None, coming: str, nothing: str, none: str) -> str:
        """What stands in place of a picture: `coming` while a training brings it, `nothing` if there is no run, `none`
        if its run has none and nothing is at work on it."""
        if self._run is None:
            return nothing
        if job is not None and job.job.kind == "train" and job.run == self._run:
            return coming
        return none if self._run in self.snapshot.curves else "looking …"

    def _paint_faces(self, snapshot: Snapshot, run: RunView | None, job: JobView | None) -> None:
        if self._grid is None or self._film is None:
            return
        curves = snapshot.curves.get(self._run or "")
        wait = self.query_one("#faces-wait", Static)
        if curves is None or not curves.previews:
            self._preview = None
            if run is None or run.name != self._learns:
                self._learns = None
                self._grid.display = self._film.display = False
                wait.display = True
                wait.update(
                    self._instead(job, "faces come with the first epoch", "no faces yet", "no previews")
                )
                entitle(self.query_one("#faces"), " faces ")
            if run is not None and self._learns is None:
                self.beside(partial(self._load_stand_ins, run), "faces")
            return
        self._learns = None
        newest = curves.preview_paths[-1]
        if newest == self._preview:
            return
        cells = self._grid.size.width * self._grid.size.height
        if self._preview is not None and not self.ddpm.may_write(CELL_BYTES * cells + FACES_BYTES):
            return
        self._preview = newest
        self.beside(partial(self._load_faces, newest, curves.previews[-1], run), "faces")

    async def _load_stand_ins(self, run: RunView) -> None:
        """Until the first preview: what a branch's parent drew where it branched, or what the run learns from, so that
        one sees at once what it is about."""
        faces, title = await asyncio.to_thread(_stand_ins, self.ddpm.home, self.snapshot, run)
        if faces and self._preview is None and run.name == self._run:
            self._learns, self._faces = run.name, faces
            entitle(self.query_one("#faces"), title)
            self._show_faces()

    async def _load_faces(self, path: str, step: int, run: RunView | None) -> None:
        from ddpm_tui.tui.state.previews import epoch_of, load_faces

        assert self._grid is not None
        assert self._film is not None
        size = run.setting("data", "size") if run else None
        try:
            self._faces = await asyncio.to_thread(load_faces, Path(path), size)
            epoch = await asyncio.to_thread(epoch_of, Path(path))
        except DdpmError as error:
            wait = self.query_one("#faces-wait", Static)
            self._grid.display = self._film.display = False
            wait.display = True
            wait.update(error.what.replace(path, Path(path).name))
            return
        self._newest = {} if epoch is None else {step: epoch}
        if self._faces:
            self._film.face = (self._faces[0].shape[1], self._faces[0].shape[0])
        entitle(self.query_one("#faces"), self._faces_title(step, epoch))
        self._show_faces()

    def _faces_title(self, step: int, epoch: float | None) -> str:
        curves = self.snapshot.curves.get(self._run or "")
        if epoch is None and curves is not None and len(curves.epochs.get("step", ())):
            at = (abs(curves.epochs["step"] - step)).argmin()
            epoch = curves.epochs["epoch"][at] if curves.epochs["step"][at] == step else None
        return f" faces after epoch {epoch:g} " if epoch else f" faces at step {step:,} "

    def _show_faces(self) -> None:
        from ddpm_tui.tui.state.previews import moment, worth_showing
        from ddpm_tui.tui.widgets.face_grid import FilmFrame

        if self._grid is None or self._film is None or not self._faces:
            return
        self.query_one("#faces-wait").display = False
        filming = self._filming and self._learns is None
        self._grid.display, self._film.display = not filming, filming
        if filming:
            curves = self.snapshot.curves.get(self._run or "")
            if curves is not None:
                frames = zip(curves.previews, curves.preview_paths, strict=True)
                epochs = {**_epochs_by_step(curves), **self._newest}
                self._film.show([FilmFrame(Path(p), *moment(s, epochs.get(s))) for s, p in frames])
            return
        room = self.query_one("#faces").content_size
        count = worth_showing(len(self._faces), self._faces[0].shape[1], room.width - 2, room.height)
        self._grid.show(self._faces[:count])

    def on_resize(self) -> None:
        if self._faces:
            self.call_after_refresh(self._show_faces)

    # Keys.

    def offers(self, key_id: str) -> bool:
        view = self.snapshot.job(self._job)
        curves = self.snapshot.curves.get(self._run or "")
        needed = {
            "dashboard.pause": view is not None and not view.job.over,
            "dashboard.log": view is not None,
            "dashboard.next_job": len(self.snapshot.live) > 1,
            "dashboard.chart": self._chart is not None and self._chart.display,
            "dashboard.film": curves is not None and len(curves.previews) > 1,
        }
        return needed.get(key_id, True)

    def label(self, key_id: str) -> str:
        view = self.snapshot.job(self._job)
        if key_id == "dashboard.pause" and view is not None and view.job.takes("resume"):
            return "resume"
        if key_id == "dashboard.chart" and self._chart is not None and self._chart.has_focus:
            return "leave chart"
        return "newest faces" if key_id == "dashboard.film" and self._filming else ""

    def needs(self, action: str) -> bool:
        return action in ("focus_chart", "film") or action.startswith("app.focus")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "demo":  # later it is a profile like any other
            return self.snapshot.loaded and not self.snapshot.runs and not self.snapshot.jobs
        return True

    def action_demo(self) -> None:
        """One key on a fresh machine: the built-in faces, trained by the service."""
        self.attempt(self._train_demo())

    async def _train_demo(self) -> None:
        """All epochs of its profile, which may be the user's own."""
        from ddpm_tui.tui.screens.asks import train

        def epochs() -> int:
            from engine.config.store import load_profile

            return load_profile(self.ddpm.home, DEMO).training.epochs

        await train(self.ddpm, DEMO, to_epoch=await asyncio.to_thread(epochs))

    def action_pause(self) -> None:
        from ddpm_tui.tui.screens.asks import pause_or_resume

        view = self.snapshot.job(self._job)
        if view is None:
            self.ddpm.say("no job is at work", "dim")
        else:
            self.attempt(pause_or_resume(self.ddpm, [view]))

    def action_next_job(self) -> None:
        live = [view.id for view in self.snapshot.live]
        if len(live) < 2:
            self.ddpm.say("no other job is at work", "dim")
            return
        at = live.index(self._job) if self._job in live else -1
        self._job = live[(at + 1) % len(live)]
        self._preview = None
        self.repaint()

    def action_focus_chart(self) -> None:
        if self._chart is not None and self._chart.display:
            self.set_focus(None if self._chart.has_focus else self._chart)

    def action_film(self) -> None:
        self._filming = not self._filming
        self._show_faces()

    def action_log(self) -> None:
        from ddpm_tui.tui.screens.log import LogView

        view = self.snapshot.job(self._job)
        if view is None:
            self.ddpm.say("no job is at work", "dim")
        else:
            self.app.push_screen(LogView(self.ddpm.home.job(view.id), view.title))


def _epochs_by_step(curves: Any) -> dict[int, float]:
    epochs = curves.epochs
    pairs = zip(epochs.get("step", ()), epochs.get("epoch", ()), strict=True)
    return {int(step): float(epoch) for step, epoch in pairs}


def _stand_ins(home: Home, snapshot: Snapshot, run: RunView) -> tuple[list[Any], str]:
    """Faces to show for a run that has no preview yet, and what they are."""
    from ddpm_tui.tui.state.previews import epoch_of, load_faces, moment, shown_preview, training_faces

    found = shown_preview(home, snapshot, run.name)
    # A preview of its own that the Snapshot has not heard of yet comes with the next one.
    if found is not None and found[0].name != run.name:
        parent, step = found
        path = parent.preview(step)
        with contextlib.suppress(DdpmError):
            faces = load_faces(path, run.setting("data", "size"))
            return faces, f" parent's faces, {moment(step, epoch_of(path))[1]} "
    return training_faces(home, run.name), " training faces, no previews yet "


def _import_drawing() -> None:
    """What the first paint does without."""
    import ddpm_tui.tui.state.plotting
    import ddpm_tui.tui.widgets.chart
    import ddpm_tui.tui.widgets.face_grid  # noqa: F401
