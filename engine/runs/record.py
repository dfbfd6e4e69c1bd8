"""run.json: the frozen profile, the run's parent, and the worker's decisions.

A run folder can be copied to another machine and opened there; nothing about the run is stored elsewhere.
"""

import contextlib
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.base.errors import DamagedError, GoneError, UserError, damaged_run, unknown
from engine.base.files import FileLock, disk_errors, fsync_folder, write_bytes
from engine.base.folders import RunFolder
from engine.base.home import NAME, NAME_RULE, Home, check_name
from engine.base.records import MissingError, read_object
from engine.base.seals import write_sealed
from engine.config.profile import Profile
from engine.config.store import build_profile, diff_profiles, override_profile, value_text
from engine.runs import stored
from engine.runs.rate_plan import RatePlan, Segment
from engine.runs.stored import Lineage as Lineage
from engine.runs.timeline import Origin

PICTURES = ("data.dataset", "data.limit", "data.recipe", "data.where")
"""The settings that decide which pictures a run learns from."""

BRANCH_KEYS = (
    *(
        "optim.",
        "training.",
        "sampling.",
        "labels.",
        "objective.loss",
        "objective.min_snr_gamma",
        "data.flip",
    ),
    *PICTURES,
)
"""The settings that a branch may change; all others affect the meaning of the weights."""


@dataclass(frozen=True)
class RunRecord:
    """One run. `frozen` has the worker's decisions at the first step, which affect the bits of the result. `others`:
    fields of a newer version, which are written back.
    """

    name: str
    profile: Profile
    profile_name: str = ""
    created: str = ""
    lineage: Lineage | None = None
    frozen: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> Origin | None:
        """Return where its counts begin; None in the record of an older program, which always counted from 0."""
        return Origin.from_json(self.frozen["origin"]) if "origin" in self.frozen else None

    @property
    def rates(self) -> RatePlan | None:
        """Return the learning-rate plan; None until the first training's target decides it."""
        if (horizon := self.frozen.get("horizon_epochs")) is None:
            return None
        if type(horizon) is not int or horizon < 1:
            raise ValueError(f"{horizon!r} for horizon_epochs")
        segments = [Segment.from_json(given) for given in self.frozen.get("segments", ())]
        plan = RatePlan.of(self.profile, horizon, segments)
        planned = self.frozen.get("planned_epochs")
        return plan if planned is None else replace(plan, planned=planned)

    @property
    def planned_epochs(self) -> int:
        """Return the epochs planned so far."""
        epochs = self.profile.training.epochs
        return epochs if self.rates is None else max(epochs, self.rates.last_epoch)

    def rates_to(self, to_epoch: int, here: float) -> RatePlan:
        """Return the plan for training from `here` to `to_epoch`, both in epochs."""
        if self.rates is not None:
            return self.rates.reaching(to_epoch, here)
        if self.lineage is not None:
            return RatePlan.of(self.profile, self.profile.horizon_epochs).reaching(to_epoch, here)
        return RatePlan.new(self.profile, to_epoch).reaching(to_epoch, here)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.others,
            "format": stored.FORMAT,
            "name": self.name,
            "created": self.created,
            "profile_name": self.profile_name,
            "lineage": self.others.get("lineage", {}) | asdict(self.lineage) if self.lineage else None,
            "frozen": self.frozen,
            "versions": self.versions,
            "profile": self.profile.to_dict(),
        }


def create_run(
    home: Home,
    name: str,
    profile: Profile,
    profile_name: str = "",
    lineage: Lineage | None = None,
    fill: Callable[[RunFolder], None] = lambda folder: None,
    frozen: dict[str, Any] | None = None,
) -> RunRecord:
    """Create the run's folder with its frozen profile. Raises UserError if the name is taken.

    `frozen` has decisions of the run from which it branches; `fill` adds files before the folder gets its name, so
    that a run exists completely or not at all.
    """
    folder = home.create().run(name)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    record = RunRecord(name, profile, profile_name, created, lineage, frozen or {})
    if folder.path.exists():
        raise _taken(name)
    _remove_leftovers(home)
    building = RunFolder(home.runs / f".{name}.{uuid.uuid4().hex[:8]}.new")
    try:
        with disk_errors(folder.path):
            building.path.mkdir(mode=0o700)
            with FileLock.acquire(building.lock, f"run {name!r}"):
                write_record(building, record)
                building.checkpoints.mkdir()
                fill(building)
                with _names(home):
                    if folder.path.exists():
                        raise _taken(name)
                    building.path.rename(folder.path)
    finally:
        shutil.rmtree(building.path, ignore_errors=True)
    fsync_folder(home.runs)
    return record


