"""A line below the screens' names while something is missing, with its remedy; else nothing."""

from collections.abc import Callable

from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.widgets.rows import Line, Rows
from ddpm_tui.words import size

LOW_DISK = 2_000_000_000
"""Bytes: a long run's checkpoints need about so much."""


class Banner(Rows):
    """The line; call `show` with every Snapshot."""

    DEFAULT_CSS = "Banner { height: 1; width: 1fr; display: none; }"

    def __init__(self) -> None:
        super().__init__(id="banner")
        self._lines: list[Line] = []

    def show(self, snapshot: Snapshot, key: Callable[[str], str]) -> None:
        """Update with every Snapshot. key: of an action."""
        self._lines = missing(snapshot, key)
        self.display = bool(self._lines)
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        return self._lines


def missing(snapshot: Snapshot, key: Callable[[str], str]) -> list[Line]:
    """Return the worst obstacle to work, in one line."""
    if snapshot.engine.link == "stopped":
        start = (key("app.restart_engine"), "accent bold")
        return [[(" the engine was stopped, so nothing is trained: ", "warn"), start, (" starts it", "dim")]]
    free = snapshot.meters.disk_free
    if free is not None and free < LOW_DISK:
        ways = "`ddpm-tui queue disk` shows what uses it, `ddpm-tui trash purge` empties the trash"
        return [[(f" the disk is nearly full: {size(free)} free; ", "warn"), (ways, "dim")]]
    if snapshot.engine.on_hold:
        hold = (key("queue.hold"), "accent bold")
        queue = (key("app.queue"), "accent bold")
        return [
            [
                (" the queue is on hold, so no job starts: ", "warn"),
                queue,
                " ",
                hold,
                (" resumes it", "dim"),
            ]
        ]
    return []
