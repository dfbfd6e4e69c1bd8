"""Time to quality: variants of a profile trained for the same time each, and judged on pictures they never saw.

They take turns of a few seconds, so that whatever else the machine does falls on all of them alike, and on a CPU the
time is CPU time, which others do not touch. The cosine decay ends with the time, however many steps a variant makes
in it.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.base.errors import UserError
from engine.base.text import plural
from engine.bench.options import Options
from engine.bench.subject import waiter
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.config.store import override_profile
from engine.data.catalog import packed_folder
from engine.data.job import pack_for
from engine.data.manifest import is_whole
from engine.data.packed import Packed, open_packed
from engine.device import plan as precision
from engine.evaluation.measuring import Wanted
from engine.evaluation.score import score
from engine.jobs.context import Work
from engine.models.build import make_schedule
from engine.runs.rate_plan import RatePlan
from engine.runs.timeline import Origin, Timeline
from engine.sampling.load import Loaded
from engine.training.batches import Feeder
from engine.training.state import TrainState, evaluating
from engine.training.step import Stepper
from engine.training.validation import Validator

TURN = 5.0
"""Seconds."""
JUDGED = 1024
"""Held-out pictures times noises of the eps error."""
SAMPLES = 256


def measure_quality(
    work: Work, facts: precision.DeviceFacts, name: str, profile: Profile, options: Options
) -> dict[str, Any]:
    """Train every variant `options.seconds` long with every seed, in turns; their errors and distances.

    Raises UserError for a variant that cannot be, and for variants of other pictures than the profile's.
    """
    data = profile.data
    folder = packed_folder(work.home, data.dataset, data.size, data.recipe, data.limit)
    if not is_whole(folder):
        folder = pack_for(work, data.dataset, data.size, data.recipe, data.limit)
    packed = open_packed(folder)
    if len(packed.held_out) < 2:
        raise UserError(
            f"data set {data.dataset!r} holds out {plural(len(packed.held_out), 'picture')}, and 2 are needed"
        )
    contenders = []
    for variant in ("", *options.variants):
        changed = override_profile(profile, variant.split()) if variant else profile
        if changed.data.model_copy(update={"flip": data.flip}) != data:
            raise UserError(f"--variant {variant!r}: all variants learn from the same pictures")
        for seed in range(options.seeds):
            contenders.append(_Contender(variant or name, changed, packed, facts, seed, options.seconds))
    _take_turns(work, contenders, options.seconds)
    return {
        "profile": name,
        "seconds_each": options.seconds,
        "seeds": options.seeds,
        "pictures": len(packed.train),
        "held_out": len(packed.held_out),
        "samples": SAMPLES,
        "rows": _rows(work, contenders),
    }


@dataclass
class _Contender:
    """One variant with one seed: its training, and the time it has had."""

    label: str
    profile: Profile
    packed: Packed
    facts: precision.DeviceFacts
    seed: int
    budget: float
    spent: float = 0.0
    parts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        training = self.profile.training.model_copy(update={"seed": self.seed})
        self.profile = self.profile.model_copy(update={"training": training})
        self.plan = replace(precision.decide(self.facts, self.profile), compile=False)
        self.device = precision.apply(self.plan)
        self.schedule = make_schedule(self.profile, self.device)
        self.state = TrainState.create(self.profile, self.plan, self.device)
        batch = training.batch_size
        self.state.micro_batches = [[0, self.profile.micro_batch or batch]]
        self.stepper = Stepper(self.state, self.schedule, self.profile, self.plan, self.state.model)
        self.feeder = Feeder(
            self.packed.pictures, self.packed.train, batch_size=batch, steps=self.profile.diffusion.steps,
            seed=self.seed, flip=self.profile.data.flip, device=self.device,
        )  # fmt: skip

    def train(self, seconds: float) -> None:
        """Train on for about so long."""
        until, wait = self.spent + seconds, waiter(self.device)
        while self.spent < min(until, self.budget):
            before = self._clock()
            self.stepper.step(self.feeder.batch(self.state.step), self._rate())
            wait()
            self.spent += self._clock() - before

    def _clock(self) -> float:
        """Return seconds; on a CPU the mean CPU time of its threads."""
        return time.process_time() / self.plan.threads if self.device.type == "cpu" else time.monotonic()

    def _rate(self) -> float:
        # As many steps in all as there will be at the pace so far.
        done = self.spent / self.budget
        steps = round(self.state.step / done) if done else self.feeder.steps_per_epoch
        whole = Timeline(Origin(), max(1, steps), self.profile.training.batch_size)
        return RatePlan(self.profile.optim, 1, 1).rate(self.state.step, whole)

    def judge(self, report: Callable[[str, int, int, str], None]) -> tuple[float | None, float]:
        """Return the eps error, and sliced Wasserstein of samples against the held-out pictures; of the averaged
        weights.

        report: see `engine.evaluation.score`; it may raise to stop.
        """
        settings = Settings.from_profile(self.profile, seed=0)
        loaded = Loaded(self.state.model, self.schedule, self.profile, self.plan, self.device)
        validator = Validator(
            self.packed.pictures, self.packed.held_out, JUDGED, self.schedule, self.profile.objective,
            self.plan, self.device,
        )  # fmt: skip
        with evaluating(self.state.model), self.state.ema.swapped_in():
            error = validator.score(self.state.model).eps_error
            wanted = Wanted(("sliced_wasserstein",), SAMPLES, settings)
            distance = score(loaded, self.packed, wanted, report).scores["sliced_wasserstein"].value
        return error, distance


def _take_turns(work: Work, contenders: Sequence[_Contender], seconds: float) -> None:
    while any(c.spent < c.budget for c in contenders):
        for contender in contenders:
            work.raise_if_stopping()
            done = sum(c.spent for c in contenders)
            work.report(
                "training", round(done), round(seconds * len(contenders)), "seconds",
                text=f"bench: quality, {contender.label}",
            )  # fmt: skip
            contender.train(TURN)


def _rows(work: Work, contenders: Sequence[_Contender]) -> list[dict[str, Any]]:
    judged: dict[str, list[tuple[_Contender, float | None, float]]] = {}

    def report(measure: str, done: int, total: int, unit: str) -> None:
        work.raise_if_stopping()
        work.report("evaluating", done, total, unit, text=f"bench: quality, {measure}")

    for contender in contenders:
        judged.setdefault(contender.label, []).append((contender, *contender.judge(report)))
    rows = []
    for label, each in judged.items():
        seen = [c.state.step * c.profile.training.batch_size for c, _, _ in each]
        errors = [error for _, error, _ in each if error is not None]
        distances = [distance for _, _, distance in each]
        rows.append(
            {
                "variant": label,
                "images": round(statistics.fmean(seen)),
                "images_per_s": sum(seen) / sum(c.spent for c, _, _ in each),
                "eps_error": statistics.fmean(errors) if errors else None,
                "eps_error_deviation": _deviation(errors),
                "sliced_wasserstein": statistics.fmean(distances),
                "sliced_wasserstein_deviation": _deviation(distances),
            }
        )
    return rows


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
