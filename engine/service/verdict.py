"""The next state of a job whose worker has ended. Pure functions."""

import signal
from dataclasses import dataclass, replace

from engine.base.text import plural
from engine.jobs.files import EXIT_DISK_FULL, EXIT_DONE, EXIT_STOPPED, Result
from engine.service.states import Intent, Job, State, job_number


@dataclass(frozen=True)
class Verdict:
    """The next state and the reason. `crashed`: the worker ended without a result, which counts against the job."""

    state: State
    reason: str
    hint: str = ""
    crashed: bool = False


_INTENDED = {
    Intent.PAUSE: Verdict(State.PAUSED, "paused", "`queue resume` goes on from the checkpoint"),
    Intent.CANCEL: Verdict(State.CANCELLED, "cancelled"),
    Intent.KILL: Verdict(State.CANCELLED, "cancelled at once"),
    Intent.MAKE_ROOM: Verdict(State.QUEUED, "made room for a job with a higher priority"),
    Intent.STOP: Verdict(State.QUEUED, "stopped with the engine"),
    Intent.RESUME: Verdict(State.QUEUED, "resumed while it was pausing"),
}


OUTCOMES: dict[str, Verdict] = {
    "done": Verdict(State.DONE, "done"),
    "stopped": Verdict(State.INTERRUPTED, "stopped from outside, after a checkpoint"),
    "failed": Verdict(State.FAILED, "the worker failed", "see `queue logs`"),
    "diverged": Verdict(State.FAILED, "the training diverged", "see `queue logs`"),
    "disk_full": Verdict(State.PAUSED, "the disk is full", "free some space, then `queue resume`"),
    "busy": Verdict(State.QUEUED, "its run is in use"),
    # Tried again in a moment; if it goes on like that, it is held like any other that gets nowhere.
    "short": Verdict(State.INTERRUPTED, "the system was short of something", crashed=True),
}
"""What becomes of a job by what its worker said, if nothing else was asked of it and the worker gave no reason."""


def judge(job: Job, result: Result | None, exit_code: int | None, target_reached: bool) -> Verdict:
    """Return the state after a worker's end.

    `result` is the one that the worker wrote; None: it crashed, was killed or the disk was full, and the exit code
    counts. `exit_code` is the process's (negative: a signal; None: unknown, because its parent died before it);
    `target_reached`: an intact checkpoint of the run is at or past a training's target.
    """
    intended = _INTENDED.get(job.intent) if job.intent else None
    if result is None:
        if target_reached:
            return Verdict(
                State.DONE, "the checkpoint at its target is complete (the worker died afterwards)"
            )
        if exit_code == EXIT_DISK_FULL and job.intent not in (Intent.CANCEL, Intent.KILL):
            return Verdict(State.PAUSED, "no room on the disk", "free some space, then `queue resume`")
        if intended:
            return intended
        if exit_code == EXIT_STOPPED:
            return Verdict(State.INTERRUPTED, "stopped from outside, after a checkpoint")
        if exit_code == EXIT_DONE and job.kind != "train":  # for a training, the checkpoint decides
            return Verdict(State.DONE, "done, but the disk was too full to write the result")
        if job.state is State.STARTING:
            return Verdict(State.INTERRUPTED, "the engine died before the worker had started")
        return Verdict(State.INTERRUPTED, how_it_died(exit_code), crashed=True)
    usual = OUTCOMES.get(result.outcome, OUTCOMES["failed"])  # a newer worker may say another
    if result.outcome == "done":
        return replace(usual, reason=result.message)
    if intended and (result.outcome == "stopped" or job.intent in (Intent.CANCEL, Intent.KILL)):
        return intended
    if result.outcome == "stopped":
        return usual
    return replace(usual, reason=result.message or usual.reason, hint=result.hint or usual.hint)


def how_it_died(exit_code: int | None) -> str:
    """Describe the end of a worker that wrote no result."""
    if exit_code is None:
        return "the worker died while no engine was watching"
    if exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = f"signal {-exit_code}"
        more = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the worker was killed by {name}{more}"
    return f"the worker ended with exit code {exit_code} and no result"


def after_interruption(job: Job, on_crash: str, crash_limit: int, log_tail: str) -> tuple[State, str, str]:
    """Return the next state of an interrupted job: (state, reason, hint). `job.crashes` includes the present crash."""
    if job.crashes >= crash_limit:
        tail = f": {log_tail}" if log_tail else ""
        return (
            State.HELD,
            f"crashed {plural(job.crashes, 'time')} in a row{tail}",
            f"see `queue logs {job_number(job.id)}`; `queue resume {job_number(job.id)}` tries again",
        )
    if on_crash == "hold":
        return State.HELD, job.reason, f'`queue resume {job_number(job.id)}` goes on (on_crash = "hold")'
    return State.QUEUED, f"{job.reason}; starting again", ""
