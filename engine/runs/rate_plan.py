"""The learning rate as a pure function of the step: a run's plan, and the segments added after its end.

Training, forms and commands all use this module. A resumed run needs no scheduler state. Never imports torch.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from engine.config.profile import Profile
from engine.config.sections import IDLE_RATE, OptimSection
from engine.runs.timeline import Timeline

WARM_UP_SHARE = 10
"""The largest share of warm-up in a segment, whose optimizer has its moments already."""


@dataclass(frozen=True)
class Segment:
    """Training past the end of a plan: the rate rises to `peak` and falls along half a cosine to `final`.

    start, epochs: its beginning and length, in epochs of the run.
    """

    start: float
    epochs: float
    peak: float
    final: float

    @property
    def end(self) -> float:
        return self.start + self.epochs

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, given: Any) -> Self:
        """Return the segment from to_json's output. Raises ValueError for anything else."""
        names = ("start", "epochs", "peak", "final")
        if not isinstance(given, dict) or set(given) != set(names):
            raise ValueError(f"{given!r} is no segment of a learning-rate plan")
        values = [given[name] for name in names]
        if not all(type(v) in (int, float) and 0 <= v < float("inf") for v in values) or not given["epochs"]:
            raise ValueError(f"{given!r} is no segment of a learning-rate plan")
        return cls(*map(float, values))


