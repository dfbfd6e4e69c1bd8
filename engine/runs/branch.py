"""Branching: creating a run that starts from a checkpoint of another run, with a copy of its history."""

import dataclasses
import os
import shutil
from collections.abc import Mapping
from typing import Any

from engine.base.errors import DamagedError, UsageError, UserError
from engine.base.failpoints import reach
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.base.records import read_object
from engine.base.seals import write_sealed
from engine.base.trash import list_trash
from engine.config.profile import Profile
from engine.config.store import diff_profiles
from engine.runs.checkpoints import (
    CheckpointInfo,
    Manifest,
    checkpoint_folders,
    origin_of,
    resolve,
    verify,
)
from engine.runs.pictures import require_batch, require_pictures
from engine.runs.rate_plan import RatePlan
from engine.runs.record import (
    PICTURES,
    Lineage,
    RunRecord,
    branch_profile,
    create_run,
    free_run_name,
    read_record,
    run_names,
)


@dataclasses.dataclass(frozen=True)
class Beginning:
    """The beginning of a branch that does not exist yet: a checkpoint as RUN@WHICH, and its changes.

    A queued training has it in its arguments, so that a branch can be requested before its base is trained.
    """

    checkpoint: str
    changes: tuple[str, ...] = ()

    @classmethod
    def from_args(cls, args: Mapping[str, Any]) -> "Beginning | None":
        """Return the beginning in a training's arguments, None if the run exists already. Raises UsageError."""
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
        """Create the branch unless it exists; after a kill, a repeated call finds the complete branch. Raises as
        `resolve` and `branch_run` do.
        """
        if name in run_names(home):
            return
        parent, checkpoint = resolve(home, self.checkpoint)
        branch_run(home, parent, checkpoint, list(self.changes), name)
        reach("branch.made")


def branch_run(
    home: Home, parent: RunFolder, checkpoint: CheckpointInfo, overrides: list[str], name: str | None = None
) -> RunRecord:
    """Create a run that continues `parent` from `checkpoint` with changes ('optim.lr=1e-6').

    The checkpoint and the metrics up to it are copied (with hard links if the disk supports them), so the branch can
    be moved elsewhere and its parent pruned or deleted. Raises UserError for a change that the weights do not allow,
    or a name that is taken; DamagedError for a damaged checkpoint.
    """
    manifest = checkpoint.whole()
    problem = verify(checkpoint.folder)
    if problem:
        raise DamagedError(f"cannot branch from {parent.name}@{checkpoint.step}: {problem}")
    before = read_record(parent)
    profile, changes = branch_profile(before.profile, overrides)
    if profile.labels != before.profile.labels or profile.data.where != before.profile.data.where:
        from engine.data.labelled import named_labels

        profile = named_labels(home, profile)
    if not before.frozen:
        raise UserError(f"run {parent.name!r} has not started yet", "train it first")
    lineage = Lineage(parent.name, manifest.step, manifest.epoch, manifest.images, changes)

    def fill(folder: RunFolder) -> None:
        target = folder.checkpoint(manifest.step)
        target.path.mkdir()
        for file in manifest.files:
            _link(checkpoint.folder.path / file, target.path / file)
        offset = _copy_history(parent, folder, manifest.metrics_offset)
        # The branch begins here, so retention keeps this checkpoint like the end of a chunk.
        kept = read_object(checkpoint.folder.manifest, "the manifest")  # with fields of a newer version
        facts = {**kept, **dataclasses.asdict(manifest), "metrics_offset": offset, "chunk_end": True}
        if _other_pictures(before.profile, profile):  # scores on other pictures are not comparable
            facts |= {"eps_error": None, "val_loss": None}
        write_sealed(target.manifest, facts)

    if _other_pictures(before.profile, profile):
        require_pictures(home, profile)
    frozen = _inherited(before, profile, manifest)
    return create_run(
        home, name or free_run_name(home, parent.name), profile, before.profile_name, lineage, fill, frozen
    )


def foretell(before: RunRecord, manifest: Manifest, profile: Profile) -> list[str]:
    """Return notes on the learning rate for a chunk of a branch with `profile` from a checkpoint of `before`.

    Raises UserError for a branch that could not train.
    """
    _inherited(before, profile, manifest)
    here = manifest.epochs_seen
    to_epoch = int(here) + profile.training.chunk_epochs
    says = rates_of_branch(before, profile, here).reaching(to_epoch, here).says(here, to_epoch)
    return [f"a chunk of it is epochs {round(here, 2):g} → {to_epoch}", *says]


def rates_of_branch(parent: RunRecord, profile: Profile, here: float) -> RatePlan:
    """The learning-rate plan that a branch with `profile` begins with at epoch `here`: the parent's unless it asks for
    another. One that learns labels anew has a plan of its own: the rate rises where it begins."""
    if _begins_with_labels(parent.profile, profile):
        return dataclasses.replace(RatePlan.of(profile, max(1, int(here))), planned=int(here))
    if parent.rates is not None and profile.horizon_epochs == parent.profile.horizon_epochs:
        return parent.rates.of_branch(profile)
    return RatePlan.of(profile, profile.horizon_epochs)


def _inherited(parent: RunRecord, profile: Profile, manifest: Manifest) -> dict[str, Any]:
    """What is decided for a branch with `profile` before it begins: its origin, its pictures unless they are others,
    and the parent's learning-rate plan unless it asks for another. Its micro-batch is its own affair.

    Raises UserError where its batches are larger than its data set.
    """
    frozen: dict[str, Any] = {"origin": origin_of(manifest).to_json()}
    if "data" in parent.frozen and not _other_pictures(parent.profile, profile):
        frozen["data"] = parent.frozen["data"]
        if isinstance(pictures := frozen["data"].get("train"), int):
            require_batch(profile, pictures)
        if "labels" in parent.frozen:
            frozen["labels"] = parent.frozen["labels"]
    own = _begins_with_labels(parent.profile, profile)
    if own or (parent.rates is not None and profile.horizon_epochs == parent.profile.horizon_epochs):
        rates = rates_of_branch(parent, profile, manifest.epochs_seen)
        frozen["horizon_epochs"] = rates.horizon
        frozen["segments"] = [segment.to_json() for segment in rates.segments]
        planned = rates.planned if own else parent.frozen.get("planned_epochs")
        if planned is not None:
            frozen["planned_epochs"] = planned
    return frozen


def _begins_with_labels(before: Profile, after: Profile) -> bool:
    """Whether a branch is told of labels and its parent was of none."""
    return before.labels.kind == "none" != after.labels.kind


def _other_pictures(before: Profile, after: Profile) -> bool:
    return any(key.startswith(PICTURES) for key, _, _ in diff_profiles(before, after))


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
    """Raise UserError if a branch has no checkpoint left, because it would start again from other weights than its
    parent's.
    """
    lineage = read_record(folder).lineage
    if lineage is None or checkpoint_folders(folder):
        return
    name = f"{folder.name}@{lineage.step}"
    deleted = [
        t.label for t in list_trash(home) if t.kind == "checkpoint" and t.label.startswith(f"{folder.name}@")
    ]
    back = name if name in deleted else deleted[0] if deleted else None
    raise UserError(
        f"run {folder.name!r} branches from {lineage.parent}@{lineage.step}, but has no checkpoint left to continue",
        f"`ddpm-tui checkpoints restore {back}` brings it back"
        if back
        else f"`checkpoints restore` has none of it any more; `ddpm-tui runs branch {lineage.parent}@{lineage.step}` "
        "makes the branch anew",
    )
