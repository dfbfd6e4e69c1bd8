"""Scoring a loaded network: each measure is taken, and each figure gets its terms.

Usable without a job. Knows no run folder and no queue; storing the scores is the caller's business.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.base.errors import DdpmError, DiskFullError, UserError
from engine.base.named import load, pick
from engine.data.packed import Packed
from engine.device.out_of_memory import is_out_of_memory
from engine.evaluation.distances import Report
from engine.evaluation.kept import KeptEvaluation
from engine.evaluation.measuring import NOISE_SEED, Figure, Measuring, Wanted
from engine.jobs.context import Stopped
from engine.runs.evaluations import Score
from engine.runs.measures import FEATURE_MEASURES, MEASURES
from engine.sampling.drawing import NotFiniteError
from engine.sampling.load import Loaded


@dataclass
class Scored:
    """Scores by name, and uint8 (H, W, 3) of the closest pairs if memorisation was asked for. missed: why a measure
    could not be taken, by its name."""

    scores: dict[str, Score] = field(default_factory=dict)
    missed: dict[str, DdpmError] = field(default_factory=dict)
    pairs: NDArray[np.uint8] | None = None


def score(
    loaded: Loaded,
    packed: Packed,
    wanted: Wanted,
    report: Report = lambda measure, done, total, unit: None,
    scored: Callable[[Score], None] = lambda score: None,
    kept: KeptEvaluation | None = None,
    missed: Callable[[str, DdpmError], None] = lambda measure, error: None,
) -> Scored:
    """Take the measures; `scored` is called with each figure as it comes. Figures in `kept` are not made again, and
    new ones go into it. One that cannot be had does not stop the others; `missed` is called with it: fewer than two
    pictures, weights or an extractor that do not fit, no memory for it, numbers that are not finite.

    Raises UserError for fewer than 2 samples, and with the first measure's reason if none could be taken.
    """
    return _Scoring(loaded, packed, wanted, report, scored, kept or KeptEvaluation(packed.size), missed).run()


class _Scoring:
    """One evaluation under way."""

    def __init__(
        self,
        loaded: Loaded,
        packed: Packed,
        wanted: Wanted,
        report: Report,
        scored: Callable[[Score], None],
        kept: KeptEvaluation,
        missed: Callable[[str, DdpmError], None],
    ) -> None:
        self.wanted, self.scored, self.kept, self.missed = wanted, scored, kept, missed
        self.measuring = Measuring(loaded, packed, wanted, report, kept)
        self.found = Scored(pairs=kept.pairs)

    def run(self) -> Scored:
        # Missing parts are found before an hour is spent on the rest.
        featured = [measure for measure in self.wanted.measures if measure in FEATURE_MEASURES]
        if featured and (error := self._kept_from(self.measuring.extractor)):
            for measure in featured:
                self._miss(measure, error)
        for measure in self.wanted.measures:
            if (had := self.kept.scores.get(measure)) is not None:
                self.found.scores[had.name] = had
            elif measure not in self.found.missed and (error := self._kept_from(lambda: self._take(measure))):  # noqa: B023
                self._miss(measure, error)
        if not self.found.scores:
            raise next(iter(self.found.missed.values()))
        return self.found

    def _take(self, measure: str) -> None:
        take: Callable[[Measuring], Figure] = load(pick(MEASURES, "measure", measure).take)
        self.measuring.start()
        self.measuring.report(measure, 0, 0, "pictures")
        self._keep(measure, take(self.measuring))

    def _miss(self, measure: str, error: DdpmError) -> None:
        self.found.missed[measure] = error
        self.missed(measure, error)

    @staticmethod
    def _kept_from(work: Callable[[], object]) -> DdpmError | None:
        """Do `work`; return why it could not be done, None if it was done. A stop and a full disk end all of it."""
        try:
            work()
        except (Stopped, DiskFullError):
            raise
        except DdpmError as error:
            return error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return UserError("out of memory", "use a smaller --batch, which does not change the scores")
        return None

    def _keep(self, measure: str, figure: Figure) -> None:
        name = figure.name or measure
        # A clipped estimate would hide an infinity of the network's.
        if not np.isfinite(figure.interval.value) or not self.measuring.finite:
            raise NotFiniteError(f"{name} is not finite")
        if figure.pairs is not None:
            self.found.pairs = figure.pairs
        line, settings, detail = MEASURES[measure], self.wanted.settings, dict(figure.detail)
        if line.sampled:
            detail |= {"eta": settings.eta, "variance": settings.variance, "clip": settings.clip}
            detail |= settings.terms
            detail["drawing_seconds"] = round(self.kept.seconds, 3)
        packed, interval = self.measuring.packed, figure.interval
        made = Score(
            name, float(interval.value), _known(interval.low), _known(interval.high), figure.n, line.better,
            figure.unit, figure.extractor, packed.manifest.recipe, packed.size,
            settings.sampler if line.sampled else None,
            settings.steps if line.sampled else None,
            settings.spacing if line.sampled else None,
            settings.seed if line.sampled else NOISE_SEED,
            settings.weights, figure.reference, round(self.measuring.seconds, 3), detail,
        )  # fmt: skip
        self.found.scores[name] = made
        self.kept.add_score(measure, made, self.found.pairs)
        self.scored(made)


def _known(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
