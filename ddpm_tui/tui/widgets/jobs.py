"""The dashboard's text: the shown job with its bars, the queue in short, and the newest events."""

import re
import textwrap
from collections.abc import Iterator

from ddpm_tui.tui.state.forecast import Forecast, Times
from ddpm_tui.tui.state.snapshot import JobView, Snapshot
from ddpm_tui.tui.widgets.meters import bar
from ddpm_tui.tui.widgets.rows import Line, Piece, Rows, length, spread
from ddpm_tui.words import clock, learning_rate, left, number, rate
from engine.base.text import visible
from engine.service.job_states import STATES
from engine.service.states import State, job_number

PHASES = {
    "starting": "starting",
    "packing": "packing pictures",
    "compiling": "compiling the network",
    "validating": "scoring held-out pictures",
    "sampling": "drawing pictures",
    "checkpointing": "writing a checkpoint",
    "writing": "writing",
}


def sign_and_tone(state: State) -> tuple[str, str]:
    """Return the sign and ink of a job's state."""
    facts = STATES[state]
    return facts.sign, facts.tone


class JobPanel(Rows):
    """One job: its title, progress in epochs and within the epoch, speed, and time left."""

    DEFAULT_CSS = "JobPanel { height: 3; }"

    def __init__(self, *, unicode: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self.unicode = unicode
        self.view: JobView | None = None
        self.now = 0.0
        self.loss: float | None = None
        self.empty: list[Line] = []
        self.resume = ""

    def show(
        self, view: JobView | None, now: float, loss: float | None, empty: list[Line], resume: str = ""
    ) -> None:
        """Show a job. loss: the newest of the run's metrics · empty: the text if no job is shown · resume: the key."""
        self.resume = resume
        self.view, self.now, self.loss, self.empty = view, now, loss, empty
        self.repaint()

    def lines(self, width: int, height: int) -> Iterator[Line]:
        if self.view is None:
            yield from self.empty
            return
        yield self._title(self.view, width)
        progress = self.view.progress
        if progress is None:
            yield [(self.view.wait or self.view.job.reason or str(self.view.state), "dim")]
            yield [(with_key(self.view.job.hint, self.resume), "dim")]
        elif progress.epoch is not None and progress.to_epoch:
            yield self._epochs(self.view, width)
            yield self._facts(self.view, width)
        else:
            yield self._plain(self.view, width)
            yield self._facts(self.view, width)

    def _title(self, view: JobView, width: int) -> Line:
        sign, tone = sign_and_tone(view.state)
        words = str(view.state)
        phase = PHASES.get(view.progress.phase) if view.progress and view.job.live else None
        if view.job.intent:
            said = {"pause": "pausing", "cancel": "stopping", "kill": "stopping", "resume": "resuming"}
            words = said.get(view.job.intent, words)
            if view.job.kind == "train" and (words != "stopping" or width > 90):
                words += " (writes a checkpoint first)"
        elif phase:
            words = phase
        if silent := view.silence(self.now):
            words, tone = f"{silent}, {words}" if words != str(view.state) else silent, "warn"
        left: list[Piece] = [(sign, tone), " ", (view.title, "bold"), "  ", (words, tone)]
        return spread(left, self._left(view, width), width)

    def _left(self, view: JobView, width: int) -> list[Piece]:
        if view.job.takes("resume") and self.resume:
            return [(self.resume, "accent bold"), (" resumes", "dim")]
        progress = view.progress
        if progress is None or progress.eta_s is None or not view.job.live or view.silence(self.now):
            return []
        words = f"{left(progress.eta_s)} left"
        ends = f", {clock(progress.time + progress.eta_s)}" if width >= 100 and progress.eta_s > 600 else ""
        return [(words, "bold"), (ends, "dim")]

    def _epochs(self, view: JobView, width: int) -> Line:
        progress = view.progress
        assert progress is not None
        assert progress.epoch is not None
        assert progress.to_epoch
        label = f"epoch {min(int(progress.epoch) + 1, int(progress.to_epoch))} of {progress.to_epoch:g} "
        within = progress.epoch % 1
        if view.state is State.DONE or progress.epoch >= progress.to_epoch:
            within = 1.0
        done = view.fraction or 0.0
        share = f" {100 * done:3.0f} %"
        if width >= 76:
            step = f" this epoch {100 * within:3.0f} % "
            small = max(8, width // 6)
            room = width - len(label) - len(share) - len(step) - small - 1
            return [
                (label, ""),
                *bar(done, room, "bar", self.unicode),
                share,
                " ",
                (step, "dim"),
                *bar(within, small, "accent", self.unicode),
            ]
        return [
            label,
            *bar(done, width - len(label) - len(share), "bar", self.unicode),
            share,
        ]

    def _plain(self, view: JobView, width: int) -> Line:
        progress = view.progress
        assert progress is not None
        if not progress.total:
            return [(progress.text or PHASES.get(progress.phase, progress.phase), "dim")]
        label = f"{progress.done:,} of {progress.total:,} {progress.unit} "
        share = f" {100 * progress.done / progress.total:3.0f} %"
        return [
            label,
            *bar(progress.done / progress.total, width - len(label) - len(share), "bar", self.unicode),
            share,
        ]

    def _facts(self, view: JobView, width: int) -> Line:
        progress = view.progress
        assert progress is not None
        facts = [
            ("", "" if view.silence(self.now) else rate(progress.images_per_s)),
            ("loss ", number(self.loss) if self.loss is not None else ""),
            ("lr ", learning_rate(progress.lr)),
            ("step ", f"{progress.step:,}" if progress.step is not None else ""),
            ("", progress.device or view.job.slot or ""),
            ("", progress.text),
            ("job ", job_number(view.id)),
        ]
        line: list[Piece] = []
        for label, text in facts:
            if text and length(line) + len(label) + len(text) + 3 <= width:
                line += ["   " if line else "", (label, "dim"), text]
        return line


def with_key(hint: str, key: str) -> str:
    """Replace the command in a service's hint by the key that has the same effect here."""
    return re.sub(r"`queue resume( \d+)?`", key, hint) if key else hint


def job_line(view: JobView, width: int, snapshot: Snapshot, times: Times | None = None) -> Line:
    """Return one job in one line: sign, title, and its state at the right."""
    sign, tone = sign_and_tone(view.state)
    fraction = view.fraction
    if view.job.live and fraction is not None:
        right = f"{100 * fraction:.0f} %"
        if view.silence(snapshot.time):
            right, tone = f"{right}  silent", "warn"
        elif view.progress and view.progress.eta_s and width >= 44:
            right += f"  {left(view.progress.eta_s)}"
    elif view.state is State.QUEUED:
        turn = snapshot.turn(view)
        at = clock(times.start) if times is not None else ""
        right = f"at epoch {turn[0]}" if turn else f"at {at}" if at else "waits"
        if view.wait and len(view.title) + len(view.wait) + 4 <= width:
            right = view.wait
    else:
        right = str(view.state)
    title: list[Piece] = [(sign, tone), f" {view.title}"]
    room = width - len(right) - 1
    if length(title) > room:
        title = [(sign, tone), f" {view.title}"[: max(2, room - 2)] + "…"]
    return spread(title, [(right, "dim" if view.state is State.QUEUED else tone)], width)


class _SnapshotRows(Rows):
    """Lines of the newest snapshot."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.snapshot = Snapshot()

    def show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.repaint()


class QueueSummary(_SnapshotRows):
    """The queue from the jobs at work on, as many as there is room for; the last ended ones if room is left."""

    DEFAULT_CSS = "QueueSummary { height: 1fr; }"

    times: Forecast | None = None
    """When jobs start, if that was asked."""

    def _line(self, view: JobView, width: int) -> Line:
        times = self.times.of(view) if self.times is not None else None
        return job_line(view, width, self.snapshot, times)

    def lines(self, width: int, height: int) -> list[Line]:
        active = [*self.snapshot.live, *self.snapshot.waiting]
        if len(active) > height:
            rest = len(active) - height + 1
            return [
                *(self._line(view, width) for view in active[: height - 1]),
                [(f"  and {rest} more", "dim")],
            ]
        shown = [*active, *reversed(self.snapshot.over)][:height]
        return [self._line(view, width) for view in shown] or [[("nothing queued", "dim")]]


class EventList(_SnapshotRows):
    """The events, newest first: of each job only its newest one, on as many lines as it needs."""

    DEFAULT_CSS = "EventList { height: 1fr; }"

    def lines(self, width: int, height: int) -> list[Line]:
        lines: list[Line] = []
        said: set[str] = set()
        for event in reversed(self.snapshot.events):
            if event.job in said or len(lines) >= height:
                continue
            if event.job:
                said.add(event.job)
            parts = textwrap.wrap(visible(event.text), max(16, width - 6)) or [""]
            lines.append([(f"{clock(event.time)} ", "dim"), (parts[0], event.tone)])
            lines += [["      ", (part, event.tone)] for part in parts[1:3]]
        return lines[:height] or [[("nothing yet", "dim")]]
