"""The work that measures share while one network is scored: its samples are drawn, and its features extracted, once,
when the first of them asks. Knows no run folder and no queue.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.base.errors import UserError
from engine.config.sampling_settings import Settings
from engine.data.labels import Labels
from engine.data.packed import Packed
from engine.device.plan import autocast
from engine.evaluation.bootstrap import Interval
from engine.evaluation.distances import Distance, Distances, Report
from engine.evaluation.extractors import Extractor, open_extractor
from engine.evaluation.kept import KeptEvaluation
from engine.evaluation.reference import ReferencePictures, choose
from engine.runs.evaluations import Part, Reference
from engine.sampling.drawing import batch_that_fits, draw
from engine.sampling.load import Loaded, free_memory

NOISE_SEED = 0
"""Noise on held-out pictures is always the same, so that checkpoints differ by their weights alone."""


@dataclass(frozen=True)
class Wanted:
    """A request for scores. `measures` are checked names; `settings` says how samples are drawn, and which weights."""

    measures: tuple[str, ...]
    n: int
    settings: Settings
    extractor: str | None = None
    inception_weights: str | None = None
    reference: Part = "held_out"
    batch: int | None = None
    labels: Labels | None = None
    """of all packed pictures, those that the run is told of"""


@dataclass(frozen=True)
class Figure:
    """A measure's result.

    interval: the figure with its 95 % · n: pictures or samples looked at · detail: by band, by level, … · extractor:
    of the features, as a score names it · name: of the score, if it is not the measure's · pairs: uint8 (H, W,
    3), a picture to keep.
    """

    interval: Interval
    n: int
    reference: Reference
    unit: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    extractor: str | None = None
    name: str | None = None
    pairs: NDArray[np.uint8] | None = None


class Measuring:
    """One evaluation under way, as a measure sees it.

    loaded, packed, wanted: the network, the pictures and the request · batch: pictures at once · report: called with
    (measure, done, total, unit), and may raise to stop.
    """

    def __init__(
        self, loaded: Loaded, packed: Packed, wanted: Wanted, report: Report, kept: KeptEvaluation
    ) -> None:
        """Prepare. Raises UserError for fewer than 2 pictures."""
        if wanted.n < 2:
            raise UserError(f"-n {wanted.n}: scoring needs at least 2 pictures")
        self.loaded, self.packed, self.wanted, self.report = loaded, packed, wanted, report
        self.batch = wanted.batch or batch_that_fits(
            loaded.profile, loaded.plan, free_memory(loaded), wanted.settings.guided
        )
        self._kept = kept
        self._samples: NDArray[np.uint8] | None = None
        self._extractor: Extractor | None = None
        self._distances: Distances | None = None
        self._finite = torch.ones((), dtype=torch.bool, device=loaded.device)
        self._clock = time.monotonic()

    def start(self) -> None:
        """Begin the next measure."""
        self._finite.fill_(True)
        self._clock = time.monotonic()

    def saw(self, output: Tensor) -> None:
        """Look at the network's output: whether it is finite is asked at the end."""
        self._finite &= torch.isfinite(output).all()

    @property
    def finite(self) -> bool:
        """Return whether the network gave nothing but finite numbers since `start`."""
        return bool(self._finite)

    @property
    def seconds(self) -> float:
        """Return the seconds since `start`, without those of drawing, which measures share."""
        return time.monotonic() - self._clock

    def held_out(self, most: int) -> ReferencePictures:
        """Return at most so many held-out pictures."""
        return choose(self.packed, "held_out", most)

    def drawn(self) -> NDArray[np.uint8]:
        """Return the samples, uint8 (n, H, W, 3): arrays as the sampler left them, never a file read back."""
        if self._samples is None:
            before, settings, n = time.monotonic(), self.wanted.settings, self.wanted.n
            batches = [self._kept.samples]
            since = before
            for drawn in draw(
                self.loaded.model, self.loaded.schedule, self.loaded.profile, self.loaded.plan, settings, n, self.batch,
                begin=len(self._kept.samples), guide=self.loaded.guide,
                on_step=lambda done, total: self.report("drawing samples", done // settings.steps, n, "pictures"),
            ):  # fmt: skip
                batches.append(drawn.pictures)
                now = time.monotonic()
                self._kept.add_samples(drawn.pictures, now - since)
                since = now
            self._samples = np.concatenate(batches)
            self._clock += time.monotonic() - before
        return self._samples

    def extractor(self) -> Extractor:
        """Return the network whose features are compared. Raises UserError if it cannot be had."""
        if self._extractor is None:
            self.report("opening the feature extractor", 0, 0, "pictures")
            self._extractor = open_extractor(
                self.wanted.extractor,
                self.wanted.inception_weights,
                self.loaded.device,
                self.loaded.plan.threads,
            )
        return self._extractor

    def distances(self) -> Distances:
        """Return the distances of the samples from the chosen part of the pictures."""
        if self._distances is None:
            self._distances = Distances(
                self.extractor(), self.packed, self.wanted.reference,
                lambda: first_last(self.drawn()), self.report,
            )  # fmt: skip
        return self._distances

    def batches(self, chosen: ReferencePictures) -> int:
        """Return how many times the network is called to see each of the pictures once."""
        return -(-chosen.reference.n // self.batch)

    def ticking(self, name: str, calls: int) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the denoiser, which reports after each of so many calls: a long measure can be watched and stopped."""
        read = self.reading(name, calls, "parts")

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            with torch.no_grad(), autocast(self.loaded.plan):
                output: Tensor = self.loaded.model(x_t, t)
            self._finite &= torch.isfinite(output).all()
            output = output.float()
            read(1)
            return output

        return denoise

    def reading(self, name: str, total: int, unit: str = "pictures") -> Callable[[int], None]:
        """Return a function to call with how many more are done; it reports each time."""
        done = 0

        def read(count: int) -> None:
            nonlocal done
            done += count
            self.report(name, min(done, total), total, unit)

        return read


def of_features(of: Measuring, measure: str, take: Callable[[Distances, str], Distance]) -> Figure:
    """Return a distance of features: Inception's figures have the plain name, those of a file are called after it."""
    used = of.extractor()
    name = measure if of.wanted.extractor is None else f"{measure}[{used.name}]"
    found = take(of.distances(), name)
    return Figure(
        found.figure, found.n, found.reference, detail=found.detail,
        extractor=f"{used.name} ({used.identity[:8]})", name=name,
    )  # fmt: skip


def first_last(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert (N, H, W, 3), as samplers give them, to (N, 3, H, W), as packed data has them."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
