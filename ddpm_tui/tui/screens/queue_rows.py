"""The queue screen's texts about jobs: rows, the line of those that ended, lanes of devices. Knows no screen."""

from collections import Counter
from collections.abc import Collection, Sequence

from ddpm_tui.tui.state.forecast import Forecast, Times
from ddpm_tui.tui.state.snapshot import JobView, Snapshot
from ddpm_tui.tui.widgets.jobs import PHASES, sign_and_tone
from ddpm_tui.tui.widgets.meters import eighths
from ddpm_tui.tui.widgets.rows import Line, Piece
from ddpm_tui.tui.widgets.table import Column, Row
from ddpm_tui.words import ago, clock, duration, left
from engine.base.home import short_reference
from engine.service.job_states import STATES
from engine.service.states import Priority, State, job_number

COLUMNS = (
    Column("", 1),
    Column("job", 4, right=True),
    Column("", 1),
    Column("what", 24, grow=3),
    Column("done", 10, drop=3),
    Column("start", 5),
    Column("end", 5),
    Column("why", 13, grow=2, drop=1),
)
BAR = 5
"""Cells of a job's bar."""
ENDED = "ended"
"""The key of the row that stands for all jobs that are over."""


def what(view: JobView) -> str:
    """Describe the job, short enough for a list, with the settings that tell two of them apart."""
    job = view.job
    if job.kind == "train":
        start = job.args.get("from_epoch")
        begin = f"{start:g}" if isinstance(start, int | float) else ""
        return f"train {job.run} {begin}→{job.args.get('to_epoch')}"
    target = job.args.get("checkpoint") or job.run or job.args.get("dataset") or ""
    words = [f"{job.kind} {short_reference(str(target))}"]
    if job.args.get("n"):
        words.append(f"×{job.args['n']}")
    if sampler := job.args.get("sampler"):
        words.append(str(sampler))
    if steps := job.args.get("steps"):
        words.append(f"{steps} steps" if not sampler else str(steps))
    if job.args.get("seed"):
        words.append(f"seed {job.args['seed']}")
    if measures := job.args.get("measures"):
        words.append(", ".join(str(m).replace("_", " ") for m in measures))
    return " ".join(words)


def job_row(view: JobView, snapshot: Snapshot, times: Times, marked: bool) -> Row:
    sign, tone = sign_and_tone(view.state)
    silent = view.silence(snapshot.time)
    why, ink = _why(view, snapshot, silent)
    share = ""
    if view.fraction is not None and not view.job.over:
        share = f"{eighths(view.fraction, BAR)} {100 * view.fraction:.0f} %"
    muted = "dim" if view.job.over else ""
    start, end = clock(times.start), clock(times.end)
    cells: tuple[Piece, ...] = (
        ("■", "accent") if marked else "",
        (job_number(view.id), "dim"),
        (sign, tone),
        (what(view), muted),
        (share, "bar" if view.job.live else "dim"),
        (start, "" if view.job.live else "dim"),
        (end, "" if view.job.live else "dim"),
        (why, ink),
    )
    return Row(view.id, cells, f"{view.id} {view.title} {what(view)} {view.state} {why} {view.run or ''}")


def _why(view: JobView, snapshot: Snapshot, silent: str) -> tuple[str, str]:
    """Return the reason for the job's state, or its time left; and its ink."""
    job = view.job
    if job.intent:
        says = {"pause": "pausing", "cancel": "stopping", "kill": "stopping", "resume": "resuming"}
        return says.get(job.intent, str(view.state)), "warn"
    if silent:
        return f"silent: {silent}", "warn"
    if job.live:
        progress = view.progress
        said = [f"{left(progress.eta_s)} left"] if progress and progress.eta_s else []
        if progress and progress.phase in PHASES:
            said.append(PHASES[progress.phase])
        return ", ".join(said) or str(view.state), "dim"
    if view.state is State.QUEUED:
        if turn := snapshot.turn(view):
            return f"at epoch {turn[0]}: {view.wait}", "dim"
        return view.wait or ("goes first" if job.priority > Priority.NORMAL else "waits"), "dim"
    if view.state is State.DONE:
        took = (
            duration(job.ended - job.started) if job.ended and job.started and job.ended > job.started else ""
        )
        when = ago(job.ended, snapshot.time)
        return ", ".join(part for part in (when, f"took {took}" if took else "") if part), "dim"
    why = job.reason if job.reason not in ("", str(view.state)) else ""
    said_state = ", ".join(part for part in (str(view.state), why) if part)
    return said_state, "bad" if view.state is State.FAILED else "dim"


def ended_row(over: Sequence[JobView], key: str) -> Row:
    """Return one line for all jobs that are over. key: the one that unfolds it."""
    counts = Counter(view.state for view in over)
    signs = " ".join(f"{STATES[state].sign}{n}" for state, n in sorted(counts.items(), key=lambda e: -e[1]))
    cells: tuple[Piece, ...] = (
        "",
        ("▸", "dim"),
        "",
        (f"{len(over)} ended {signs}", "dim"),
        "",
        "",
        "",
        (f"{key} shows them", "dim"),
    )
    return Row(ENDED, cells, ENDED)


def lanes(snapshot: Snapshot, times: Forecast, width: int) -> list[Line]:
    """Draw one line a device from now to the end of all jobs, jobs by their numbers; and the hours below.

    Empty if no end is known."""
    now = snapshot.time
    ends = [
        (view, found) for view in (*snapshot.live, *snapshot.waiting) if (found := times.jobs.get(view.id))
    ]
    last = max((found.end for _, found in ends if found.end is not None), default=now)
    label = max((len(slot) for slot in snapshot.engine.slots), default=0) + 1
    room = width - label
    if last <= now + 1 or room < 20:
        return []
    scale = room / (last - now)
    taken: list[tuple[list[Piece], int]] = []
    for view, found in sorted(ends, key=lambda entry: (entry[1].start or now, entry[0].id)):
        if found.end is None:
            continue
        start = max(0, round((max(found.start or now, now) - now) * scale))
        end = min(room, max(start + 1, round((found.end - now) * scale)))
        lane = next((lane for lane in taken if lane[1] <= start), None)
        if lane is None:
            if len(taken) >= max(1, len(snapshot.engine.slots)):
                continue
            lane = ([], 0)
            taken.append(lane)
        pieces, used = lane
        wide = end - start
        name = job_number(view.id)
        text = ("▐" + (name if len(name) < wide else "")).ljust(wide)[:wide]
        pieces += [(" " * (start - used), ""), (text, "resting" if not view.job.live else "cursor")]
        taken[taken.index(lane)] = (pieces, end)
    slots = [*snapshot.engine.slots, *[""] * len(taken)]
    lines: list[Line] = [[(f"{slots[i]:<{label}}", "dim"), *pieces] for i, (pieces, _) in enumerate(taken)]
    marks = [now + (last - now) * part for part in (0, 0.25, 0.5, 0.75)]
    hours = "".join(clock(mark).ljust(room // 4) for mark in marks)[: room - 6]
    lines.append([" " * label, (hours.ljust(room - 5), "dim"), (clock(last), "dim")])
    return lines


def chosen(views: Sequence[JobView], marks: Collection[str], cursor: JobView | None) -> list[JobView]:
    """Return the objects of an action: the marked jobs, else the one under the cursor."""
    found = [view for view in views if view.id in marks]
    return found or ([cursor] if cursor is not None else [])
