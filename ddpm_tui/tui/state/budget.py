"""How many bytes may go over the link. What is written is counted; pictures and charts wait for room. Pure."""

from collections import deque
from dataclasses import dataclass

WINDOW_S = 30.0


@dataclass
class Budget:
    """Bytes a second, averaged over half a minute. `now` arguments are monotonic seconds.

    What a person's key causes is not held against the budget: it is written whatever it costs, and forgotten.
    """

    per_second: float

    def __post_init__(self) -> None:
        self.total = 0
        self._spent: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._free_until = 0.0

    def spend(self, count: int, now: float) -> None:
        """`count` bytes were written."""
        self.total += count
        if now < self._free_until:
            return
        self._spent.append((now, count))
        self._sum += count

    def forgive(self, now: float, seconds: float = 0.7) -> None:
        """A key was pressed: what follows in the next moment is wanted."""
        self._free_until = max(self._free_until, now + seconds)

    def rate(self, now: float) -> float:
        """Bytes a second over the last half minute."""
        self._forget(now)
        return self._sum / WINDOW_S

    def allows(self, cost: float, now: float) -> bool:
        """Whether about `cost` more bytes keep the half minute within its budget. What costs more than all of that
        is allowed when nearly nothing else was spent: better late than never."""
        self._forget(now)
        limit = self.per_second * WINDOW_S
        return self._sum + min(cost, 0.9 * limit) <= limit

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] < now - WINDOW_S:
            self._sum -= self._spent.popleft()[1]
