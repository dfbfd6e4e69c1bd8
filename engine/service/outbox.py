"""A limited queue of lines for one client, so that a slow client costs a limited amount of memory.

Waiting events with the same key replace each other; if too many wait, all are replaced by one `resync`, after which
the client requests everything again. Replies are limited by reading no further requests.
"""

import asyncio
from collections import deque

MOST_EVENTS = 2000
MOST_REPLIES = 8

RESYNC = b'{"event":"resync"}\n'


class Outbox:
    """Lines for one client. `next` returns them in order: replies first, then events."""

    def __init__(self) -> None:
        self._replies: deque[bytes] = deque()
        self._events: dict[str, bytes] = {}
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._replies) + len(self._events)

    def reply(self, line: bytes) -> None:
        self._replies.append(line)
        if len(self._replies) >= MOST_REPLIES:
            self._room.clear()
        self._filled.set()

    async def room(self) -> None:
        """Wait until another request may be read."""
        await self._room.wait()

    def post(self, key: str, line: bytes) -> None:
        """Add an event. It replaces a waiting event with the same key, in its place."""
        if key not in self._events and len(self._events) >= MOST_EVENTS:
            self._events = {"resync": RESYNC}
            key = "resync"
            line = RESYNC
        if "resync" in self._events and key != "resync":
            return  # the client will request everything anyway
        self._events[key] = line
        self._filled.set()

    async def next(self) -> bytes:
        """Return the next line to send; waits for one."""
        while not self._replies and not self._events:
            self._filled.clear()
            await self._filled.wait()
        if self._replies:
            line = self._replies.popleft()
            if len(self._replies) < MOST_REPLIES:
                self._room.set()
            return line
        key = next(iter(self._events))
        return self._events.pop(key)
