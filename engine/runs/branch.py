"""Branching: a new run that starts from a checkpoint of another and carries its history with it."""

import dataclasses
import os
import shutil
from collections.abc import Mapping
from typing import Any

from engine.errors import DamagedError, UsageError, UserError
from engine.failpoints import reach
from engine.files import write_json
from engine.folders import RunFolder
from engine.home import Home
from engine.runs.checkpoints import CheckpointInfo, checkpoint_folders, resolve, verify
from engine.runs.record import (
    Lineage,
    RunRecord,
    branch_profile,
    create_run,
    free_run_name,
    read_record,
    run_names,
)
from engine.runs.trash import list_trash


@dataclasses.dataclass(frozen=True)
class Beginning:
    """Where a branch that is still to be made begins: a checkpoint as RUN@WHICH, and its changes.

    A queued training carries it in its args, so that a branch can be asked for before its base is trained.
    """

    checkpoint: str
    changes: tuple[str, ...] = ()

    @classmethod
    def from_args(cls, args: Mapping[str, Any]) -> "Beginning | None":
        """What a training's args say of it: None where the run is one that is there. Raises UsageError."""
        given = args.get("branch")
        if given is None:
            return None
        match given:
            case {"checkpoint": str(checkpoint), "set": [*changes]} if all(
                isinstance(c, str) for c in changes
            ):
                return cls(checkpoint, tuple(changes))
        raise UsageError("branch must be an object with a checkpoint and set, a list of KEY=VALUE")

    def to_args(self) -> dict[str, Any]:
        return {"checkpoint": self.checkpoint, "set": list(self.changes)}

    def make(self, home: Home, name: str) -> None:
        """Make the branch where it is not there yet: done again after a kill, it finds what was made, which is
        whole. Raises as `resolve` and `branch_run` do."""
        if name in run_names(home):
            return
        parent, checkpoint = resolve(home, self.checkpoint)
        branch_run(home, parent, checkpoint, list(self.changes), name)
        reach("branch.made")


def branch_run(
    home: Home, parent: RunFolder, checkpoint: CheckpointInfo, overrides: list[str], name: str | None = None
) -> RunRecord:
    """Make a run that continues `parent` from `checkpoint` with changes ('optim.lr=1e-6').

    The checkpoint and the metrics up to it are copied (hard links where the disk allows), so the branch can
    be moved elsewhere and its parent thinned out or deleted. Raises UserError for a change that the weights
    do not allow, or a name that is taken; DamagedError for a checkpoint that is not whole.
    """
    manifest = checkpoint.whole()
    problem = verify(checkpoint.folder)
    if problem:
        raise DamagedError(f"cannot branch from {parent.name}@{checkpoint.step}: {problem}")
    before = read_record(parent)
    profile, changes = branch_profile(before.profile, overrides)
    if not before.frozen:
        raise UserError(f"run {parent.name!r} has not started yet", "train it first")
    lineage = Lineage(parent.name, manifest.step, manifest.epoch, manifest.images, changes)

    def fill(folder: RunFolder) -> None:
        target = folder.checkpoint(manifest.step)
        target.path.mkdir()
        for file in manifest.files:
            _link(checkpoint.folder.path / file, target.path / file)
        offset = _copy_history(parent, folder, manifest.metrics_offset)
        # It is where the branch begins, so retention keeps it as it keeps the end of a chunk.
        write_json(
            target.manifest,
            {**dataclasses.asdict(manifest), "metrics_offset": offset, "chunk_end": True},
        )

    # Another horizon or micro-batch is the branch's own affair; other pictures under the same weights are not.
    frozen = {"data": before.frozen["data"]} if "data" in before.frozen else {}
    return create_run(
        home, name or free_run_name(home, parent.name), profile, before.profile_name, lineage, fill, frozen
    )


def _link(source: os.PathLike[str], target: os.PathLike[str]) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _copy_history(parent: RunFolder, child: RunFolder, offset: int) -> int:
    try:
        with open(parent.metrics, "rb") as file:
            history = file.read(offset)
    except FileNotFoundError:
        history = b""
    child.metrics.write_bytes(history)
    return len(history)


def require_beginning(home: Home, folder: RunFolder) -> None:
    """Raise UserError where a branch has no checkpoint left: it would begin anew, from weights that are none of its
    parent's."""
    lineage = read_record(folder).lineage
    if lineage is None or checkpoint_folders(folder):
        return
    name = f"{folder.name}@{lineage.step}"
    deleted = [
        t.label for t in list_trash(home) if t.kind == "checkpoint" and t.label.startswith(f"{folder.name}@")
    ]
    back = name if name in deleted else deleted[0] if deleted else None
    raise UserError(
        f"run {folder.name!r} branches from {lineage.parent}@{lineage.step}, and no checkpoint is left to go on from",
        f"`ddpm-tui checkpoints restore {back}` brings it back"
        if back
        else f"`checkpoints restore` has none of it any more; `ddpm-tui runs branch {lineage.parent}@{lineage.step}` "
        "makes the branch anew",
    )
