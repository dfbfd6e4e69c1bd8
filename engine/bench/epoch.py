"""The parts of an epoch's time: a real run of a profile on the built-in faces, every part of the loop timed by
itself.

Work of every step is given per step. Work once an epoch, once a chunk or every few minutes is timed once, and its
share is worked out for an epoch of CelebA's 162,770 training pictures. Nothing is cut out of the loop; each part's
time is its own, without that of parts it calls.
"""

import io
import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.base.home import Home
from engine.bench.options import Options
from engine.bench.subject import waiter
from engine.config.profile import Profile
from engine.config.store import build_profile
from engine.jobs.context import Work
from engine.jobs.files import new_job_folder, read_spec
from engine.runs.record import create_run
from engine.training.loop import Trainer
from engine.training.scoring import ChunkScorer
from engine.training.session import open_session

CELEBA_TRAIN = 162_770
WARM_UP_STEPS = 3
EACH_STEP = ("network", "data", "optimizer", "average", "progress", "metrics", "rest")
NETWORK = "network"


class Ledger:
    """Own time of named parts, by the wall clock. Parts may call each other; a part's time is then without theirs."""

    def __init__(
        self, wait: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._wait, self._clock = wait, clock
        self._inside: list[float] = []

    def watch(self, owner: object, method: str, part: str) -> None:
        """Count the time of `owner.method` as `part` from now on."""
        inner = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._wait()
            started = self._clock()
            self._inside.append(0.0)
            try:
                return inner(*args, **kwargs)
            finally:
                self._wait()
                took = self._clock() - started
                own = took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took
                self.seconds[part] = self.seconds.get(part, 0.0) + own
                self.calls[part] = self.calls.get(part, 0) + 1

        setattr(owner, method, timed)

    def clear(self) -> None:
        self.seconds.clear()
        self.calls.clear()


def measure_epoch(
    work: Work, scratch: Path, name: str, profile: Profile, device: str, options: Options
) -> dict[str, Any]:
    """Train one epoch of `profile` on built-in faces below `scratch` and return the time of each part."""
    run_profile = _on_faces(profile, steps=8 if options.quick else 40, scores=not options.quick)
    home = Home(scratch / "epoch").create()
    create_run(home, "bench", run_profile)
    folder = new_job_folder(home, "train", "bench", {"to_epoch": 1}, device)
    inside = Work(home, folder, read_spec(folder), stream=io.StringIO())
    work.report("packing", text="bench: drawing faces for an epoch")
    session = open_session(inside, home.run("bench"))
    trainer = Trainer(inside, session)
    # So short a job would have no time for the scores that a long one has.
    trainer.scorer = ChunkScorer(inside, session, share=math.inf)
    ledger = Ledger(waiter(session.device))
    for owner, method, part in (
        (session.feeder, "batch", "data"),
        (trainer.stepper, "_gradients", NETWORK),
        (session.state.optimizer, "step", "optimizer"),
        (session.state.ema, "update", "average"),
        (trainer, "_report", "progress"),
        (trainer, "_log", "metrics"),
        (trainer, "_preview", "preview"),
        (trainer, "_save", "checkpoint"),
        (trainer.validator, "score", "validation"),
        (trainer.scorer, "score", "scores"),
    ):
        if owner is not None:
            ledger.watch(owner, method, part)
    one_step, started, steps = trainer._one_step, 0.0, 0

    def counted() -> None:
        nonlocal started, steps
        if work.stopping:
            inside.stop(work.stopping)
        one_step()
        steps += 1
        work.report("training", steps, session.feeder.steps_per_epoch, text="bench: an epoch")
        if steps == WARM_UP_STEPS:
            ledger.clear()
            started = time.perf_counter()

    setattr(trainer, "_one_step", counted)  # noqa: B010 - on purpose, and mypy forbids the plain form
    trainer.train(1)
    work.raise_if_stopping()
    total = time.perf_counter() - started
    found = shares(
        ledger.seconds,
        total,
        steps - WARM_UP_STEPS,
        run_profile.training.batch_size,
        run_profile.training.checkpoint_minutes * 60,
        profile.training.chunk_epochs,
        _scored(run_profile, trainer),
    )
    return {"profile": name, "precision": session.plan.precision, **found}


def shares(
    seconds: dict[str, float],
    total: float,
    steps: int,
    batch: int,
    checkpoint_every: float,
    chunk_epochs: int = 1,
    validation_factor: float = 1.0,
) -> dict[str, Any]:
    """Convert the ledger of `steps` steps to shares of a CelebA epoch.

    seconds: own time by part · total: of everything · checkpoint_every: seconds between rolling checkpoints ·
    chunk_epochs: epochs between scores · validation_factor: how many times more pictures the profile scores than
    were scored here.
    """
    once = {part: seconds.get(part, 0.0) for part in ("validation", "preview", "checkpoint", "scores")}
    known = {part: seconds.get(part, 0.0) for part in EACH_STEP if part != "rest"}
    known["rest"] = max(0.0, total - sum(known.values()) - sum(once.values()))
    each = {part: value / steps for part, value in known.items()}
    epoch_steps = CELEBA_TRAIN // batch
    parts = {part: value * epoch_steps for part, value in each.items()}
    once["validation"] *= validation_factor
    stepping = sum(parts.values())
    parts |= once
    parts["scores"] /= chunk_epochs
    parts["checkpoint"] *= max(1.0, stepping / checkpoint_every)
    whole = sum(parts.values())
    return {
        "steps": steps,
        "batch": batch,
        "ms_per_step": {part: 1000 * value for part, value in each.items()},
        "seconds_each": dict(once.items()),
        "epoch_pictures": CELEBA_TRAIN,
        "epoch_seconds": whole,
        "shares": {part: value / whole for part, value in parts.items()},
        "network_share": parts[NETWORK] / whole,
        "data_against_step": each["data"] / sum(each.values()),
        "images_per_s": batch / sum(each.values()),
        "bare_images_per_s": batch / each[NETWORK] if each[NETWORK] else None,
    }


def _on_faces(profile: Profile, steps: int, scores: bool) -> Profile:
    """Return the profile on enough built-in faces for `steps` steps; about one in ten is held out."""
    data = profile.to_dict()
    needed = (steps + WARM_UP_STEPS) * profile.training.batch_size
    data["data"] |= {"dataset": "faces", "limit": int(needed / 0.85) + 64}
    data["training"] |= {"compile": "off"}
    if not scores:
        data["training"]["scores"] = 0
    if profile.training.preview_every:
        data["training"]["preview_every"] = 1
    return build_profile(data, "the profile")


def _scored(profile: Profile, trainer: Trainer) -> float:
    with suppress(AttributeError, ZeroDivisionError):
        assert trainer.validator is not None
        scored = len(trainer.validator._loss_x) + len(trainer.validator._band_x)
        return profile.training.validation_pictures / scored
    return 1.0
