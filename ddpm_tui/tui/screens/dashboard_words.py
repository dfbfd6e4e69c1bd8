"""The dashboard's text if no job is at work. Knows no screen."""

from collections.abc import Callable

from ddpm_tui.tui.state.snapshot import RunView, Snapshot
from ddpm_tui.tui.widgets.rows import Line
from engine.service.states import State


def nothing_lines(snapshot: Snapshot, run: RunView | None, key: Callable[[str], str]) -> list[Line]:
    """Return the lines to show if no job is at work. key: of an action."""
    if not snapshot.loaded:
        return [[("looking …", "dim")]]
    waiting = snapshot.waiting
    if waiting:
        why = waiting[0].wait or str(waiting[0].state)
        return [
            [("Nothing is running. ", "bold"), (f"Next: {waiting[0].title}", "")],
            [(why, "dim")],
            [(key("app.queue"), "accent bold"), (" queue", "dim")],
        ]
    bad = snapshot.over[-1] if snapshot.over else None
    if bad is not None and bad.state is State.FAILED:
        return [
            [("✗ ", "bad"), (bad.title, "bold"), ("  failed", "bad")],
            [(bad.job.reason, "bad"), ("  " + bad.job.hint, "accent")],
            [
                (key("app.queue"), "accent bold"),
                " queue: ",
                (key("queue.retry"), "accent bold"),
                " tries again, ",
                (key("queue.log"), "accent bold"),
                " shows what its worker said",
            ],
        ]
    if run is not None:
        return [
            [("Nothing is running. ", "bold"), (f"Shown: run {run.name}, epoch {run.epoch}", "dim")],
            [
                (key("app.queue"), "accent bold"),
                " then ",
                (key("queue.add"), "accent bold"),
                " trains on   ",
                (key("app.gallery"), "accent bold"),
                " looks at samples   ",
                (key("app.checkpoints"), "accent bold"),
                " checkpoints",
            ],
        ]
    return [
        [("Nothing has been trained here yet.", "bold")],
        [
            (key("dashboard.demo"), "accent bold"),
            " starts the demo: built-in faces, a few minutes, faces at the end",
        ],
        [
            (key("app.data"), "accent bold"),
            " adds pictures of yours, ",
            (key("app.profiles"), "accent bold"),
            " chooses what to train instead",
        ],
    ]
