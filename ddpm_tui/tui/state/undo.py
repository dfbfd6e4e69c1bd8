"""The actions that `u` undoes and `U` does again: the last few, each with its undo. Knows no screens."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

DEPTH = 50
FRESH_S = 60.0
"""An action that is longer ago than this is no longer what somebody thinks of who presses `u`."""


@dataclass(frozen=True)
class UndoableChange:
    """said: the effect of undoing, in words ("checkpoint 1200 is back") · back: does it; may raise DdpmError ·
    check: raises DdpmError if it cannot be done any more · does, again: the action's effect in words, and the call
    that repeats it and pushes a change of its own · where, at: the screen and the moment it was made."""

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
        """Return the effect of undoing now, in words; "" if there is nothing to undo."""
        return self._changes[-1].said if self._changes else ""

    @property
    def next_again(self) -> str:
        """Return the effect of doing again now, in words; "" if nothing was taken back since the last action."""
        return self._undone[-1].does if self._undone else ""

    @property
    def last(self) -> UndoableChange | None:
        """Return the change that would be taken back now."""
        return self._changes[-1] if self._changes else None

    @property
    def expected(self) -> bool:
        """Return whether a press of the key surely means this change: made here, just now, and nothing since."""
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
            self._undone = []  # changes taken back before it no longer apply

    def failed(self) -> None:
        """Note that a later action failed: the key is not meant for the change before it."""
        self._stale = bool(self._changes)

    def drop(self, change: UndoableChange) -> None:
        """Forget a change: it is taken back, or can never be."""
        self._changes = [kept for kept in self._changes if kept is not change]

    def taken_back(self, change: UndoableChange) -> None:
        """Note that a change was taken back: it can be done again if it says how."""
        self.drop(change)
        self._undone = [*self._undone, change][-DEPTH:] if change.again else []

    def take_again(self) -> UndoableChange | None:
        """Return the change to do again now, and keep it no longer."""
        return self._undone.pop() if self._undone else None

    @contextlib.contextmanager
    def redoing(self) -> Iterator[None]:
        """Mark changes pushed meanwhile as done again: other changes that were taken back stay available."""
        self._redoing = True
        try:
            yield
        finally:
            self._redoing = False

    @contextlib.contextmanager
    def together(self, said: str) -> Iterator[None]:
        """Make one action of the changes pushed meanwhile; they are taken back in reverse order."""
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
