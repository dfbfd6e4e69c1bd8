"""Conversion of the arguments of `train` to a run and an absolute target epoch. Creates the run if necessary."""

from dataclasses import dataclass
from typing import Any, Literal

from engine.base.errors import BusyError, DdpmError, UsageError, UserError
from engine.base.files import is_locked, lock_holder
from engine.base.home import Home, is_file_name
from engine.base.text import shell_word
from engine.config.profile import Profile
from engine.config.store import diff_profiles, list_profiles, value_text
from engine.runs.branch import require_beginning
from engine.runs.pictures import require_pictures
from engine.runs.record import create_run, find_run, free_run_name, load_run, run_names
from engine.service.machine import require_device
from engine.service.planning import profile_for
from engine.service.rate_notes import says_of_new
from engine.service.runs import newest

Resume = Literal["auto", "never"]
"""Whether a training goes on with the run that is there, or begins a new one."""


@dataclass(frozen=True)
class TrainingTarget:
    """A training of `run` from `here` epochs to `to_epoch`.

    new: the run was created for it, or would be · next_epoch: the target with one more chunk · says: notes on the
    learning rate before the target, or before the next chunk if the target is reached.
    """

    run: str
    here: float
    to_epoch: int
    new: bool
    next_epoch: int
    says: tuple[str, ...] = ()

    @property
    def reached(self) -> bool:
        return self.here >= self.to_epoch

    @property
    def args(self) -> dict[str, Any]:
        """Return the training's arguments."""
        return {"to_epoch": self.to_epoch, "from_epoch": self.here}


@dataclass(frozen=True)
class _Run:
    """The selected run. `unmade`: its profile and the profile's name if the run does not exist yet."""

    name: str
    unmade: tuple[Profile, str] | None = None


def find_target(
    home: Home,
    what: str | None,
    *,
    run: str | None = None,
    to_epoch: int | None = None,
    chunks: int | None = None,
    overrides: list[str] | None = None,
    resume: Resume = "auto",
    device: str = "auto",
    dry_run: bool = False,
) -> TrainingTarget:
    """Decide the run and its target. `what` is a run, a profile or a profile's file; None: only `run` is given. A run
    is created only if it can be trained on `device`, and never with `dry_run`.

    Raises UsageError for options that exclude each other, UserError for unknown names, pictures and devices and for
    names that are taken, ProfileError for an invalid profile, BusyError for a run that another process trains.
    """
    if to_epoch is not None and chunks is not None:
        raise UsageError("--to-epoch and --chunks exclude each other", "give one of them")
    for option, number in (("--to-epoch", to_epoch), ("--chunks", chunks)):
        if number is not None and number < 1:
            raise UsageError(f"{option} {number}: at least 1")
    if run is not None:
        home.run(run)  # a name that cannot be a folder is refused here, by a dry run too
    if what is None and run is None:
        raise UsageError("train what?", "a profile or a run: see `profiles list` and `runs list`")
    found = _run_for(home, what or str(run), run, overrides or [], resume, device)
    name = found.name
    if found.unmade and not dry_run:
        create_run(home, name, *found.unmade)
    if found.unmade:
        profile = found.unmade[0]
        goal, after = _goals(profile, 0.0, to_epoch, chunks)
        return TrainingTarget(name, 0.0, goal, True, after, tuple(says_of_new(profile, goal)))
    record, folder = load_run(home, name), find_run(home, name)
    if is_locked(folder.lock):
        raise BusyError(
            f"run {name!r} is being trained by {lock_holder(folder.lock) or 'another process'}",
            "wait for it, or stop it first",
        )
    require_beginning(home, folder)
    reached = newest(folder)
    here = reached.epochs_seen if reached else 0.0
    goal, after = _goals(record.profile, here, to_epoch, chunks)
    trained = goal if here < goal else after
    return TrainingTarget(
        name, here, goal, False, after, tuple(record.rates_to(trained, here).says(here, trained))
    )


def _goals(profile: Profile, here: float, to_epoch: int | None, chunks: int | None) -> tuple[int, int]:
    """Return the epoch to train to, and the one that one more chunk would train to."""
    chunk = profile.training.chunk_epochs
    if to_epoch is None:
        to_epoch = profile.training.epochs if chunks is None else int(here) + chunks * chunk
    return to_epoch, int(here) + chunk


def _run_for(
    home: Home,
    what: str,
    run: str | None,
    overrides: list[str],
    resume: Resume,
    device: str,
) -> _Run:
    runs = run_names(home)
    # If a name is both a profile's and a run's, it means the run, unless --set excludes that.
    is_profile = bool(overrides) and what in {file.name for file in list_profiles(home)}
    if not is_file_name(what) and not is_profile and what in runs and run in (None, what):
        if resume == "never":
            raise UsageError(
                f"{what!r} is a run, and --resume never starts a new one",
                f"name its profile: {load_run(home, what).profile_name or 'see `profiles list`'}",
            )
        if overrides:
            raise UserError(
                f"the profile of run {what!r} is frozen, so --set cannot change it",
                f"branch it: ddpm-tui runs branch {what}@latest --set {shell_word(overrides[0])}",
            )
        return _Run(what)
    profile, profile_name = profile_for(home, what, overrides)
    if run is not None and run in runs:
        if resume == "never":
            raise UserError(f"there is already a run named {run!r}", "choose another --run name")
        _same_profile(home, run, profile, what)
        return _Run(run)
    if run is None and resume == "auto":
        unfinished = _unfinished(home, runs, profile)
        if unfinished:
            return _Run(unfinished)
    # Report now what the worker could report only after the run was created.
    require_pictures(home, profile)
    require_device(profile.training.device if device == "auto" else device)
    return _Run(run or free_run_name(home, profile_name), (profile, profile_name))


def _same_profile(home: Home, run: str, profile: Profile, what: str) -> None:
    different = diff_profiles(load_run(home, run).profile, profile)
    if different:
        key, *values = different[0]
        before, after = (value_text(value, "none") for value in values)
        raise UserError(
            f"run {run!r} was created from another version of profile {what!r} ({key}: {before}, now {after})",
            f"`ddpm-tui train {run}` continues it as it is; another --run name starts a new one",
        )


def _unfinished(home: Home, runs: list[str], profile: Profile) -> str | None:
    """Return the newest run of exactly this profile that has not reached the profile's epochs."""
    for name in reversed(runs):
        try:
            record = load_run(home, name)
        except DdpmError:
            continue
        reached = newest(home.run(name))
        if not diff_profiles(record.profile, profile) and (
            reached is None or reached.epoch < profile.training.epochs
        ):
            return name
    return None
