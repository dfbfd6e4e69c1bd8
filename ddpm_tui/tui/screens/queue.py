"""Screen 2: every job in order, and the actions on each."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens import asks
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.screens.forms import SampleForm, TrainForm, wish
from ddpm_tui.tui.screens.log import LogView
from ddpm_tui.tui.screens.queue_detail import AboutJob, JobPane
from ddpm_tui.tui.screens.queue_rows import COLUMNS, chosen, ended_row, job_row, lanes
from ddpm_tui.tui.state.forecast import Forecast, forecast
from ddpm_tui.tui.state.snapshot import JobView, Snapshot
from ddpm_tui.tui.widgets.rows import entitle
from ddpm_tui.tui.widgets.sheet import Sheet
from ddpm_tui.tui.widgets.table import Table
from ddpm_tui.words import clock
from engine.base.errors import UserError
from engine.service.states import job_number

KEPT = 30
"""Jobs that are over in the list."""
_OF_A_JOB = ("queue.log", "queue.pause", "queue.cancel", "queue.retry", "queue.move_up", "queue.move_down")


class QueueScreen(BaseScreen):
    """Jobs that are over first (recent ones only), then jobs at work, then waiting ones, in order, with the
    times at which each starts and ends. If there is room, the job under the cursor beside them and the
    devices' hours below."""

    NAME = "queue"
    LIST = "#jobs-box"
    BINDINGS = [
        *bindings("queue"),
        *bindings("list", only=["list.filter", "list.unfilter"]),
        *bindings("app"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (160, "-large")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]

    def __init__(self) -> None:
        super().__init__()
        self._ended = True
        self._follow: str | None = None
        self._marks: list[str] = []

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="jobs-box", classes="rule"):
                yield Table(COLUMNS, id="jobs")
                yield Sheet(id="lanes")
            yield JobPane()
        yield AboutJob()

    def on_mount(self) -> None:
        self.query_one(Table).focus()

    def open(self, job: str) -> None:
        """Put the cursor on a job."""
        self.query_one(Table).move_to(job)

    def painted_first(self) -> None:
        self.beside(self._bring_pane)

    async def _bring_pane(self) -> None:
        while not self.query(JobPane):  # the boxes of a screen come one after the other
            await asyncio.sleep(0.02)
        await self.query_one(JobPane).bring()
        self._about()

    def filtered(self, words: str) -> None:
        self.query_one(Table).filter(words)

    def paint(self, snapshot: Snapshot) -> None:
        table = self.query_one(Table)
        key = self.ddpm.key
        over = snapshot.over
        active = [*snapshot.live, *snapshot.waiting]
        times = forecast(snapshot)
        self._marks = [job_id for job_id in self._marks if snapshot.job(job_id) is not None]
        shown = [*(over[-KEPT:] if self._ended else []), *active]
        fresh = not table.keys
        rows = [job_row(view, snapshot, times.of(view), view.id in self._marks) for view in shown]
        if over and not self._ended:
            rows.insert(0, ended_row(over, key("queue.ended")))
        self._entitle(times, active)
        self.query_one(Sheet).show(partial(lanes, snapshot, times))
        table.show(
            rows,
            [
                [("The queue is empty.", "bold")],
                [
                    (key("queue.add"), "accent bold"),
                    " adds training, ",
                    (key("queue.sample"), "accent bold"),
                    " draws pictures from a checkpoint",
                ],
            ],
        )
        if fresh and active:
            table.move_to(active[0].id, above=3)
        if self._follow in table.keys:
            table.move_to(self._follow)
            self._follow = None
        self._about()

    def _entitle(self, times: Forecast, active: Sequence[JobView]) -> None:
        said = [f"{len(self._marks)} marked"] if self._marks else []
        if times.done is not None:
            said.append(f"all done {clock(times.done)}")
        elif active and self.snapshot.engine.on_hold:
            said.append("on hold: no new jobs start")
        entitle(self.query_one("#jobs-box"), f" queue · {' · '.join(said)} " if said else " queue ")

    def _about(self) -> None:
        view = self.snapshot.job(self.query_one(Table).key)
        self.query_one(AboutJob).show(view, self.snapshot, self.ddpm.key("queue.pause"))
        for pane in self.query(JobPane):
            pane.show(view, self.snapshot)
            self.ddpm.store.follow(self.NAME, [pane.run] if pane.run else [])

    def on_resize(self) -> None:
        self.call_after_refresh(self._about)

    def on_table_moved(self) -> None:
        self._about()

    def on_table_chosen(self) -> None:
        self.action_log()

    def action_mark(self) -> None:
        """Mark the job for the next actions, or unmark it, and go to the next."""
        view = self._chosen()
        if view.id in self._marks:
            self._marks.remove(view.id)
        else:
            self._marks.append(view.id)
        self.query_one(Table).action_cursor(1)
        self.repaint()

    def action_unmark(self) -> None:
        self._marks = []
        self.repaint()

    def _meant(self) -> list[JobView]:
        """Return the marked jobs, else the one under the cursor. Raises UserError."""
        return chosen(self.snapshot.jobs, self._marks, None) or [self._chosen()]

    # Keys.

    def offers(self, key_id: str) -> bool:
        table = self.query_one(Table)
        view = self.snapshot.job(table.key)
        if key_id == "queue.mark":
            return view is not None
        if key_id == "queue.unmark":
            return bool(self._marks)
        if key_id == "queue.sample":
            return any(not run.problem for run in self.snapshot.runs)
        if key_id == "queue.ended":
            return bool(self.snapshot.over)
        if view is None:
            return key_id not in _OF_A_JOB
        job = view.job
        needed = {
            "queue.pause": job.takes("pause") or job.takes("resume") or (job.live and not job.intent),
            "queue.cancel": not job.over,
            "queue.retry": job.takes("retry"),
            "queue.move_up": not job.over and not job.live,
            "queue.move_down": not job.over and not job.live,
        }
        return needed.get(key_id, True)

    def label(self, key_id: str) -> str:
        view = self.snapshot.job(self.query_one(Table).key)
        if key_id == "queue.pause" and view is not None and view.job.takes("resume"):
            return "resume"
        return ""

    def _chosen(self) -> JobView:
        view = self.snapshot.job(self.query_one(Table).key)
        if view is None:
            raise UserError("no job is chosen", f"{self.ddpm.key('queue.add')} adds one")
        return view

    def action_add_training(self) -> None:
        view = self.snapshot.job(self.query_one(Table).key)
        self.ask(TrainForm(view.run or "" if view else ""), self._add_training)

    async def _add_training(self, answer: dict[str, Any]) -> None:
        self._go_to(await asks.train(self.ddpm, **wish(answer.pop("chosen"), answer)))

    def action_add_sampling(self) -> None:
        if not any(not run.problem for run in self.snapshot.runs):
            self.ddpm.say(f"there is no run yet: {self.ddpm.key('queue.add')} trains one first", "warn")
            return
        view = self.snapshot.job(self.query_one(Table).key)
        self.ask(SampleForm(f"{view.run}@latest" if view else ""), self._add_sampling)

    async def _add_sampling(self, answer: dict[str, Any]) -> None:
        args = {"checkpoint": answer.pop("chosen"), **answer}
        self._go_to(await asks.add(self.ddpm, "sample", args))

    def _go_to(self, reply: dict[str, Any]) -> None:
        """Put the cursor on the new job as soon as it is there."""
        self._follow = str((reply.get("job") or {}).get("id", ""))
        self.repaint()

    def action_log(self) -> None:
        view = self._chosen()
        self.app.push_screen(LogView(self.ddpm.home.job(view.id), view.title))

    def action_pause(self) -> None:
        self.attempt(asks.pause_or_resume(self.ddpm, self._meant()))

    def action_cancel(self) -> None:
        self.attempt(asks.cancel(self.ddpm, self._meant()))

    def action_retry(self) -> None:
        self.attempt(asks.retry(self.ddpm, self._meant()))

    def action_move(self, by: int) -> None:
        """Move the job one place up or down among the jobs that are not over."""
        view = self._chosen()
        ids = [v.id for v in self.snapshot.jobs if not v.job.over]
        if view.id not in ids:
            raise UserError(f"job {job_number(view.id)} is {view.state}", "only waiting jobs can be moved")
        at = ids.index(view.id)
        if not 0 <= at + by < len(ids):
            self.ddpm.say("it is already the last" if by > 0 else "it is already the first", "dim")
            return
        self.attempt(self._move(view.id, ids, at, by))

    async def _move(self, job_id: str, ids: list[str], at: int, by: int) -> None:
        async def to(place: int) -> None:
            rest = [i for i in ids if i != job_id]
            where = rest[place] if place < len(rest) else "last"
            await asks.change(self.ddpm, "move", [job_id], where=where)

        await to(at + by)
        self._follow = job_id
        number = job_number(job_id)
        says = f"job {number} is {'later' if by > 0 else 'earlier'}"
        self.ddpm.say(says)
        again = partial(self._move, job_id, ids, at, by)
        self.ddpm.undo.push(f"job {number} is back in its place", lambda: to(at), does=says, again=again)

    def action_hold(self) -> None:
        self.attempt(self._hold(not self.snapshot.engine.on_hold))

    async def _hold(self, on: bool) -> None:
        await asks.ask(self.ddpm, "hold_queue", on=on)
        goes, holds = "the queue continues", "no further job is started"
        says, said = (holds, goes) if on else (goes, holds)
        self.ddpm.say(says, "warn" if on else "good")
        back = partial(asks.ask, self.ddpm, "hold_queue", on=not on)
        self.ddpm.undo.push(said, back, does=says, again=partial(self._hold, on))

    def action_toggle_ended(self) -> None:
        self._ended = not self._ended
        self.repaint()
