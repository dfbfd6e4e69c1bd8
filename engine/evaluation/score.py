"""Scoring a loaded network: pictures are drawn once, each measure is taken, and each figure gets its terms.

Usable without a job. Knows no run folder and no queue; what is stored where is the caller's business.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.base.errors import DdpmError, DiskFullError, UserError
from engine.config.sampling_settings import Settings
from engine.data.packed import Packed
from engine.device.out_of_memory import is_out_of_memory
from engine.device.plan import autocast
from engine.evaluation import bands, bits, memorisation, wasserstein
from engine.evaluation.bootstrap import Interval, bootstrap
from engine.evaluation.distances import Distance, Distances, Report
from engine.evaluation.extractors import Extractor, open_extractor
from engine.evaluation.kept import Kept
from engine.evaluation.reference import ReferencePictures, choose
from engine.jobs.context import Stopped
from engine.runs.evaluations import FEATURE_MEASURES, SAMPLED, Part, Reference, Score
from engine.sampling.drawing import NotFiniteError, batch_that_fits, draw
from engine.sampling.load import Loaded, free_memory

BITS_PICTURES = 64
BITS_TIMESTEPS = 250
"""The bound wants every timestep of every picture: more of either are thinned out, and said."""
PAIRS, PAIRS_SCALE = 10, 3
NOISE_SEED = 0
"""Noise on held-out pictures is always the same, so that checkpoints differ by their weights alone."""
SLICED_PICTURES = 2048
"""Patches of more pictures than this would not fit in a small machine's memory."""


@dataclass(frozen=True)
class Wanted:
    """What is to be scored. `measures` are checked names; `settings` says how samples are drawn, and which weights."""

    measures: tuple[str, ...]
    n: int
    settings: Settings
    extractor: str | None = None
    inception_weights: str | None = None
    reference: Part = "held_out"
    batch: int | None = None


