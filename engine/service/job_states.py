"""The states of a job and everything that depends on a state, in one table for the engine, the commands and the
screen.

To add a state, add a member and its row, and its name to the rows of the states that may change to it. Pure data.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class State(StrEnum):
    """The state of a job. `starting` and `running` have, or are about to have, a worker."""

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
"""A change that a user may request. The worker of a live job is asked to make it; see `states.Intent`."""


@dataclass(frozen=True)
class StateFacts:
    """One row of the table.

    sign, tone: on the screen · colour: in lines on a terminal · news: the tone of the event that announces the state
    · stage: "live" if a worker holds the job's lock, or held it when it died · comes: whether the job ends without an
    action of the user · to: the states that may follow · takes: the changes that a user may request.
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
        """Return the position in a list: finished, running, waiting."""
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
"""The states of finished jobs; `retry` queues those again that are not done."""

LOST = ENDED - {State.DONE}
"""The states of finished jobs that did not succeed."""

LIVE = frozenset(state for state, facts in STATES.items() if facts.stage == "live")
"""The states in which a worker holds the job's lock, or held it when it died."""


def states_that_take(change: Change) -> tuple[State, ...]:
    """Return the states without a worker in which a user may request `change`."""
    return tuple(state for state, facts in STATES.items() if change in facts.takes and state not in LIVE)
