"""What `u` takes back: the last few changes, each with the way back. Knows no screens."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

DEPTH = 50


@dataclass(frozen=True)
class Change:
    """said: what undoing does, in words ("checkpoint 1200 is back") · back: does it; may raise DdpmError."""

    said: str
    back: Callable[[], Awaitable[object]]


class Undo:
    """A stack of changes of this session."""

    def __init__(self) -> None:
        self._changes: list[Change] = []

    def __len__(self) -> int:
        return len(self._changes)

    @property
    def next(self) -> str:
        """What undoing would do now, in words; "" where there is nothing to undo."""
        return self._changes[-1].said if self._changes else ""

    def push(self, said: str, back: Callable[[], Awaitable[object]]) -> None:
        self._changes = [*self._changes, Change(said, back)][-DEPTH:]

    def pop(self) -> Change | None:
        return self._changes.pop() if self._changes else None