@dataclass(frozen=True)
class RatePlan:
    """The plan of a run. horizon: epochs after which the cosine reaches `final_lr` · planned: epochs of the plan,
    within which nothing is added.
    """

    optim: OptimSection
    horizon: int
    planned: int
    segments: tuple[Segment, ...] = ()

    @classmethod
    def of(cls, profile: Profile, horizon: int, segments: Iterable[Segment] = ()) -> Self:
        """Return the plan of a run with a frozen horizon."""
        return cls(profile.optim, horizon, max(horizon, profile.training.epochs), tuple(segments))

    @classmethod
    def new(cls, profile: Profile, to_epoch: int) -> Self:
        """Return the plan of a new run: it ends at the first target, if that is beyond the profile's epochs."""
        return cls.of(profile, profile.optim.horizon_epochs or max(profile.training.epochs, to_epoch))

    def of_branch(self, profile: Profile) -> Self:
        """Return the plan of a branch with `profile`: the rest of a segment uses the branch's own rates."""
        ends = (max(profile.optim.lr, profile.optim.final_lr), profile.optim.final_lr)
        same = (profile.optim.lr, profile.optim.final_lr) == (self.optim.lr, self.optim.final_lr)
        own = (s if same else replace(s, peak=ends[0], final=ends[1]) for s in self.segments)
        return self.of(profile, self.horizon, own if profile.optim.schedule == self.optim.schedule else ())

    @property
    def end(self) -> float:
        """Return the epochs up to which there is a plan; infinite for a schedule without an end."""
        if self.optim.schedule != "cosine":
            return math.inf
        return max(self.planned, self.segments[-1].end if self.segments else 0.0)

    @property
    def last_epoch(self) -> int:
        """Return the last epoch of the plan and its segments."""
        return max(self.planned, *(math.ceil(segment.end) for segment in self.segments), 0)

    def reaching(self, to_epoch: int, here: float) -> Self:
        """Return the plan with the segment that training from `here` to `to_epoch`, both in epochs, needs.

        A segment whose first step is not done is planned again, so that the last request counts.
        """
        begun = replace(self, segments=tuple(s for s in self.segments if s.start < here))
        start = max(begun.end, here)
        if to_epoch <= start:
            return begun
        final = self.optim.final_lr
        added = Segment(start, to_epoch - start, max(self.optim.lr, final), final)
        return replace(begun, segments=(*begun.segments, added))

    def rate(self, step: int, timeline: Timeline) -> float:
        """Return the rate of optimizer step `step` (from 0)."""
        place, per_epoch, optim = timeline.place(step), timeline.steps_per_epoch, self.optim
        rate = optim.lr
        if optim.schedule == "step":
            epoch = place // per_epoch + 1
            rate = next((s.lr for s in reversed(optim.lr_steps) if epoch >= s.epoch), optim.lr)
        elif optim.schedule == "cosine":
            for segment in reversed(self.segments):
                first = round(segment.start * per_epoch)
                if place >= first:
                    return self._in_segment(segment, place - first, round(segment.end * per_epoch) - first)
            warm = timeline.place_of_any(optim.warmup_steps)
            rate = _cosine(optim.lr, optim.final_lr, place - warm, self.horizon * per_epoch - warm)
        if step < optim.warmup_steps:
            rate *= (step + 1) / optim.warmup_steps
        return rate

    def _in_segment(self, segment: Segment, done: int, steps: int) -> float:
        """Return the rate after `done` steps of a segment."""
        warm_up = min(self.optim.warmup_steps, steps // WARM_UP_SHARE)
        rate = _cosine(segment.peak, segment.final, done - warm_up, steps - warm_up)
        return rate * (done + 1) / warm_up if done < warm_up else rate

    def idle(self, here: float, to_epoch: float) -> list[tuple[float, float, float]]:
        """The stretches between two epochs whose rates change practically no weight, as (first epoch, last epoch,
        rate). The lowest part of a falling rate is none of them."""
        found: list[tuple[float, float, float]] = []
        for first, last, rate in self._stretches():
            first, last = max(here, first), min(to_epoch, last)
            if first < last and rate < IDLE_RATE:
                joins = bool(found) and found[-1][1:] == (first, rate)
                found.append((found.pop()[0] if joins else first, last, rate))
        return found

    def _stretches(self) -> list[tuple[float, float, float]]:
        """Yield (first epoch, last epoch, highest rate) of each part of the plan, in order."""
        optim = self.optim
        if optim.schedule == "step":
            starts = [0, *(step.epoch - 1 for step in optim.lr_steps), math.inf]
            rates = [optim.lr, *(step.lr for step in optim.lr_steps)]
            return list(zip(starts, starts[1:], rates, strict=False))
        if optim.schedule == "constant":
            return [(0, math.inf, optim.lr)]
        found: list[tuple[float, float, float]] = [(0, self.horizon, max(optim.lr, optim.final_lr))]
        for segment in self.segments:
            found.append((found[-1][1], segment.start, optim.final_lr))
            found.append((segment.start, segment.end, max(segment.peak, segment.final)))
        return [*found, (found[-1][1], math.inf, optim.final_lr)]

    def says(self, here: float, to_epoch: int) -> list[str]:
        """Return notes on the rate before training from `here` to `to_epoch`; none for a new run with its profile's
        plan.
        """
        found = []
        for segment in self.segments:
            if here <= segment.start < to_epoch:
                found.append(
                    f"past the end of its plan (epoch {_count(segment.start)}) the learning rate begins anew: up to "
                    f"{segment.peak:g}, down to {segment.final:g} at epoch {_count(segment.end)}"
                )
        for first, last, rate in self.idle(here, to_epoch):
            why = "optim.lr_steps sets it so" if self.optim.schedule == "step" else "optim.lr is set so low"
            if self.optim.schedule == "cosine" and first >= self.horizon:
                why = f"optim.horizon_epochs ends before that, and optim.final_lr is {rate:g}"
            found.append(
                f"warning: from epoch {_count(first)} to {_count(last)} the learning rate is {rate:g} and no weight "
                f"changes: {why}"
            )
        return found


def _cosine(peak: float, final: float, done: float, steps: float) -> float:
    """Return half a cosine from `peak` to `final` after `done` of `steps`, and `final` afterwards."""
    share = min(1.0, max(0, done) / max(1, steps))
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * share))


def _count(epochs: float) -> str:
    return f"{round(epochs, 2):g}"
