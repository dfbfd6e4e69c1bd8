"""A home with a short profile, and trainings planned in it."""

from pathlib import Path

from engine.base.home import Home
from engine.service.planning import TrainPlan, TrainRequest, make_run, plan_training
from engine.service.states import Job, State

PROFILE = """
[training]
epochs = 8
chunk_epochs = 2
"""


def home_with_profile(path: Path) -> Home:
    """A home whose profile "small" has 8 epochs in chunks of 2."""
    home = Home(path).create()
    (home.profiles / "small.toml").write_text(PROFILE)
    return home


def plan(home: Home, target: str, *jobs: Job, **request: object) -> TrainPlan:
    return plan_training(home, jobs, TrainRequest(target, **request))  # type: ignore[arg-type]


def train(number: int, to_epoch: int, state: State = State.QUEUED, run: str = "small-1") -> Job:
    return Job(f"{number:06d}", "train", run, state=state, args={"to_epoch": to_epoch})


def made(home: Home, **request: object) -> str:
    planned = plan(home, "small", **request)
    make_run(home, planned)
    return planned.run
