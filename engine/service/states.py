"""The queued job; `job_states` has its states. Pure data: no files, no processes, no database."""

from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any

from engine.base.errors import UserError
from engine.base.folders import is_number
from engine.base.home import is_name
from engine.base.typed import Count, Fits, typed
from engine.service.job_states import ENDED as ENDED
from engine.service.job_states import LIVE as LIVE
from engine.service.job_states import STATES, Change
from engine.service.job_states import State as State


class Intent(StrEnum):
    """A request to a living worker; stored before the signal, so that a new service still knows it."""

    PAUSE = "pause"
    CANCEL = "cancel"
    KILL = "kill"
    """Cancel without waiting for a checkpoint."""
    MAKE_ROOM = "make_room"
    """Checkpoint and go back to the queue, because a job with a higher priority needs the device."""
    STOP = "stop"
    """Checkpoint and go back to the queue, because the engine is being stopped with its jobs."""
    RESUME = "resume"
    """Go back to the queue after the checkpoint, because the job was resumed before its pause took effect."""


class Priority(IntEnum):
    """The priority of a job; larger values start first."""

    NORMAL = 0
    HIGH = 1
    """Before normal jobs; a running training makes room at the end of its chunk."""
    NOW = 2
    """Before all others; a running training makes room at its next step."""

    @classmethod
    def parse(cls, name: str) -> "Priority":
        """Parse the priority that the user typed. Raises UserError."""
        try:
            return cls[name.upper()]
        except KeyError:
            raise UserError(f"{name!r} is not a priority", "use normal, high or now") from None


@dataclass(frozen=True)
class Job:
    """One row of the queue.

    rank: position, a whole number; smaller starts first · attempt: workers started so far · slot: its device ·
    handle: the launcher's identifier of the worker · crashes: consecutive ones without progress · mark: the run's
    newest step at the last crash · after: ids for which it waits · token: the token of its request, so that a
    repeated request adds no second job · reason, hint: why it is in its state, for users · result: the last
    result.json · times are wall-clock seconds, for display only.
    """

    id: Annotated[str, Fits(is_number, "a job's number")]
    kind: str
    run: Annotated[str, Fits(is_name, "a run's name")] | None = None
    device: str = "auto"
    priority: Priority = Priority.NORMAL
    rank: float = 0.0
    state: State = State.QUEUED
    attempt: Count = 0
    intent: Intent | None = None
    slot: str | None = None
    handle: str | None = None
    crashes: Count = 0
    mark: Count | None = None
    after: tuple[str, ...] = ()
    token: str | None = None
    reason: str = ""
    hint: str = ""
    args: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    created: float = 0.0
    started: float | None = None
    ended: float | None = None

    @property
    def over(self) -> bool:
        return self.state in ENDED

    @property
    def live(self) -> bool:
        return self.state in LIVE

    def takes(self, change: Change) -> bool:
        """Return whether a user may request `change` in the job's state."""
        return change in STATES[self.state].takes

    def to_wire(self) -> dict[str, Any]:
        """Return plain JSON for clients and for the note in the job's folder."""
        return {**asdict(self), "after": list(self.after), "priority": self.priority.name.lower()}

    @classmethod
    def from_wire(cls, wire: dict[str, Any], what: str, path: Path | None = None) -> "Job":
        """Return the job from the output of `to_wire`. Raises DamagedError that names `what`."""
        name = wire.get("priority", "normal")
        priority = Priority.__members__.get(name.upper()) if isinstance(name, str) else None
        return typed(cls, wire | {"priority": name if priority is None else priority}, what, path)

    @property
    def to_epoch(self) -> int:
        """Return a training's target."""
        target = self.args.get("to_epoch")
        return target if isinstance(target, int) else 0


@dataclass(frozen=True)
class Transition:
    """One transition of one job in the history."""

    job: str
    attempt: int
    before: str
    after: str
    reason: str
    time: float


def job_number(job_id: str) -> str:
    """Return an id as users type it: 000012 → 12."""
    return job_id.lstrip("0") or job_id
