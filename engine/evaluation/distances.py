"""Distances between the features of samples and of reference pictures, each with its interval and the sets it stands
on.

Must not know how samples are drawn, which weights drew them, or the place of scores.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.base.errors import UserError
from engine.data.packed import Packed
from engine.evaluation import frechet
from engine.evaluation.bootstrap import Interval, bootstrap
from engine.evaluation.extractors import Extractor
from engine.evaluation.reference import MOST, choose, reference_features
from engine.runs.evaluations import Part, Reference

Report = Callable[[str, int, int, str], None]
"""(measure, done, total, unit); may raise to stop."""
Rows = NDArray[np.float64]

MOST_PAIRED = 10_000
"""Features that pairwise measures look at, spread evenly: they take a product of all pairs."""
RESAMPLES = 40
KID_SUBSET = 1000
NEIGHBOURS = 3
SEED = 0


@dataclass(frozen=True)
class Distance:
    """A figure of `n` samples against `reference`."""

    figure: Interval
    n: int
    reference: Reference
    detail: dict[str, Any] = field(default_factory=dict)


class Distances:
    """The distances of one set of samples. Features are extracted once, when the first distance is asked for.

    Every method takes the name that is reported while it works, and raises UserError for fewer than 2 pictures or,
    if neighbours are counted, too few for them.
    """

    def __init__(
        self,
        extractor: Extractor,
        packed: Packed,
        part: Part,
        samples: Callable[[], NDArray[np.uint8]],
        report: Report,
    ) -> None:
        """Prepare. `samples` returns uint8 (N, 3, H, W); it is called once."""
        self.extractor, self.packed, self.part = extractor, packed, part
        self.samples, self.report = samples, report
        self._features: tuple[Rows, Rows, Reference] | None = None
        self._shares: tuple[float, float] | None = None

    def frechet(self, name: str) -> Distance:
        """Return the Fréchet distance, FID's arithmetic; the reference is taken as it is."""
        fake, real, reference = self._both()
        known = frechet.FeatureStatistics.of(real)

        def distance(rows: Rows) -> float:
            return frechet.frechet_distance(known, frechet.FeatureStatistics.of(rows))

        return Distance(self._resampled(name, fake, distance, distance(fake)), len(fake), reference)

    def kid(self, name: str) -> Distance:
        """Return the mean kernel distance of random subsets."""
        fake, real, reference = self._both()
        size = min(len(fake), len(real), KID_SUBSET)
        value = frechet.kid(fake, real, subset_size=size, seed=SEED, on_part=self._parts(name)).value
        beside = _spread(real, size)

        def distance(rows: Rows) -> float:
            return frechet.kernel_distance(rows, beside)

        shrink = (size / len(fake)) ** 0.5
        figure = self._resampled(name, _spread(fake, size), distance, value, shrink)
        return Distance(figure, len(fake), reference, {"subset": size})

    def precision(self, name: str) -> Distance:
        """Return the share of samples within the reference's neighbourhoods."""
        return self._neighbours(name, 0)

    def recall(self, name: str) -> Distance:
        """Return the share of the reference within the samples' neighbourhoods."""
        return self._neighbours(name, 1)

    def _neighbours(self, name: str, which: int) -> Distance:
        fake, real, reference = self._both()
        fake, real = _spread(fake, MOST_PAIRED), _spread(real, MOST_PAIRED)
        if self._shares is None:
            self._shares = frechet.precision_recall(real, fake, k=NEIGHBOURS, on_part=self._parts(name))
        judged = len(real if which else fake)
        inside = round(self._shares[which] * judged)
        figure = bootstrap(np.repeat([1.0, 0.0], [inside, judged - inside]), seed=SEED)
        return Distance(figure, len(fake), reference, {"neighbours": NEIGHBOURS, "compared_with": len(real)})

    def _both(self) -> tuple[Rows, Rows, Reference]:
        """Return features of the samples and of the reference, float64 (n, D) and (m, D)."""
        if self._features is None:
            extractor = self.extractor
            chosen = choose(self.packed, self.part, MOST)
            name = f"{extractor.name} features"
            fake = extractor.features(
                self.samples(), lambda done, total: self.report(name, done, total, "samples")
            )
            real = reference_features(
                self.packed, chosen, extractor,
                lambda done, total: self.report(f"{name} of the reference", done, total, "pictures"),
            )  # fmt: skip
            for whose, found in (("the samples", fake), ("the reference", real)):
                if not np.isfinite(found).all():
                    raise UserError(
                        f"the extractor {extractor.name} returns values that are not finite for {whose}",
                        "use another one",
                    )
            self._features = fake.astype(np.float64), real.astype(np.float64), chosen.reference
        return self._features

    def _parts(self, name: str) -> Callable[[int, int], None]:
        return lambda done, total: self.report(name, done, total, "parts")

    def _resampled(
        self, name: str, rows: Rows, statistic: Callable[[Rows], float], value: float, shrink: float = 1.0
    ) -> Interval:
        """Return value ± 1.96 deviations over samples drawn anew. Drawing anew moves these distances themselves (a
        repeated row makes a narrower set), so their quantiles would lie beside the value: only the spread is used.
        """
        random = np.random.default_rng(SEED)
        found = []
        for done in range(RESAMPLES):
            self.report(f"{name} interval", done, RESAMPLES, "resamples")
            found.append(statistic(rows[random.integers(len(rows), size=len(rows))]))
        spread = 1.96 * shrink * float(np.std(found, ddof=1))
        return Interval(value, value - spread, value + spread)


def _spread(rows: Rows, most: int) -> Rows:
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
