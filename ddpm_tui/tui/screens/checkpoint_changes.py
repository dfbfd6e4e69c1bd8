"""The checkpoints screen's changes on the disk, in threads, each with its message and its undo."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_tui.tui.state.shell import line
from engine.base.folders import RunFolder

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp
    from engine.runs.checkpoints import CheckpointInfo


class CheckpointChanges:
    """`changed` is called after every change and after every undo."""

    def __init__(self, app: "DdpmApp", changed: Callable[[], None]) -> None:
        self.app = app
        self.changed = changed

    def _push(
        self, said: str, back: Callable[[], object], does: str, again: Callable[[], Awaitable[object]]
    ) -> None:
        async def undo() -> None:
            await asyncio.to_thread(back)
            self.changed()

        self.app.undo.push(said, undo, does=does, again=again)

    async def tag(self, run: RunFolder, info: "CheckpointInfo", tag: str) -> None:
        """Set the tag, or remove it if the checkpoint has it."""
        from engine.runs.checkpoints import read_tags, set_tag

        before = read_tags(run).get(tag)
        away = before == info.step
        await asyncio.to_thread(set_tag, run, tag, None if away else info.step)
        says = f"{run.name}@{info.step} is {'no longer ' if away else 'now '}{run.name}@{tag}"
        words = ("untag", run.name) if away else ("tag", f"{run.name}@{info.step}")
        self.app.echo(line("checkpoints", *words, tag))
        self.app.say(says)
        again = partial(self.tag, run, info, tag)
        self._push(f"tag {tag} is as it was", lambda: set_tag(run, tag, before), says, again)
        self.changed()

    async def delete(self, run: RunFolder, info: "CheckpointInfo") -> None:
        """Delete a checkpoint. Raises BusyError if a job that is not over names it."""
        from engine.base.trash import restore
        from engine.service.needed import discard_checkpoint

        trashed = await asyncio.to_thread(discard_checkpoint, self.app.home, run, info.folder)
        name = f"{run.name}@{info.step}"
        self.app.echo(line("checkpoints", "delete", name))
        self.app.say(f"{name} is in the trash; {self.app.key('app.undo')} brings it back")
        again = partial(self.delete, run, info)
        self._push(f"{name} is back", lambda: restore(trashed), f"{name} is deleted", again)
        self.changed()

    async def delete_run(self, run: RunFolder) -> None:
        """Delete a whole run. Raises BusyError while a worker has it or the queue has jobs for it."""
        from engine.base.trash import restore
        from engine.service.run_changes import discard

        trashed = await asyncio.to_thread(discard, self.app.home, run)
        self.app.echo(line("runs", "delete", run.name))
        self.app.say(f"run {run.name} is in the trash; {self.app.key('app.undo')} brings it back")
        again = partial(self.delete_run, run)
        self._push(f"run {run.name} is back", lambda: restore(trashed), f"run {run.name} is deleted", again)
        self.changed()

    async def rename(self, old: str, new: str) -> None:
        from engine.service import run_changes

        await asyncio.to_thread(run_changes.rename, self.app.home, old, new)
        self.app.echo(line("runs", "rename", old, new))
        self.app.say(f"run {old} is now {new}")
        self._push(
            f"the run is {old} again",
            lambda: run_changes.rename(self.app.home, new, old),
            f"run {old} is {new}",
            partial(self.rename, old, new),
        )
        self.changed()

    async def branch(self, run: RunFolder, info: "CheckpointInfo", name: str, overrides: list[str]) -> str:
        """Make the branch; return its name."""
        from engine.runs.branch import branch_run
        from engine.service.run_changes import discard

        record = await asyncio.to_thread(branch_run, self.app.home, run, info, overrides, name or None)
        changes = [word for change in overrides for word in ("--set", change)]
        source = f"{run.name}@{info.step}"
        self.app.echo(line("runs", "branch", source, *changes, "--name", record.name))
        key = self.app.key("checkpoints.train")
        self.app.say(f"{record.name} branches from {run.name}@{info.step}; {key} trains it")
        folder = self.app.home.run(record.name)
        again = partial(self.branch, run, info, record.name, overrides)
        said = f"branch {record.name} is in the trash"
        self._push(said, lambda: discard(self.app.home, folder), f"branch {record.name} is made", again)
        self.changed()
        return record.name

    async def verify(self, run: RunFolder, info: "CheckpointInfo") -> None:
        from engine.runs.checkpoints import verify

        self.app.echo(line("checkpoints", "verify", f"{run.name}@{info.step}"))
        self.app.say(f"reading {run.name}@{info.step} …", "dim")
        problem = await asyncio.to_thread(verify, info.folder)
        name = f"{run.name}@{info.step}"
        if problem:
            self.app.say(f"{name} is damaged: {problem.replace(f'{info.folder.path}/', '')}", "bad")
        else:
            self.app.say(f"{name} is intact")

    async def export(self, run: RunFolder, info: "CheckpointInfo", target: Path) -> None:
        from engine.runs.export import export_checkpoint

        where = await asyncio.to_thread(export_checkpoint, run, info, target)
        self.app.echo(line("checkpoints", "export", f"{run.name}@{info.step}", where))
        self.app.say(f"{run.name}@{info.step} is in {where}")
