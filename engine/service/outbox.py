"""What waits to be sent to one client, bounded: no client, however slow, costs more than this.

Events with the same key replace one another while they wait; when too many wait, all are dropped for one
`resync`, after which the client asks for everything anew. Replies are bounded by taking no further request.
"""

import asyncio
from collections import deque

MOST_EVENTS = 2000
MOST_REPLIES = 8

RESYNC = b'{"event":"resync"}\n'


class Outbox:
    """Lines for one client. `next` gives them in order: replies first, then events."""

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
        """Wait until another request may be taken."""
        await self._room.wait()

    def post(self, key: str, line: bytes) -> None:
        """An event. One with the same key that still waits is replaced, and keeps its place."""
        if key not in self._events and len(self._events) >= MOST_EVENTS:
            self._events = {"resync": RESYNC}
            key = "resync"
            line = RESYNC
        if "resync" in self._events and key != "resync":
            return  # it will ask for everything anyway
        self._events[key] = line
        self._filled.set()

    async def next(self) -> bytes:
        """The next line to send; waits for one."""
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
