"""Input from the terminal, in turn: a key's action is complete before the next key is handled.

A terminal's packet holds several keys, and Textual lets each start while the one before is still on its way up
through the widgets, so that Backspace came after the letters typed behind it and a new dialog missed its first ones.
Knows neither keys' meanings nor widgets.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from textual import events

log = logging.getLogger(__name__)

LIMIT_S = 5.0
"""Seconds that those behind wait at most for one key's work: an engine that does not answer, a disk that hangs."""
GRACE_S = 1.0
"""Seconds that ctrl+q and ctrl+c wait for those before them."""
MOST = 20_000
"""Keys that may wait; what comes on top is dropped."""
IMPATIENT_S = 0.25
"""The same after one that took too long, until one is done in time: keys work where something never comes to rest."""
_BRISK = 40
"""Looks without a pause between them: nearly every key is through by then."""
_PAUSE_S = 0.004

ORDERED = (events.InputEvent, events.Paste, events.Resize, events.AppFocus, events.AppBlur)
"""What keeps its order."""


class PacedWork(Protocol):
    """A worker that goes on beside the app."""

    @property
    def is_finished(self) -> bool: ...


class Turns:
    """`take` is given everything from the terminal; `hand_on` gets one thing at a time.

    at_rest: whether the last one's action is complete · quit: the action of ctrl+q when it has waited too long.
    """

    def __init__(
        self,
        hand_on: Callable[[events.Event], object],
        at_rest: Callable[[], bool],
        quit: Callable[[], object],
    ) -> None:
        self._hand_on, self._at_rest, self._quit = hand_on, at_rest, quit
        self._waiting: deque[tuple[float, events.Event]] = deque()
        self._work: list[PacedWork] = []
        self._task: asyncio.Task[None] | None = None
        self.limit = LIMIT_S
        self._tired = False
        """Whether the last one took too long."""

    def take(self, event: events.Event) -> None:
        """Queue an event from the event loop until its turn comes."""
        if (
            self._waiting
            and isinstance(event, events.Resize)
            and isinstance(self._waiting[-1][1], events.Resize)
        ):
            self._waiting.pop()
        if len(self._waiting) >= MOST and not _urgent(event):
            return
        self._waiting.append((time.monotonic(), event))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def wait_for(self, work: PacedWork) -> None:
        """Make later keys wait for this work, which belongs to the last key."""
        self._work.append(work)

    @property
    def through(self) -> bool:
        """Return whether nothing is waiting or under way."""
        return self._task is None or self._task.done()

    async def _run(self) -> None:
        while self._waiting:
            _, event = self._waiting.popleft()
            try:
                self._hand_on(event)
                await self._finished()
            except Exception:  # without this task no key would ever be handled again
                log.exception("after %r", event)

    async def _finished(self) -> None:
        """Wait until the last key's action is complete, or has taken too long."""
        end = time.monotonic() + (IMPATIENT_S if self._tired else self.limit)
        looks = quiet = 0
        while quiet < 2:  # a task that no widget waits for may be about to post a message
            looks += 1
            await asyncio.sleep(0 if looks < _BRISK else _PAUSE_S)
            self._work = [work for work in self._work if not work.is_finished]
            quiet = quiet + 1 if not self._work and self._at_rest() else 0
            if quiet:
                self._tired = False
            elif (late := time.monotonic() > end) or self._called_off():
                self._work.clear()
                self._tired = late
                return

    def _called_off(self) -> bool:
        """Handle ctrl+c and ctrl+q that have waited long enough: the one discards the waiting input, the other
        quits."""
        late = time.monotonic() - GRACE_S
        for place, (since, event) in enumerate(self._waiting):
            if since > late:
                break  # later ones have waited even less
            if not _urgent(event):
                continue
            if event.key == "ctrl+q":  # type: ignore[attr-defined]
                self._quit()
            for _ in range(place + 1):
                self._waiting.popleft()
            return True
        return False


def _urgent(event: events.Event) -> bool:
    return isinstance(event, events.Key) and event.key in ("ctrl+c", "ctrl+q")
