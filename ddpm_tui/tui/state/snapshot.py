"""Everything that is on the screens, as one frozen value. Screens paint it and change nothing in it.

No NumPy here: the first paint has to come before that is imported; curves are in `state.curves`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ddpm_tui.silence import silence
from engine.jobs.files import Progress
from engine.jobs.kinds import title
from engine.service.states import Job, Priority, State, job_number

if TYPE_CHECKING:
    from ddpm_tui.tui.state.curves import RunCurves
    from engine.runs.rate_plan import Segment

LinkState = Literal["starting", "connected", "disconnected", "stopped"]


@dataclass(frozen=True)
class EngineStatus:
    """The service as seen from here. problem: why it is not reached, or its own problem (a full disk) · old:
    whether it is an older program's, which a restart renews."""

    link: LinkState = "starting"
    problem: str = ""
    on_hold: bool = False
    slots: tuple[str, ...] = ()
    version: str = ""
    old: bool = False


@dataclass(frozen=True)
class JobView:
    """A job with its worker's progress. wait: why it has not started, in words · changed: the service's number of
    its last transition, 0 if it has sent none; unlike times it always grows."""

    job: Job
    progress: Progress | None = None
    wait: str = ""
    changed: int = 0

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def run(self) -> str | None:
        return self.job.run

    @property
    def state(self) -> State:
        return self.job.state

    @property
    def title(self) -> str:
        return title(self.job.kind, self.job.run, self.job.args)

    def silence(self, now: float) -> str:
        """Return "no sign of life for 45 s" if the worker at work on it should have sent a message by now; else ""."""
        return silence(self.progress, now) if self.job.live else ""

    @property
    def fraction(self) -> float | None:
        """Return how much of the job is done, 0 to 1; None if unknown.

        Earlier training of its run does not count; the job's own work before a pause does."""
        progress = self.progress
        if self.job.state is State.DONE:
            return 1.0
        if progress is None or not progress.total:
            return None
        return min(1.0, progress.done / progress.total)


@dataclass(frozen=True)
class RunView:
    """A run as its folder tells, cheaply. problem: why run.json cannot be used; the rest is then empty.

    profile: plain data as in run.json · checkpoints: how many there are · latest_step, epoch: of the newest one whose
    manifest reads, with its whole epochs.
    """

    name: str
    profile_name: str = ""
    created: str = ""
    parent: str | None = None
    parent_step: int | None = None
    changes: tuple[str, ...] = ()
    profile: Mapping[str, Any] = field(default_factory=dict, compare=False)
    frozen: Mapping[str, Any] = field(default_factory=dict, compare=False)
    checkpoints: int = 0
    latest_step: int | None = None
    epoch: int = 0
    problem: str = ""

    def setting(self, section: str, key: str, default: Any = None) -> Any:
        """Return one value of its profile."""
        table = self.profile.get(section)
        return table.get(key, default) if isinstance(table, dict) else default

    @property
    def segments(self) -> "tuple[Segment, ...]":
        """Return the additions to its learning-rate plan; none if they cannot be read, which its training reports."""
        from engine.runs.rate_plan import Segment

        try:
            return tuple(Segment.from_json(given) for given in self.frozen.get("segments", ()))
        except (TypeError, ValueError):
            return ()


@dataclass(frozen=True)
class Event:
    """One thing that happened, for the dashboard's list. tone: an ink ("good", "bad", "warn", "") · job: which it is
    about, whose newest event alone is shown."""

    time: float
    text: str
    tone: str = ""
    job: str = ""


@dataclass(frozen=True)
class Device:
    """One GPU, or the machine itself. Fractions 0 to 1; None if not known."""

    name: str
    busy: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    temperature: float | None = None
    power: float | None = None
    power_limit: float | None = None
    processes: int | None = None


@dataclass(frozen=True)
class Meters:
    """gpus: as NVML has them · machine: CPU and RAM · disk_free: bytes on the disk of $DDPM_HOME."""

    gpus: tuple[Device, ...] = ()
    machine: Device | None = None
    disk_free: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """time: wall clock when it was made; every "3 min ago" counts from it. jobs: in the queue's order.

    curves: of the followed runs only (see Store.follow), once they are read.
    """

    time: float = 0.0
    engine: EngineStatus = EngineStatus()
    jobs: tuple[JobView, ...] = ()
    runs: tuple[RunView, ...] = ()
    events: tuple[Event, ...] = ()
    meters: Meters = Meters()
    curves: "Mapping[str, RunCurves]" = field(default_factory=dict)
    loaded: bool = False

    def job(self, job_id: str | None) -> JobView | None:
        return next((j for j in self.jobs if j.id == job_id), None)

    def run(self, name: str | None) -> RunView | None:
        return next((r for r in self.runs if r.name == name), None)

    @property
    def over(self) -> tuple[JobView, ...]:
        """Return jobs that have ended, the last one last, even if the clock was set back."""
        ended = (j for j in self.jobs if j.job.over)
        return tuple(sorted(ended, key=lambda j: (j.changed, j.job.ended or 0.0, j.id)))

    @property
    def live(self) -> tuple[JobView, ...]:
        """Return jobs with a worker, training first."""
        return tuple(sorted((j for j in self.jobs if j.job.live), key=lambda j: j.job.kind != "train"))

    @property
    def waiting(self) -> tuple[JobView, ...]:
        """Return jobs that are neither over nor at work, in order."""
        return tuple(j for j in self.jobs if not j.job.over and not j.job.live)

    def job_of(self, run: str | None) -> JobView | None:
        """Return the live job of a run."""
        return next((j for j in self.live if j.run == run), None)

    def turn(self, view: JobView) -> tuple[int, float | None] | None:
        """Return the turn of a job that goes between two chunks.

        That is the epoch at which the present training ends its chunk, and the seconds until then if they are known.
        None for a job that waits for something else."""
        if view.state is not State.QUEUED or view.job.priority is not Priority.HIGH:
            return None
        for other in self.live:
            run, progress = self.run(other.run), other.progress
            if f"job {job_number(other.id)} ends its chunk" not in view.wait or not (run and progress):
                continue
            chunk, now, target = run.setting("training", "chunk_epochs"), progress.epoch, progress.to_epoch
            if isinstance(chunk, int) and now is not None and target and now < target:
                end = min((int(now) // chunk + 1) * chunk, int(target))
                whole = progress.eta_s
                return end, whole and whole * (end - now) / (target - now)
        return None