def _names(home: Home) -> contextlib.AbstractContextManager[FileLock]:
    """Hold the lock for naming runs: a rename would replace an empty folder that another process just created."""
    return FileLock.for_a_moment(home.runs_lock, "the list of runs", "a run gets its name", "try again")


def _remove_leftovers(home: Home) -> None:
    """Delete unfinished runs of killed processes, whose locks are free."""
    for path in home.runs.glob(".*.new"):
        lock = RunFolder(path).lock
        with contextlib.suppress(GoneError):
            if lock.exists() and (held := FileLock.try_acquire(lock)):
                with held:
                    shutil.rmtree(path, ignore_errors=True)


def _taken(name: str) -> UserError:
    return UserError(f"there is already a run named {name!r}", "choose another --run name, or resume it")


def free_run_name(home: Home, base: str) -> str:
    """Return `base`-N with the first free N from 1."""
    check_name("run", base)
    number = 1
    while home.run(f"{base}-{number}").path.exists():
        number += 1
    return f"{base}-{number}"


def run_names(home: Home) -> list[str]:
    """Return the names of all runs, the most recently changed folder last."""
    if not home.runs.is_dir():
        return []
    found = [p for p in home.runs.iterdir() if NAME.fullmatch(p.name) and p.is_dir()]
    return [p.name for p in sorted(found, key=lambda p: (_changed(p), p.name))]


def misnamed_runs(home: Home) -> list[str]:
    """Return one line with a remedy for each folder with a run under an invalid name, for example a copy made by hand
    ("cats (copy)").
    """
    if not home.runs.is_dir():
        return []
    found = [p for p in home.runs.iterdir() if not NAME.fullmatch(p.name) and RunFolder(p).record.is_file()]
    return [f"{p} has a run with an invalid name — rename the folder: {NAME_RULE}" for p in sorted(found)]


def _changed(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except OSError:
        return 0.0


def find_run(home: Home, name: str) -> RunFolder:
    """Return the folder of an existing run. Raises UserError with the nearest name."""
    if name not in (names := run_names(home)):
        with contextlib.suppress(OSError):  # the name is too long for a file
            if "/" not in name and (home.runs / name).is_dir():
                check_name("run", name)  # it exists with an invalid name
        raise unknown("run", name, names, "see `runs list`, or start one with `train`")
    return home.run(name)


def load_run(home: Home, name: str) -> RunRecord:
    """Read run.json. Raises UserError for an unknown or newer run, DamagedError for an unreadable one."""
    return read_record(find_run(home, name))


def read_record(folder: RunFolder) -> RunRecord:
    """Read a record. Raises UserError for a newer run or an unusable profile, DamagedError for an unreadable one."""
    try:
        return _record(folder)
    except DamagedError as error:
        raise damaged_run(folder.name, error.what, error.hint) from None


def record_problem(folder: RunFolder) -> str | None:
    """Return the problem of a run's record in one line; None if there is none."""
    try:
        read_record(folder)
    except (DamagedError, UserError) as error:
        return str(error)
    return None


def _record(folder: RunFolder) -> RunRecord:
    found = stored.read_stored(folder)
    record = RunRecord(
        folder.name,
        build_profile(found.profile, str(folder.record)),
        found.profile_name,
        found.created,
        found.lineage,
        found.frozen,
        found.versions,
        found.others,
    )
    try:
        _ = record.origin, record.rates  # raises here if they are invalid
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"the record of run {folder.name!r} lacks {error}: {folder.record}") from None
    return record


def write_record(folder: RunFolder, record: RunRecord) -> None:
    """Write run.json. An existing one of an older format is kept beside it, named after its format."""
    _keep_older(folder)
    write_sealed(folder.record, record.to_json())


