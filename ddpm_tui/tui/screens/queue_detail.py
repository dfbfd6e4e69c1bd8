"""Beside the queue: the job under the cursor with its curve, its run's newest faces, its log and its command.

The drawing widgets are imported after the first paint; hidden parts are not read.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.containers import Vertical

from ddpm_tui.tui.screens.log import LogLines, LogTail
from ddpm_tui.tui.state.shell import job_command
from ddpm_tui.tui.state.snapshot import JobView, Snapshot
from ddpm_tui.tui.widgets.jobs import with_key
from ddpm_tui.tui.widgets.rows import Line, Rows, entitle
from ddpm_tui.words import ago, clock, duration, left
from engine.base.errors import DdpmError
from engine.service.states import State, job_number

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ddpm_tui.tui.screens.base import BaseScreen
    from ddpm_tui.tui.state.plotting import Plotter

CHART_BYTES, FACES_BYTES = 2500, 12_000
REST_S = 0.2
"""How long the cursor rests on a job before its pictures and its log are read."""


class AboutJob(Rows):
    """The facts about one job, and the command that queues it."""

    def __init__(self) -> None:
        super().__init__(id="about")
        self.view: JobView | None = None
        self.now = 0.0
        self.resume = ""
        self.turn: tuple[int, float | None] | None = None

    def show(self, view: JobView | None, snapshot: Snapshot, resume: str) -> None:
        """Describe this job. resume: the key."""
        self.view, self.now, self.resume = view, snapshot.time, resume
        self.turn = snapshot.turn(view) if view else None
        entitle(self, f" job {job_number(view.id)} " if view else "")
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        view = self.view
        if view is None:
            return []
        job = view.job
        times = [f"added {ago(job.created, self.now)}"]
        if job.started:
            times.append(f"started {clock(job.started)}")
        if job.ended:
            times.append(f"ended {clock(job.ended)}")
            if job.started and job.ended > job.started:
                times.append(f"took {duration(job.ended - job.started)}")
        if job.attempt > 1:
            times.append(f"attempt {job.attempt}")
        facts = [
            f"{key.replace('_', ' ')} {_plain(value)}" for key, value in job.args.items() if value is not None
        ]
        where = [job.slot or job.device, *([f"priority {job.priority.name.lower()}"] if job.priority else [])]
        if job.after:
            where.append("after " + ", ".join(job_number(a) for a in job.after))
        silent = view.silence(self.now)
        why = silent or view.wait or job.reason
        if self.turn is not None:
            epoch, seconds = self.turn
            why += f", at epoch {epoch}" + (f", in {left(seconds)}" if seconds else "")
        bad = job.state in (State.FAILED, State.HELD, State.INTERRUPTED)
        lines: list[Line] = [
            [(why[:1].upper() + why[1:], "bad" if bad else "warn" if silent else "")],
            [(with_key(job.hint, self.resume), "accent")],
            [("   ".join(times), "dim")],
            [("   ".join([*where, *facts]), "dim")],
        ]
        if command := job_command(job):
            lines.append([("$ ", "dim"), (command, "accent")])
        return [line for line in lines if line[0][0]]


def _plain(value: object) -> str:
    """Return a value as people write it: 2, not 2.0."""
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


class JobPane(Vertical):
    """`show` sets the job. Hidden by the style sheet if there is no room; then it reads nothing."""

    def __init__(self) -> None:
        super().__init__(id="pane")
        self._view: JobView | None = None
        self._log: LogTail | None = None
        self._chart: Any = None
        self._grid: Any = None
        self._plotter: Plotter | None = None
        self._faces: str | None = None
        self._drawn: tuple[Any, ...] = ()

    def compose(self) -> "ComposeResult":
        with Vertical(id="pane-curve", classes="rule"):
            pass
        with Vertical(id="pane-faces", classes="rule"):
            pass
        with Vertical(id="pane-log", classes="rule"):
            yield LogLines()

    def on_mount(self) -> None:
        entitle(self.query_one("#pane-log"), " log ")
        self.query_one(LogLines).can_focus = False
        self.query_one("#pane-curve").display = self.query_one("#pane-faces").display = False
        self.set_interval(1.0, self._follow_log)

    @property
    def _screen(self) -> "BaseScreen":
        return cast("BaseScreen", self.screen)

    @property
    def run(self) -> str | None:
        """Return the run whose curve is wanted."""
        return self._view.run if self.display and self._view is not None else None

    async def bring(self) -> None:
        """Import and mount the drawing widgets."""

        def load() -> tuple[Any, ...]:
            from ddpm_tui.tui.state.plotting import Plotter
            from ddpm_tui.tui.widgets.chart import LossChart
            from ddpm_tui.tui.widgets.face_grid import FaceGrid

            return Plotter, LossChart, FaceGrid

        plotter, chart, grid = await asyncio.to_thread(load)
        ddpm = self._screen.ddpm
        self._plotter = plotter()
        self._chart = chart(terminal=ddpm.terminal)
        self._grid = grid(terminal=ddpm.terminal, low_colours=ddpm.low_bandwidth, empty="")
        self._grid.can_focus = self._chart.can_focus = False
        await self.query_one("#pane-curve").mount(self._chart)
        await self.query_one("#pane-faces").mount(self._grid)

    def show(self, view: JobView | None, snapshot: Snapshot) -> None:
        """Update with every Snapshot, and when the cursor moves."""
        other = (view and view.id) != (self._view and self._view.id)
        self._view = view
        if not self.display:
            return
        if other or self._log is None:  # it may have been hidden so far
            self._log = LogTail(self._screen.ddpm.home.job(view.id)) if view else None
            self._screen.beside(self._rested, "log")
        if self._chart is not None and self._plotter is not None:
            self._show_curve(snapshot)
            self._show_faces(snapshot)

    async def _rested(self) -> None:
        await asyncio.sleep(REST_S)
        await self._follow_log()

    async def _follow_log(self) -> None:
        log = self._log
        if not self.display or log is None or not self._screen.is_current:
            return
        found = await asyncio.to_thread(log.read)
        if found is not None and log is self._log:
            self.query_one(LogLines).show(found)

    def _show_curve(self, snapshot: Snapshot) -> None:
        from ddpm_tui.tui.state.plotting import marks, target

        view, box = self._view, self.query_one("#pane-curve")
        curves = snapshot.curves.get((view.run if view else None) or "")
        box.display = curves is not None and bool(curves.points)
        if view is None or curves is None or not curves.points or self._plotter is None:
            self._drawn = ()
            return
        to_epoch = view.job.args.get("to_epoch")
        state = (view.id, curves.run, curves.generation, len(curves.events))
        if state == self._drawn and not self._screen.ddpm.may_write(CHART_BYTES):
            return
        series, grew = self._plotter.series(curves)
        if state != self._drawn:
            self._drawn = state
            entitle(box, f" loss of {curves.run} ")
            self._chart.show(
                [series], marks(curves), target(curves, to_epoch if view.job.kind == "train" else None)
            )
        elif grew:
            self._chart.grew()

    def _show_faces(self, snapshot: Snapshot) -> None:
        view, box = self._view, self.query_one("#pane-faces")
        curves = snapshot.curves.get((view.run if view else None) or "")
        newest = curves.preview_paths[-1] if curves is not None and curves.previews else None
        box.display = newest is not None
        if newest is None or view is None or newest == self._faces:
            return
        if self._faces is not None and not self._screen.ddpm.may_write(FACES_BYTES):
            return
        self._faces = newest
        run = snapshot.run(view.run)
        self._screen.beside(
            partial(self._load, newest, run.setting("data", "size") if run else None), "faces"
        )

    async def _load(self, path: str, size: int | None) -> None:
        from ddpm_tui.tui.state.previews import epoch_of, load_faces, worth_showing

        box = self.query_one("#pane-faces")
        try:
            faces = await asyncio.to_thread(load_faces, Path(path), size)
            epoch = await asyncio.to_thread(epoch_of, Path(path))
        except DdpmError as error:
            self._grid.empty = error.what
            self._grid.show(())
            return
        entitle(box, f" faces after epoch {epoch} " if epoch else " newest faces ")
        room = box.content_size
        self._grid.show(faces[: worth_showing(len(faces), faces[0].shape[1], room.width - 2, room.height)])
