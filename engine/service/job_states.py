"""The states of a job, with everything that depends on one: one table, read by the engine, the commands and the screen.

To add a state, add a member and its row; what may become it is said in the rows of the others. Pure data.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class State(StrEnum):
    """Where a job is. `starting` and `running` have, or are about to have, a worker."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    HELD = "held"
    INTERRUPTED = "interrupted"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


Stage = Literal["over", "live", "waiting"]
Change = Literal["pause", "resume", "retry", "cancel", "hold"]
"""What a person may ask of a job. A live one is asked through its worker; see `states.Intent`."""


@dataclass(frozen=True)
class StateFacts:
    """One row.

    sign, tone: on the screen · colour: in the lines of a terminal · news: the tone of an event that says the state has
    come · stage: "live" if a worker has the job's lock, or had it when it died · comes: whether the job comes to an end
    without anybody's doing · to: the states that may follow · takes: what a person may ask of it.
    """

    sign: str
    tone: str
    colour: str
    news: str
    stage: Stage
    comes: bool
    to: frozenset[State]
    takes: frozenset[Change]

    @property
    def rank(self) -> int:
        """The place in a list: what is over, what works, what waits."""
        return _RANKS[self.stage]


_RANKS: dict[Stage, int] = {"over": 0, "live": 1, "waiting": 2}


_AFTER_A_WORKER = frozenset(
    {
        State.DONE,
        State.FAILED,
        State.CANCELLED,
        State.INTERRUPTED,
        State.PAUSED,
        State.HELD,
        State.QUEUED,
    }
)

STATES: dict[State, StateFacts] = {
    State.QUEUED: StateFacts(
        "○", "dim", "cyan", "", "waiting", True,
        frozenset({State.STARTING, State.PAUSED, State.HELD, State.CANCELLED, State.FAILED}),
        frozenset({"pause", "hold", "cancel"}),
    ),
    State.STARTING: StateFacts(
        "◌", "accent", "green", "", "live", True,
        _AFTER_A_WORKER | {State.RUNNING},
        frozenset({"pause", "cancel"}),
    ),
    State.RUNNING: StateFacts(
        "●", "good", "green", "accent", "live", True,
        _AFTER_A_WORKER,
        frozenset({"pause", "cancel"}),
    ),
    State.PAUSED: StateFacts(
        "◐", "warn", "yellow", "warn", "waiting", False,
        frozenset({State.QUEUED, State.CANCELLED, State.HELD}),
        frozenset({"resume", "hold", "cancel"}),
    ),
    State.HELD: StateFacts(
        "◐", "warn", "yellow", "warn", "waiting", False,
        frozenset({State.QUEUED, State.CANCELLED}),
        frozenset({"resume", "retry", "cancel"}),
    ),
    State.INTERRUPTED: StateFacts(
        "✗", "bad", "yellow", "bad", "waiting", True,
        frozenset({State.QUEUED, State.HELD, State.CANCELLED}),
        frozenset({"cancel"}),
    ),
    State.DONE: StateFacts(
        "✓", "good", "bright_black", "good", "over", False,
        frozenset(),
        frozenset(),
    ),
    State.FAILED: StateFacts(
        "✗", "bad", "red", "bad", "over", False,
        frozenset({State.QUEUED}),
        frozenset({"retry"}),
    ),
    State.CANCELLED: StateFacts(
        "✗", "dim", "bright_black", "dim", "over", False,
        frozenset({State.QUEUED}),
        frozenset({"retry"}),
    ),
}  # fmt: skip

ENDED = frozenset(state for state, facts in STATES.items() if facts.stage == "over")
"""The job is over; `retry` brings back those that are not done."""

LOST = ENDED - {State.DONE}
"""The job is over and did not do what it was for."""

LIVE = frozenset(state for state, facts in STATES.items() if facts.stage == "live")
"""A worker has the job's lock, or had it when it died."""


def states_that_take(change: Change) -> tuple[State, ...]:
    """The states without a worker in which a person may ask for `change`."""
    return tuple(state for state, facts in STATES.items() if change in facts.takes and state not in LIVE)