def _keep_older(folder: RunFolder) -> None:
    with contextlib.suppress(MissingError):
        found = read_object(folder.record, f"the record of run {folder.name!r}").get("format")
        if type(found) is int and found < stored.FORMAT:
            write_bytes(
                folder.record.with_name(f"{folder.record.name}.format-{found}"), folder.record.read_bytes()
            )


def freeze(folder: RunFolder, **facts: Any) -> RunRecord:
    """Add the worker's decisions to the record. Only the holder of the run's lock calls this."""
    record = read_record(folder)
    record = replace(record, frozen={**record.frozen, **facts})
    write_record(folder, record)
    return record


def branch_profile(profile: Profile, overrides: list[str]) -> tuple[Profile, tuple[str, ...]]:
    """Return the profile of a branch and its changes in words. Raises UserError with the reason for settings that
    cannot change.
    """
    changed = override_profile(profile, overrides)
    rows = [
        (key, value_text(before, "none"), value_text(after, "none"))
        for key, before, after in diff_profiles(profile, changed)
    ]
    for key, before, after in rows:
        if not key.startswith(BRANCH_KEYS):
            raise UserError(
                f"{key} cannot change in a branch ({before} → {after}): the checkpoint's weights were made for it",
                f"start a new run with --set {key}={after}; a branch may change optim, training, sampling, "
                "objective.loss, objective.min_snr_gamma, data.dataset, data.limit, data.recipe, data.where and "
                "data.flip, and begin with labels",
            )
        if key in ("labels.kind", "labels.names") and profile.labels.kind != "none":
            raise UserError(
                f"{key} cannot change in a branch ({before} → {after}): the network knows its labels by their place",
                f"start a new run with --set {key}={after}, or branch a run without labels",
            )
    return changed, tuple(f"{key}: {before} → {after}" for key, before, after in rows)


def branch_points(home: Home, name: str) -> frozenset[int]:
    """Return the steps of a run at which a branch begins: its own if it is one, and those of its branches."""
    found = set()
    for other in run_names(home):
        try:
            lineage = load_run(home, other).lineage
        except (DamagedError, UserError):
            continue
        if lineage and name in (other, lineage.parent):
            found.add(lineage.step)
    return frozenset(found)


def rename_run(home: Home, old: str, new: str) -> None:
    """Rename a run; its branches point to it by the new name. Neither the run nor its branches may be in use.

    The folder is renamed last: if the process is killed before that, the run has its old name, and the same call, or
    one with another name, completes the change. `engine.service.run_changes` checks whether queued jobs need the run.
    """
    folder, target = find_run(home, old), home.run(new)
    if target.path.exists():
        raise UserError(f"there is already a run named {new!r}")
    doing, hint = "a run is being renamed", "pause or wait for it first"
    with contextlib.ExitStack() as locks:
        locks.enter_context(_names(home))
        locks.enter_context(FileLock.for_a_moment(folder.lock, f"run {old!r}", doing, hint))
        if target.path.exists():
            raise UserError(f"there is already a run named {new!r}")
        record = read_record(folder)
        # The record has a name that was never applied: an earlier call was killed.
        intended = str(read_object(folder.record, f"the record of run {old!r}").get("name"))
        former = {old} if intended in run_names(home) else {old, intended}
        branches = [home.run(name) for name in run_names(home) if _parent(home, name) in former]
        # Their workers write the same file, so take all locks before writing the first.
        for branch in branches:
            what = f"run {branch.name!r}, a branch of {old!r},"
            locks.enter_context(FileLock.for_a_moment(branch.lock, what, doing, hint))
        write_record(folder, replace(record, name=new))
        for branch in branches:
            read = read_record(branch)
            assert read.lineage is not None
            write_record(branch, replace(read, lineage=replace(read.lineage, parent=new)))
        folder.path.rename(target.path)
        fsync_folder(home.runs)


def _parent(home: Home, name: str) -> str | None:
    """Return the run from which a run branches, None also if its record cannot be read."""
    with contextlib.suppress(DamagedError, UserError):
        lineage = load_run(home, name).lineage
        return lineage.parent if lineage else None
    return None
