"""What `u` takes back and `U` does again: the last few actions, each with the way back. Knows no screens."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

DEPTH = 50
FRESH_S = 60.0
"""An action that is longer ago than this is no longer what somebody thinks of who presses `u`."""


@dataclass(frozen=True)
class UndoableChange:
    """said: what undoing does, in words ("checkpoint 1200 is back") · back: does it; may raise DdpmError ·
    check: raises DdpmError if it cannot be done any more · does, again: what the action did, in words, and doing it
    once more, which pushes a change of its own · where, at: the screen and the moment it was made."""

    said: str
    back: Callable[[], Awaitable[object]]
    check: Callable[[], object] | None = None
    does: str = ""
    again: Callable[[], Awaitable[object]] | None = None
    where: str = ""
    at: float = 0.0


class Undo:
    """A stack of the actions of this session, one entry each. here: the present screen and moment."""

    def __init__(self, here: Callable[[], tuple[str, float]] = lambda: ("", 0.0)) -> None:
        self._changes: list[UndoableChange] = []
        self._undone: list[UndoableChange] = []
        self._redoing = False
        self._here = here
        self._group: list[UndoableChange] | None = None
        self._stale = False

    def __len__(self) -> int:
        return len(self._changes)

    @property
    def next(self) -> str:
        """What undoing would do now, in words; "" where there is nothing to undo."""
        return self._changes[-1].said if self._changes else ""

    @property
    def next_again(self) -> str:
        """What doing again would do now, in words; "" if nothing was taken back since the last action."""
        return self._undone[-1].does if self._undone else ""

    @property
    def last(self) -> UndoableChange | None:
        """What would be taken back now."""
        return self._changes[-1] if self._changes else None

    @property
    def expected(self) -> bool:
        """Whether it is surely what somebody means who presses the key: done here, just now, and nothing since."""
        if not self._changes or self._stale:
            return False
        where, now = self._here()
        return self._changes[-1].where == where and now - self._changes[-1].at <= FRESH_S

    def push(
        self,
        said: str,
        back: Callable[[], Awaitable[object]],
        check: Callable[[], object] | None = None,
        *,
        does: str = "",
        again: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        change = UndoableChange(said, back, check, does, again, *self._here())
        if self._group is not None:
            self._group.append(change)
            return
        self._changes = [*self._changes, change][-DEPTH:]
        self._stale = False
        if not self._redoing:
            self._undone = []  # what was taken back before it belongs to a past that is no longer

    def failed(self) -> None:
        """Something was tried since and came to nothing: the key is not meant for what was done before it."""
        self._stale = bool(self._changes)

    def drop(self, change: UndoableChange) -> None:
        """It is taken back, or can never be."""
        self._changes = [kept for kept in self._changes if kept is not change]

    def taken_back(self, change: UndoableChange) -> None:
        """It was taken back: it can be done again if it says how."""
        self.drop(change)
        self._undone = [*self._undone, change][-DEPTH:] if change.again else []

    def take_again(self) -> UndoableChange | None:
        """What is to be done again now; it is no longer kept here."""
        return self._undone.pop() if self._undone else None

    @contextlib.contextmanager
    def redoing(self) -> Iterator[None]:
        """What is pushed meanwhile was done before: what else was taken back stays to be done again."""
        self._redoing = True
        try:
            yield
        finally:
            self._redoing = False

    @contextlib.contextmanager
    def together(self, said: str) -> Iterator[None]:
        """What is pushed meanwhile is one action; taken back in the other order."""
        outer, self._group = self._group, []
        try:
            yield
        finally:
            parts, self._group = self._group, outer
            if len(parts) == 1:
                one = parts[0]
                self.push(one.said, one.back, one.check, does=one.does, again=one.again)
            elif parts:
                again = self._all_again(said, parts) if all(part.again for part in parts) else None
                self.push(said, _all_back(parts), does=f"all {len(parts)} again", again=again)

    def _all_again(self, said: str, parts: list[UndoableChange]) -> Callable[[], Awaitable[None]]:
        async def again() -> None:
            with self.together(said):
                for part in parts:
                    assert part.again is not None
                    await part.again()

        return again


def _all_back(parts: list[UndoableChange]) -> Callable[[], Awaitable[object]]:
    async def back() -> None:
        for part in reversed(parts):
            await part.back()

    return back
