"""The requests that the service takes: a class for each verb, with the names and types of its arguments.

A request with an unknown argument is refused: the service would do something else than was asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from engine.base.errors import DamagedError, UsageError, nearest
from engine.base.typed import typed


@dataclass(frozen=True)
class Request:
    """A request. Subclasses name the verb."""

    verb: ClassVar[str]


@dataclass(frozen=True)
class Status(Request):
    verb = "status"


@dataclass(frozen=True)
class ListJobs(Request):
    """all: also every job that is over, not only the last ones."""

    verb = "list"
    all: bool = False


@dataclass(frozen=True)
class ShowJob(Request):
    """id: as people type it."""

    verb = "show"
    id: str


@dataclass(frozen=True)
class Subscribe(Request):
    """topics: which events are wanted from now on; none are all."""

    verb = "subscribe"
    topics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unsubscribe(Request):
    verb = "unsubscribe"


@dataclass(frozen=True, kw_only=True)
class Addition(Request):
    """What every job that is added may be given. token: a request with one that was seen makes no second job."""

    device: str | None = None
    after: tuple[str, ...] = ()
    priority: str | None = None
    token: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Train(Addition):
    """target: a run or a profile; chunks and to_epoch exclude each other · run: the run's name · set: KEY=VALUE, for a
    new run · new: also if a run of the same profile exists · branch: how to make the run, if it is a branch that is
    still to be made."""

    verb = "train"
    target: str
    run: str | None = None
    chunks: int | None = None
    to_epoch: int | None = None
    set: tuple[str, ...] = ()
    new: bool = False
    branch: dict[str, Any] | None = None


@dataclass(frozen=True)
class Add(Addition):
    """kind: of job; a training has a request of its own · args: of the job ·
    run: sent by older programs; the run is that of the checkpoint."""

    verb = "add"
    kind: str
    args: dict[str, Any] = field(default_factory=dict)
    run: str | None = None


@dataclass(frozen=True)
class Change(Request):
    """A change of several jobs: each succeeds or fails for itself."""

    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pause(Change):
    verb = "pause"


@dataclass(frozen=True)
class Resume(Change):
    verb = "resume"


@dataclass(frozen=True)
class Retry(Change):
    verb = "retry"


@dataclass(frozen=True)
class Hold(Change):
    verb = "hold"


@dataclass(frozen=True)
class Cancel(Change):
    """now: without waiting for a checkpoint."""

    verb = "cancel"
    now: bool = False


@dataclass(frozen=True, kw_only=True)
class Move(Change):
    """where: "first", "last", or the job before which they go."""

    verb = "move"
    where: str


@dataclass(frozen=True)
class HoldQueue(Request):
    """on: whether nothing new is to be started."""

    verb = "hold_queue"
    on: bool = False


@dataclass(frozen=True)
class Stop(Request):
    """End the service. jobs: workers checkpoint first and their jobs go back to the queue; else they work on."""

    verb = "stop"
    jobs: bool = False


_ALL: tuple[type[Request], ...] = (
    Status, ListJobs, ShowJob, Subscribe, Unsubscribe, Train, Add, Pause, Resume, Retry, Hold, Cancel, Move, HoldQueue,
    Stop,
)  # fmt: skip
REQUESTS: dict[str, type[Request]] = {kind.verb: kind for kind in _ALL}
"""By verb."""


def read_request(do: str, args: dict[str, Any]) -> Request:
    """Raises UsageError in one line: an unknown verb or field, a missing one, or a value of another type."""
    kind = REQUESTS.get(do)
    if kind is None:
        raise UsageError(f"this engine does not know {do!r}", _way_out(do, REQUESTS))
    known = [one.name for one in fields(kind)]
    given = {key: value for key, value in args.items() if value is not None}
    for name in given:
        if name not in known:
            raise UsageError(f"this engine does not know {name!r} in the request {do}", _way_out(name, known))
    try:
        request: Request = typed(kind, given, f"the request {do}")
    except DamagedError as error:
        raise UsageError(error.what) from None
    return request


def _way_out(name: str, known: Iterable[str]) -> str:
    if close := nearest(name, known):
        return f"did you mean {close!r}?"
    return "it may be older than this program: `ddpm-tui engine restart`"
