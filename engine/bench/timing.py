"""Timing: in turns, many rounds, medians, by the wall clock and by this process's CPU time.

Turns, because a shared machine's speed drifts: compared things run in the same minute. CPU time, because it leaves
out other processes' use of the cores. Never imports torch.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Timings:
    """Seconds of one thing, a value a round: `wall` and, over all threads of the process, `cpu`."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, wall: float, cpu: float) -> None:
        """Add one round."""
        self.wall.append(wall)
        self.cpu.append(cpu)

    @property
    def seconds(self) -> float:
        """Return the median by the wall clock."""
        return statistics.median(self.wall)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(self.cpu)

    @property
    def spread(self) -> float:
        """Return half of the distance between the quartiles, as a share of the median: wall clock."""
        return spread(self.wall)

    def to_json(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "spread": self.spread,
            "cpu_spread": spread(self.cpu),
            "rounds": len(self.wall),
        }


def spread(values: list[float]) -> float:
    """Return half of the distance between the quartiles, as a share of the median; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    middle = statistics.median(values)
    return (high - low) / 2 / middle if middle else 0.0


def in_turns(
    cases: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = 1,
    wait: Callable[[], None] = lambda: None,
    between: Callable[[str], None] = lambda name: None,
    clock: Callable[[], float] = time.perf_counter,
    cpu_clock: Callable[[], float] = time.process_time,
) -> dict[str, Timings]:
    """Call every case once a round, `rounds` times after `warm_up` untimed rounds; return each case's times.

    wait: called before each clock is read (a GPU has to finish) · between: called before each case with its
    name; may raise to stop.
    """
    found = {name: Timings() for name in cases}
    for number in range(warm_up + rounds):
        for name, case in cases.items():
            between(name)
            wait()
            wall, cpu = clock(), cpu_clock()
            case()
            wait()
            if number >= warm_up:
                found[name].add(clock() - wall, cpu_clock() - cpu)
    return found


def ratio(first: Timings, second: Timings, *, cpu: bool = False) -> float:
    """Return how many times longer `first` takes than `second`: the median of the rounds' own ratios."""
    pairs = zip(first.cpu, second.cpu, strict=True) if cpu else zip(first.wall, second.wall, strict=True)
    return statistics.median(a / b for a, b in pairs if b > 0)
