"""Screen 2: every job in order, and what can be done with each."""

from functools import partial
from typing import Any

from textual.app import ComposeResult

from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.screens import asks
from ddpm_tui.tui.screens.base import BaseScreen
from ddpm_tui.tui.screens.forms import SampleForm, TrainForm, wish
from ddpm_tui.tui.screens.log import LogView
from ddpm_tui.tui.state.snapshot import JobView, Snapshot
from ddpm_tui.tui.widgets.jobs import PHASES, sign_and_tone, with_key
from ddpm_tui.tui.widgets.rows import Line, Rows, entitle
from ddpm_tui.tui.widgets.table import Column, Row, Table
from ddpm_tui.words import ago, clock, duration, left
from engine.base.errors import UserError
from engine.service.states import Priority, State, job_number

COLUMNS = (
    Column("job", 4, right=True),
    Column("", 1),
    Column("what", 24, grow=2),
    Column("state", 9),
    Column("done", 5, right=True),
    Column("", 15, drop=1),
    Column("why", 24, grow=3, drop=2),
)


class AboutJob(Rows):
    """What there is to say about one job."""

    def __init__(self) -> None:
        super().__init__(id="about")
        self.view: JobView | None = None
        self.now = 0.0
        self.resume = ""
        self.turn: tuple[int, float | None] | None = None

    def show(self, view: JobView | None, snapshot: Snapshot, resume: str) -> None:
        """resume: the key."""
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
        ]
        lines += [[("   ".join(times), "dim")], [("   ".join([*where, *facts]), "dim")]]
        return [line for line in lines if line[0] and line[0][0]]


def _plain(value: object) -> str:
    """A value as people write it: 2, not 2.0."""
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


class QueueScreen(BaseScreen):
    """Jobs that are over first (as many as were lately), then what works, then what waits, in order."""

    NAME = "queue"
    BINDINGS = [
        *bindings("queue"),
        *bindings("list", only=["list.filter", "list.unfilter"]),
        *bindings("app"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._ended = True
        self._follow: str | None = None

    def body(self) -> ComposeResult:
        yield Table(COLUMNS, id="jobs")
        yield AboutJob()

    def on_mount(self) -> None:
        self.query_one(Table).focus()

    def open(self, job: str) -> None:
        """Put the cursor on a job."""
        self.query_one(Table).move_to(job)

    def filtered(self, words: str) -> None:
        self.query_one(Table).filter(words)

    def paint(self, snapshot: Snapshot) -> None:
        table = self.query_one(Table)
        key = self.ddpm.key
        over = snapshot.over
        active = [*snapshot.live, *snapshot.waiting]
        shown = [*(over[-30:] if self._ended else []), *active]
        fresh = not table.keys
        table.show(
            [_row(view, snapshot) for view in shown],
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

    def _about(self) -> None:
        view = self.snapshot.job(self.query_one(Table).key)
        self.query_one(AboutJob).show(view, self.snapshot, self.ddpm.key("queue.pause"))

    def on_table_moved(self) -> None:
        self._about()

    def on_table_chosen(self) -> None:
        self.action_log()

    # Keys.

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
        """The cursor onto what was just added, as soon as it is there."""
        self._follow = str((reply.get("job") or {}).get("id", ""))
        self.repaint()

    def action_log(self) -> None:
        view = self._chosen()
        self.app.push_screen(LogView(self.ddpm.home.job(view.id), view.title))

    def action_pause(self) -> None:
        self.attempt(asks.pause_or_resume(self.ddpm, self._chosen()))

    def action_cancel(self) -> None:
        view = self._chosen()
        if view.job.over:
            raise UserError(f"job {job_number(view.id)} is {view.state} already")
        self.attempt(asks.cancel(self.ddpm, view))

    def action_retry(self) -> None:
        self.attempt(asks.retry(self.ddpm, self._chosen()))

    def action_move(self, by: int) -> None:
        """One place up or down among the jobs that are not over."""
        view = self._chosen()
        ids = [v.id for v in self.snapshot.jobs if not v.job.over]
        if view.id not in ids:
            raise UserError(f"job {job_number(view.id)} is {view.state}", "only waiting jobs have a place")
        at = ids.index(view.id)
        if not 0 <= at + by < len(ids):
            self.ddpm.say("it is at the end already" if by > 0 else "it is the first already", "dim")
            return
        self.attempt(self._move(view.id, ids, at, by))

    async def _move(self, job_id: str, ids: list[str], at: int, by: int) -> None:
        async def to(place: int) -> None:
            rest = [i for i in ids if i != job_id]
            where = rest[place] if place < len(rest) else "last"
            await asks.change(self.ddpm, "move", job_id, where=where)

        await to(at + by)
        self._follow = job_id
        number = job_number(job_id)
        self.ddpm.say(f"job {number} is {'later' if by > 0 else 'earlier'}")
        self.ddpm.undo.push(f"job {number} is back in its place", lambda: to(at))

    def action_hold(self) -> None:
        self.attempt(self._hold(not self.snapshot.engine.on_hold))

    async def _hold(self, on: bool) -> None:
        await asks.ask(self.ddpm, "hold_queue", on=on)
        self.ddpm.say("no further job is started" if on else "the queue goes on", "warn" if on else "good")
        said = "the queue goes on" if on else "no further job is started"
        self.ddpm.undo.push(said, partial(asks.ask, self.ddpm, "hold_queue", on=not on))

    def action_toggle_ended(self) -> None:
        self._ended = not self._ended
        self.repaint()


def _row(view: JobView, snapshot: Snapshot) -> Row:
    sign, tone = sign_and_tone(view.state)
    state, share, when, why = str(view.state), "", "", view.job.reason
    if view.job.intent:
        state = {"pause": "pausing", "cancel": "stopping", "kill": "stopping"}.get(view.job.intent, state)
    elif view.job.live and view.progress and view.progress.phase in PHASES:
        why = PHASES[view.progress.phase]
    if view.fraction is not None and not view.job.over:
        share = f"{100 * view.fraction:.0f} %"
    if silent := view.silence(snapshot.time):
        when, why = "silent", silent
    elif view.job.live and view.progress and view.progress.eta_s:
        when = f"{left(view.progress.eta_s)} left"
    elif view.job.over:
        when = ago(view.job.ended, snapshot.time)
    elif turn := snapshot.turn(view):
        when = f"at epoch {turn[0]}"
    if view.state is State.QUEUED:
        why = view.wait or ("goes first" if view.job.priority > Priority.NORMAL else "")
    if view.state is State.DONE or why == str(view.state) or (view.job.live and why.startswith("running")):
        why = view.job.slot or ""
    muted = "dim" if view.job.over else ""
    cells = (
        (job_number(view.id), "dim"),
        (sign, tone),
        (view.title, muted),
        (state, tone),
        (share, ""),
        (when, "warn" if silent else "dim"),
        (why, "bad" if view.state is State.FAILED else "warn" if silent else "dim"),
    )
    return Row(view.id, cells, f"{view.id} {view.title} {state} {why} {view.run or ''}")
