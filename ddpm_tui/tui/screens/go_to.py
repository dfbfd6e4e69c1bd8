"""`ctrl+g`: any screen, run, profile or data set by a part of its name."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ddpm_tui.tui.keymap import BY_ID, SCREENS
from ddpm_tui.tui.screens.forms import Form
from ddpm_tui.tui.state.reading import profile_names
from ddpm_tui.tui.widgets.table import Row


class GoTo(Form):
    """Answers with the row's key: the screen, and behind a colon the object to show."""

    QUESTION = "Go to"

    async def options(self) -> Sequence[Row]:
        snapshot = self.ddpm.snapshot
        rows = [Row(f"{name}:", (name.capitalize(), (BY_ID[f"app.{name}"].help, "dim"))) for name in SCREENS]
        for run in reversed(snapshot.runs):
            rows.append(
                Row(f"checkpoints:{run.name}", (run.name, (f"checkpoints, epoch {run.epoch}", "dim")))
            )
            rows.append(Row(f"gallery:{run.name}", (run.name, ("faces", "dim"))))
        for view in snapshot.waiting + snapshot.live:
            rows.append(Row(f"queue:{view.id}", (view.title, (f"job, {view.state}", "dim"))))
        for profile in await asyncio.to_thread(profile_names, self.ddpm.home):
            rows.append(Row(f"profiles:{profile.name}", (profile.name, ("profile", "dim"))))
        return rows

    async def preview(self, chosen: str, values: dict[str, Any]) -> str:
        return ""


SUBJECTS = {"checkpoints": "run", "gallery": "run", "queue": "job", "profiles": "profile", "data": "dataset"}
"""What the `open` of each screen calls what it shows."""
