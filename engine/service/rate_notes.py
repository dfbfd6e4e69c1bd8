"""Notes on the learning rate of a training that is planned: what the queue says before anything is trained."""

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.service import runs
from engine.service.states import Job

if TYPE_CHECKING:
    from engine.config.profile import Profile
    from engine.runs.rate_plan import RatePlan
    from engine.runs.record import RunRecord


def says_of_new(profile: "Profile", to_epoch: int) -> list[str]:
    """Return notes on the learning rate for a new run that trains to an epoch."""
    from engine.runs.rate_plan import RatePlan

    rates = RatePlan.new(profile, to_epoch).reaching(to_epoch, 0)
    planned, epochs = [], profile.training.epochs
    if to_epoch > epochs and rates.horizon == to_epoch and profile.optim.schedule == "cosine":
        planned = [
            f"the learning rate is planned for {to_epoch} epochs, instead of the profile's {epochs}; this is final"
        ]
    return [*planned, *rates.says(0, to_epoch)]


def says_of_run(home: Home, run: str, here: float, targets: list[int]) -> list[str]:
    """Return notes on the learning rate for the last of `targets`, to which a run is trained in turn."""
    from engine.runs.record import load_run

    with contextlib.suppress(DdpmError):  # its worker reports the problem
        rates, at = _rates_after(load_run(home, run), here, targets[:-1])
        if rates is None:
            rates = load_run(home, run).rates_to(targets[-1], here)
        return rates.reaching(targets[-1], at).says(at, targets[-1])
    return []


def _rates_after(record: "RunRecord", here: float, targets: list[int]) -> "tuple[RatePlan | None, float]":
    """Return a run's learning-rate plan after training to each of `targets` in turn, and its epoch then. None: it has
    no plan and is not trained further.
    """
    rates = record.rates_to(targets[0], here) if targets else record.rates
    for target in targets:
        assert rates is not None
        rates, here = rates.reaching(target, here), max(here, target)
    return rates, here


def says_of_branch(
    home: Home, jobs: list[Job], base: "RunRecord", profile: "Profile", checkpoint: str, to_epoch: int
) -> list[str]:
    """Return notes on the learning rate for training a branch of `base` with `profile` that begins at `checkpoint`.
    Nothing if its beginning is not known yet.
    """
    from engine.runs.branch import rates_of_branch
    from engine.runs.checkpoints import resolve

    reached = runs.newest(home.run(base.name))
    trained = reached.epochs_seen if reached else 0.0
    targets = sorted(j.to_epoch for j in jobs if j.run == base.name and j.kind == "train" and not j.over)
    which = checkpoint.partition("@")[2]
    if which == "best":
        return []
    if which == "latest":
        here = max([trained, *targets])
    elif which[:1] == "e":
        here = float(which[1:])
        first = next((n for n, target in enumerate(targets) if target >= here), len(targets))
        targets = targets[: first + 1]
    else:
        here, targets = resolve(home, checkpoint)[1].whole().epochs_seen, []
    rates, _ = _rates_after(base, trained, targets)
    if rates is not None:
        frozen = {"horizon_epochs": rates.horizon, "segments": [s.to_json() for s in rates.segments]}
        base = replace(base, frozen=base.frozen | frozen)
    return rates_of_branch(base, profile, here).reaching(to_epoch, here).says(here, to_epoch)
