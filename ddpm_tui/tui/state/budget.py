"""How many bytes may go over the link. Written bytes are counted; pictures and charts wait for room. Pure."""

from collections import deque
from dataclasses import dataclass

WINDOW_S = 30.0


@dataclass
class Budget:
    """Bytes a second, averaged over half a minute. `now` arguments are monotonic seconds.

    Output caused by a person's key does not count: it is written at any cost, and forgotten.
    """

    per_second: float

    def __post_init__(self) -> None:
        self.total = 0
        self._spent: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._free_until = 0.0

    def spend(self, count: int, now: float) -> None:
        """Count `count` written bytes."""
        self.total += count
        if now < self._free_until:
            return
        self._spent.append((now, count))
        self._sum += count

    def forgive(self, now: float, seconds: float = 0.7) -> None:
        """Leave the output of the next moment out of the count, as a key was pressed."""
        self._free_until = max(self._free_until, now + seconds)

    def rate(self, now: float) -> float:
        """Return bytes a second over the last half minute."""
        self._forget(now)
        return self._sum / WINDOW_S

    def allows(self, cost: float, now: float) -> bool:
        """Return whether about `cost` more bytes keep the half minute within its budget.

        A larger cost than the whole budget is allowed when nearly nothing else was spent: better late than never."""
        self._forget(now)
        limit = self.per_second * WINDOW_S
        return self._sum + min(cost, 0.9 * limit) <= limit

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] < now - WINDOW_S:
            self._sum -= self._spent.popleft()[1]