@dataclass
class Scored:
    """Scores by name, and uint8 (H, W, 3) of the closest pairs where memorisation was asked for. missed: why a measure
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
    kept: Kept | None = None,
    missed: Callable[[str, DdpmError], None] = lambda measure, error: None,
) -> Scored:
    """Take the measures; `scored` hears of each figure as it is had; what is in `kept` is not made again, and what is
    made goes into it. One that cannot be had keeps none of the others from being taken; `missed` hears of it: fewer
    than two pictures, weights or an extractor that do not fit, no memory for it, numbers that are not finite.

    Raises UserError for fewer than 2 samples, and what kept the first measure from being taken where none could be.
    """
    return _Scoring(loaded, packed, wanted, report, scored, kept or Kept(packed.size), missed).run()


class _Scoring:
    """One evaluation under way: what several measures share is made once, when the first of them asks."""

    def __init__(
        self,
        loaded: Loaded,
        packed: Packed,
        wanted: Wanted,
        report: Report,
        scored: Callable[[Score], None],
        kept: Kept,
        missed: Callable[[str, DdpmError], None],
    ) -> None:
        if wanted.n < 2:
            raise UserError(f"-n {wanted.n}: scoring needs at least 2 pictures")
        self.loaded, self.packed, self.wanted = loaded, packed, wanted
        self.report, self.scored, self.kept, self.missed = report, scored, kept, missed
        self.batch = wanted.batch or batch_that_fits(loaded.profile, loaded.plan, free_memory(loaded))
        self.found = Scored(pairs=kept.pairs)
        self._samples: NDArray[np.uint8] | None = None
        self._extractor: Extractor | None = None
        self._distances: Distances | None = None
        self._finite = torch.ones((), dtype=torch.bool, device=loaded.device)
        self._clock = time.monotonic()

    def run(self) -> Scored:
        # What may be missing is found out before an hour is spent on the rest.
        featured = [measure for measure in self.wanted.measures if measure in FEATURE_MEASURES]
        if featured and (error := self._kept_from(self._open_extractor)):
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
        self._clock = time.monotonic()
        self._finite.fill_(True)
        self.report(measure, 0, 0, "pictures")
        getattr(self, f"_{measure}")()

    def _miss(self, measure: str, error: DdpmError) -> None:
        self.found.missed[measure] = error
        self.missed(measure, error)

    @staticmethod
    def _kept_from(work: Callable[[], object]) -> DdpmError | None:
        """Why `work` could not be done; None where it is done. A stop and a full disk end all of it."""
        try:
            work()
        except (Stopped, DiskFullError):
            raise
        except DdpmError as error:
            return error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return UserError("out of memory", "fewer pictures at once with --batch change no score")
        return None

    # What measures share.

    def _denoise(self, x_t: Tensor, t: Tensor) -> Tensor:
        with torch.no_grad(), autocast(self.loaded.plan):
            output: Tensor = self.loaded.model(x_t, t)
        self._finite &= torch.isfinite(output).all()
        return output.float()

    def _held_out(self, most: int) -> ReferencePictures:
        return choose(self.packed, "held_out", most)

    def _drawn(self) -> NDArray[np.uint8]:
        """The samples, uint8 (n, H, W, 3): arrays as the sampler left them, never a file read back."""
        if self._samples is None:
            before, settings, n = time.monotonic(), self.wanted.settings, self.wanted.n
            batches = [self.kept.samples]
            since = before
            for drawn in draw(
                self.loaded.model, self.loaded.schedule, self.loaded.profile, self.loaded.plan, settings, n, self.batch,
                begin=len(self.kept.samples), guide=self.loaded.guide,
                on_step=lambda done, total: self.report("drawing samples", done // settings.steps, n, "pictures"),
            ):  # fmt: skip
                batches.append(drawn.pictures)
                now = time.monotonic()
                self.kept.add_samples(drawn.pictures, now - since)
                since = now
            self._samples = np.concatenate(batches)
            # Drawing is shared, so it is nobody's own time.
            self._clock += time.monotonic() - before
        return self._samples

    def _open_extractor(self) -> Extractor:
        if self._extractor is None:
            plan = self.loaded.plan
            self.report("opening the feature extractor", 0, 0, "pictures")
            self._extractor = open_extractor(
                self.wanted.extractor, self.wanted.inception_weights, self.loaded.device, plan.threads
            )
        return self._extractor

    def _of_features(
        self,
        name: str,
        take: Callable[[Distances, str], Distance],
        direction: Literal["lower", "higher"] = "lower",
    ) -> None:
        if self._distances is None:
            self._distances = Distances(
                self._open_extractor(), self.packed, self.wanted.reference,
                lambda: _first_last(self._drawn()), self.report,
            )  # fmt: skip
        found = take(self._distances, name)
        self._keep(name, found.figure, found.n, found.reference, direction, **found.detail)

    # The measures, each a method of its name.

    def _val_loss(self) -> None:
        profile, chosen = self.loaded.profile, self._held_out(self.wanted.n)
        count = min(bands.BANDS, profile.diffusion.steps)
        found = bands.band_losses(
            self._ticking("val_loss", count * self._batches(chosen)), self.loaded.schedule,
            profile.objective.prediction, profile.objective.loss, chosen.pictures,
            bands=count, seed=NOISE_SEED, batch=self.batch, device=self.loaded.device,
        )  # fmt: skip
        self._keep(
            "val_loss", found.mean, chosen.reference.n, chosen.reference,
            unit=profile.objective.loss, prediction=profile.objective.prediction, edges=found.edges,
            bands=[[b.value, b.low, b.high] for b in found.loss],
            eps_error_bands=[[b.value, b.low, b.high] for b in found.eps_error],
        )  # fmt: skip

    def _eps_error(self) -> None:
        chosen = self._held_out(self.wanted.n)
        levels, errors = bands.eps_errors(
            lambda total: self._ticking("eps_error", total), self.loaded.schedule,
            self.loaded.profile.objective.prediction, chosen.pictures,
            seed=NOISE_SEED, batch=self.batch, device=self.loaded.device,
        )  # fmt: skip
        each = [bootstrap(row, seed=NOISE_SEED) for row in errors]
        self._keep(
            "eps_error", bootstrap(errors.mean(axis=0), seed=NOISE_SEED), chosen.reference.n, chosen.reference,
            log_snr=levels, bands=[[b.value, b.low, b.high] for b in each],
        )  # fmt: skip

    def _bits_per_dim(self) -> None:
        chosen = self._held_out(min(self.wanted.n, BITS_PICTURES))
        steps = self.loaded.schedule.steps
        stride = -(-steps // BITS_TIMESTEPS)
        found = bits.bits_per_dim(
            self._ticking("bits_per_dim", (1 + -(-(steps - 1) // stride)) * self._batches(chosen)),
            self.loaded.schedule, self.loaded.profile.objective.prediction, chosen.pictures,
            stride=stride, seed=NOISE_SEED, batch=self.batch, device=self.loaded.device,
        )  # fmt: skip
        self._keep(
            "bits_per_dim", found.total, chosen.reference.n, chosen.reference, unit="bits/dim",
            variance=found.variance, prior=found.prior, transitions=found.transitions, decoder=found.decoder,
            timesteps=len(found.timesteps), terms=found.terms,
        )  # fmt: skip

    def _sliced_wasserstein(self) -> None:
        samples = _first_last(self._drawn())[:SLICED_PICTURES]
        chosen = choose(self.packed, self.wanted.reference, len(samples))
        found = wasserstein.sliced_wasserstein(
            samples, chosen.pictures, seed=NOISE_SEED,
            on_part=lambda done, total: self.report("sliced_wasserstein", done, total, "parts"),
        )  # fmt: skip
        self._keep(
            "sliced_wasserstein",
            found.mean,
            len(samples),
            chosen.reference,
            unit="×10⁻³",
            levels=found.levels,
        )

    def _memorisation(self) -> None:
        samples = _first_last(self._drawn())
        held_out = self._held_out(self.wanted.n)
        train = _Rows(self.packed.pictures, self.packed.train, self._reading("memorisation", 2))
        known: Any = train  # reads like an array, a part at a time
        found = memorisation.memorisation(samples, known, held_out.pictures, seed=NOISE_SEED)
        train.on_read = lambda count: None
        sheet = memorisation.closest_pairs(found, samples, known, PAIRS)
        self.found.pairs = sheet.transpose(1, 2, 0).repeat(PAIRS_SCALE, 0).repeat(PAIRS_SCALE, 1)
        # Its fingerprint stands for the packed bytes and for which pictures were held out, as both decide the ratio.
        trained = Reference(self.packed.manifest.dataset, "train", len(train), held_out.reference.fingerprint)
        nearest = np.sort(found.sample_nearest)[:PAIRS]
        self._keep(
            "memorisation", found.ratio, len(samples), trained, "higher", share_closer=found.share_closer,
            held_out=held_out.reference.n, held_out_median=float(np.median(found.held_out_nearest)),
            sample_median=float(np.median(found.sample_nearest)), nearest=nearest,
        )  # fmt: skip

    def _fid(self) -> None:
        self._of_features("fid", Distances.frechet)

    def _frechet(self) -> None:
        self._of_features(self._named("frechet"), Distances.frechet)

    def _kid(self) -> None:
        self._of_features(self._named("kid"), Distances.kid)

    def _precision(self) -> None:
        self._of_features(self._named("precision"), Distances.precision, "higher")

    def _recall(self) -> None:
        self._of_features(self._named("recall"), Distances.recall, "higher")

    def _named(self, plain: str) -> str:
        """Inception's figures have the plain name, a file's are called after it."""
        return plain if self.wanted.extractor is None else f"{plain}[{self._open_extractor().name}]"

    def _batches(self, chosen: ReferencePictures) -> int:
        return -(-chosen.reference.n // self.batch)

    def _ticking(self, name: str, calls: int) -> Callable[[Tensor, Tensor], Tensor]:
        """The denoiser, which reports after each of so many calls: a long measure can be watched and stopped."""
        done = 0

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            nonlocal done
            output = self._denoise(x_t, t)
            done += 1
            self.report(name, done, calls, "parts")
            return output

        return denoise

    def _reading(self, name: str, times: int) -> Callable[[int], None]:
        total, done = times * len(self.packed.train), 0

        def read(count: int) -> None:
            nonlocal done
            done += count
            self.report(name, min(done, total), total, "pictures")

        return read

    def _keep(
        self,
        name: str,
        figure: Interval,
        n: int,
        reference: Reference,
        direction: Literal["lower", "higher"] = "lower",
        unit: str = "",
        **detail: Any,
    ) -> None:
        # A clipped estimate would hide an infinity of the network's.
        if not np.isfinite(figure.value) or not bool(self._finite):
            raise NotFiniteError(f"{name} is no finite number")
        settings = self.wanted.settings
        plain = name.partition("[")[0]
        sampled = plain in SAMPLED
        extractor = None
        if plain in FEATURE_MEASURES:
            used = self._open_extractor()
            extractor = f"{used.name} ({used.identity[:8]})"
        if sampled:
            detail |= {"eta": settings.eta, "variance": settings.variance, "clip": settings.clip}
            detail |= settings.guidance_terms
            detail["drawing_seconds"] = round(self.kept.seconds, 3)
        made = Score(
            name, float(figure.value), _known(figure.low), _known(figure.high), n, direction, unit, extractor,
            self.packed.manifest.recipe, self.packed.size,
            settings.sampler if sampled else None,
            settings.steps if sampled else None,
            settings.spacing if sampled else None,
            settings.seed if sampled else NOISE_SEED,
            settings.weights, reference, round(time.monotonic() - self._clock, 3), detail,
        )  # fmt: skip
        self.found.scores[name] = made
        self.kept.add_score(plain, made, self.found.pairs)
        self._clock = time.monotonic()
        self.scored(made)


class _Rows:
    """Chosen rows of a memory-mapped array, read when they are asked for; `on_read` hears how many."""

    def __init__(
        self, pictures: NDArray[np.uint8], rows: NDArray[np.int64], on_read: Callable[[int], None]
    ) -> None:
        self._pictures, self._rows, self.on_read = pictures, rows, on_read
        self.dtype, self.ndim, self.shape = pictures.dtype, pictures.ndim, (len(rows), *pictures.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: Any) -> NDArray[np.uint8]:
        rows = self._rows[which]
        self.on_read(int(np.size(rows)))
        found: NDArray[np.uint8] = self._pictures[rows]
        return found


def _first_last(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, H, W, 3), as samplers give them, to (N, 3, H, W), as packed data has them."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))


def _known(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
