"""Screen 1: the job at work, its curves and newest faces, the devices, the queue, and the newest events.

The chart and the faces bring NumPy, so they are put in after the first paint. They repaint by themselves only
while the link's budget allows it; text always goes out.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.widget import Widget
from textual.widgets import Static

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.screens.dashboard_words import nothing_lines
from ddpm_tui.tui.screens.run_faces import RunFaces
from ddpm_tui.tui.state.forecast import forecast
from ddpm_tui.tui.state.snapshot import JobView, Snapshot
from ddpm_tui.tui.widgets.jobs import EventList, JobPanel, QueueSummary
from ddpm_tui.tui.widgets.meters import MeterPanel
from ddpm_tui.tui.widgets.rows import entitle
from ddpm_tui.words import clock

if TYPE_CHECKING:
    from ddpm_tui.tui.state.plotting import Plotter
    from ddpm_tui.tui.widgets.chart import LossChart

DEMO = "demo"
CHART_BYTES = 2500
"""What a painting of the chart costs, about; what it really cost is counted."""


class DashboardScreen(BaseScreen):
    """The work that goes on. `n` goes through the running jobs if there are several."""

    NAME = "dashboard"
    BINDINGS = bindings("dashboard", "app")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-usual"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]

    def __init__(self) -> None:
        super().__init__()
        self._job: str | None = None
        self._run: str | None = None
        self._chart: LossChart | None = None
        self._plotter: Plotter | None = None
        self._drawn: tuple[Any, ...] = ()
        self._fresh = False

    def body(self) -> ComposeResult:
        unicode = self.ddpm.terminal.unicode
        yield JobPanel(unicode=unicode, id="job")
        with Horizontal(id="middle"):
            with Container(id="curves", classes="rule"):
                yield Static("", classes="placeholder", id="curves-wait", markup=False)
            yield RunFaces()
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

    def painted_first(self) -> None:
        self.read(self._bring_pictures)

    async def _bring_pictures(self) -> None:
        """Import the drawing widgets beside the event loop, and put them in place of the placeholders."""
        await asyncio.to_thread(_import_drawing)
        from ddpm_tui.tui.state.plotting import Plotter
        from ddpm_tui.tui.widgets.chart import LossChart

        self._plotter = Plotter()
        self._chart = LossChart(terminal=self.ddpm.terminal, id="chart")
        self._chart.display = False
        await self.query_one("#curves").mount(self._chart)
        await self.faces.bring()
        self.repaint()

    @property
    def faces(self) -> RunFaces:
        return self.query_one(RunFaces)

    # The contents.

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
        self.query_one(JobPanel).show(
            job, snapshot.time, loss, nothing_lines(snapshot, run, self.ddpm.key), resume
        )
        times = forecast(snapshot)
        done = f" queue · all done {clock(times.done)} " if times.done is not None else " queue "
        entitle(self.query_one("#queue-box"), done)
        self.query_one(QueueSummary).times = times
        self.query_one(QueueSummary).show(snapshot)
        self.query_one(MeterPanel).show(snapshot.meters)
        self.query_one(EventList).show(snapshot)
        self._paint_curves(snapshot, job)
        self.faces.show(snapshot, run, job)

    def _choose(self, snapshot: Snapshot) -> JobView | None:
        """Return the job to show: the chosen one while it lives, else the first at work; keep its run when it
        is over."""
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
        """Return the text in place of a picture: `coming` while a training brings it, `nothing` if there is
        no run, `none` if its run has none and nothing is at work on it."""
        if self._run is None:
            return nothing
        if job is not None and job.job.kind == "train" and job.run == self._run:
            return coming
        return none if self._run in self.snapshot.curves else "looking …"

    # One cursor in the epochs: the inspected place in the chart, and the shown preview.

    def on_loss_chart_inspected(self, event: "LossChart.Inspected") -> None:
        self.faces.go_to_step(event.step)

    def on_run_faces_moved(self, event: RunFaces.Moved) -> None:
        if self._chart is not None:
            self._chart.inspect_step(event.step)

    # Keys.

    def pane_to_zoom(self) -> Widget | None:
        chart = self._chart is not None and self._chart.has_focus
        return self.query_one("#curves" if chart else "#faces")

    def offers(self, key_id: str) -> bool:
        view = self.snapshot.job(self._job)
        curves = self.snapshot.curves.get(self._run or "")
        needed = {
            "dashboard.pause": view is not None and not view.job.over,
            "dashboard.log": view is not None,
            "dashboard.next_job": len(self.snapshot.live) > 1,
            "dashboard.chart": self._chart is not None and self._chart.display,
            "dashboard.film": curves is not None and len(curves.previews) > 1,
            "dashboard.earlier": self.faces.scrubs,
            "dashboard.later": self.faces.scrubs,
        }
        return needed.get(key_id, True)

    def label(self, key_id: str) -> str:
        view = self.snapshot.job(self._job)
        if key_id == "dashboard.pause" and view is not None and view.job.takes("resume"):
            return "resume"
        if key_id == "dashboard.chart" and self._chart is not None and self._chart.has_focus:
            return "leave chart"
        return "one moment" if key_id == "dashboard.film" and self.faces.filming else ""

    def needs(self, action: str) -> bool:
        return action.partition("(")[0] in ("focus_chart", "film", "scrub") or action.startswith("app.focus")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "demo":  # later it is a profile like any other
            return self.snapshot.loaded and not self.snapshot.runs and not self.snapshot.jobs
        return True

    def action_demo(self) -> None:
        """Train on the built-in faces by the service: one key on a fresh machine."""
        self.attempt(self._train_demo())

    async def _train_demo(self) -> None:
        """Queue all epochs of the demo's profile, which may be the user's own."""
        from ddpm_tui.tui.screens.asks import train

        def epochs() -> int:
            from engine.config.store import load_profile

            return load_profile(self.ddpm.home, DEMO).training.epochs

        await train(self.ddpm, DEMO, to_epoch=await asyncio.to_thread(epochs))

    def action_pause(self) -> None:
        from ddpm_tui.tui.screens.asks import pause_or_resume

        view = self.snapshot.job(self._job)
        if view is None:
            self.ddpm.say("no job is running", "dim")
        else:
            self.attempt(pause_or_resume(self.ddpm, [view]))

    def action_next_job(self) -> None:
        live = [view.id for view in self.snapshot.live]
        if len(live) < 2:
            self.ddpm.say("no other job is running", "dim")
            return
        at = live.index(self._job) if self._job in live else -1
        self._job = live[(at + 1) % len(live)]
        self.repaint()

    def action_focus_chart(self) -> None:
        if self._chart is not None and self._chart.display:
            self.set_focus(None if self._chart.has_focus else self._chart)

    def action_film(self) -> None:
        self.faces.film()

    def action_scrub(self, by: int) -> None:
        """Go to an earlier or a later preview; the chart's cursor goes along."""
        self.faces.scrub(by)

    def action_log(self) -> None:
        from ddpm_tui.tui.screens.log import LogView

        view = self.snapshot.job(self._job)
        if view is None:
            self.ddpm.say("no job is running", "dim")
        else:
            self.app.push_screen(LogView(self.ddpm.home.job(view.id), view.title))


def _import_drawing() -> None:
    """Import the modules that the first paint does without."""
    import ddpm_tui.tui.state.plotting
    import ddpm_tui.tui.widgets.chart
    import ddpm_tui.tui.widgets.face_grid  # noqa: F401
