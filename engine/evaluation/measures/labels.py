"""Agreement of samples with the requested labels: a classifier's balanced accuracy on samples of each label, beside
the same on held-out pictures, and how much else changes with one attribute."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from engine.base.errors import UserError
from engine.config.asked import asked_values
from engine.data.labels import Labels
from engine.diffusion.noise import PictureNoise
from engine.diffusion.reverse import sample, to_uint8
from engine.evaluation.bootstrap import RESAMPLES, interval_of
from engine.evaluation.classifier import classifier_of, signs
from engine.evaluation.measuring import NOISE_SEED, Figure, Measuring, first_last
from engine.runs.evaluations import Reference
from engine.sampling.denoiser import asked_input, denoiser_for

MOST_DRAWN = 4
"""Samples a label for each held-out one that is wished: present and absent, each twice (asked for alone, and beside a
held-out picture's other labels)."""


def take(of: Measuring) -> Figure:
    """Return the mean over labels of the balanced accuracy on samples that were asked for. detail: of each label its
    name, its `ceiling` on held-out pictures, `asked`, and `leak`: how often the classifier's other answers differ
    between present and absent at the same seed and the same other labels, with `real`, the same between held-out
    pictures, each with 95 %.

    With labels in the settings those alone are looked at. Raises UserError for a run without labels.
    """
    labels = of.wanted.labels
    profile = of.loaded.profile
    if labels is None or profile.labels.kind == "none":
        raise UserError(
            f"the run learned no labels ({profile.data.dataset})", "train with [labels], see docs/labels.md"
        )
    wished = [
        name for text in of.wanted.settings.labels for name in asked_values(text, labels.kind, labels.names)
    ]
    names = list(dict.fromkeys(wished)) or list(labels.names)
    judge = classifier_of(
        of.packed,
        labels,
        of.loaded.device,
        lambda done, total: of.report("training a classifier", done, total, "steps"),
    )
    held_out = of.packed.held_out
    real, answers = signs(labels)[held_out], judge.tells(of.packed.pictures[held_out])
    each = max(2, of.wanted.n // (MOST_DRAWN * len(names)))
    asked = _Asked(of, labels, total=len(names) * each * (MOST_DRAWN if labels.kind == "attributes" else 2))
    found: list[dict[str, str | Spread | None]] = []
    scores: list[Spread | None] = []
    drawn = 0
    for name in names:
        place = labels.names.index(name)
        others = [at for at in range(len(labels.names)) if at != place]
        row: dict[str, str | Spread | None] = {
            "name": name,
            "ceiling": _balanced(answers[real[:, place] > 0, place], ~answers[real[:, place] < 0, place]),
        }
        with_it, without = asked.alone(place, each)
        scores.append(_balanced(judge.tells(with_it)[:, place], ~judge.tells(without)[:, place]))
        row["asked"] = scores[-1]
        drawn += 2 * each
        if labels.kind == "attributes" and others:
            pair = asked.beside(place, real, each)
            told = [judge.tells(pictures)[:, others] for pictures in pair]
            row["leak"] = _share((told[0] != told[1]).mean(1))
            row["real"] = _between(answers[:, others], real[:, place])
            drawn += 2 * each
        found.append(row)
    centre, spread = _mean(scores)
    reference = Reference(
        of.packed.manifest.dataset,
        "held_out",
        len(held_out),
        f"{of.packed.manifest.identity[:8]}{labels.digest()[:8]}",
    )
    return Figure(
        interval_of(centre, spread), drawn, reference, detail={"by_label": [_plain(row) for row in found]}
    )


class _Asked:
    """Draws samples asked to have a label, and to lack it, from the same noise."""

    def __init__(self, of: Measuring, labels: Labels, total: int) -> None:
        self.of, self.labels = of, labels
        self.done, self.total = 0, total

    def alone(self, place: int, each: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw with and without one label and no other known; without a class, the other classes are asked for."""
        name, section = self.labels.names[place], self.of.loaded.profile.labels
        if self.labels.kind == "class":
            others = [other for other in self.labels.names if other != name]
            texts = [f"class={others[index % len(others)]}" for index in range(each)]
            y = [asked_input([f"class={name}"] * each, section), asked_input(texts, section)]
        else:
            y = [asked_input([f"{name}={sign}"] * each, section) for sign in (1, -1)]
        first, second = (self._drawn(one, each) for one in y)
        return first, second

    def beside(
        self, place: int, real: NDArray[np.int8], each: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw with and without one label, beside the other labels of held-out pictures."""
        rows = real[np.linspace(0, len(real) - 1, each).round().astype(int)].astype(np.float32)
        pair = []
        for sign in (1, -1):
            rows[:, place] = sign
            pair.append(self._drawn(torch.from_numpy(rows.copy()), each))
        return pair[0], pair[1]

    def _drawn(self, y: torch.Tensor | None, each: int) -> NDArray[np.uint8]:
        """Return uint8 (each, 3, H, W) from noise 0 … each−1 of the settings' seed."""
        assert y is not None
        loaded, settings = self.of.loaded, replace(self.of.wanted.settings, labels=())
        size = loaded.profile.data.size
        parts = []
        for start in range(0, each, self.of.batch):
            indices = range(start, min(start + self.of.batch, each))
            noise = PictureNoise(settings.seed, indices, (3, size, size), loaded.device)
            told = y[start : indices.stop].to(loaded.device)

            def step_done(index: int, x_t: torch.Tensor, x_0: torch.Tensor) -> None:
                self.of.report("drawing what is asked for", self.done, self.total, "pictures")

            x = sample(
                denoiser_for(loaded.model, loaded.guide, loaded.schedule, loaded.plan, settings, told, self.of.saw),
                loaded.schedule, loaded.profile.objective.prediction, noise.initial(), noise=noise,
                sampler=settings.sampler, steps=settings.steps, spacing=settings.spacing, eta=settings.eta,
                clip=settings.clip, variance=settings.variance, on_step=step_done,
            )  # fmt: skip
            parts.append(to_uint8(x).cpu().numpy())
            self.done += len(indices)
        return first_last(np.concatenate(parts))


Spread = tuple[float, NDArray[np.float64]]
"""A figure, and what it was in resamples."""


def _balanced(right: NDArray[np.bool_], right_without: NDArray[np.bool_]) -> Spread | None:
    """Return the mean of both shares; None if one of them has no picture."""
    if not len(right) or not len(right_without):
        return None
    rng = np.random.default_rng(NOISE_SEED)
    parts = [rng.binomial(len(r), r.mean(), RESAMPLES) / len(r) for r in (right, right_without)]
    return float((right.mean() + right_without.mean()) / 2), (parts[0] + parts[1]) / 2


def _share(values: NDArray[np.float64]) -> Spread:
    rng = np.random.default_rng(NOISE_SEED)
    return float(values.mean()), values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(1)


def _between(answers: NDArray[np.bool_], sign: NDArray[np.int8]) -> Spread | None:
    """Return how often other answers differ between held-out pictures with and without a label, paired at random."""
    have, lack = answers[sign > 0], answers[sign < 0]
    if not len(have) or not len(lack):
        return None
    rng = np.random.default_rng(NOISE_SEED)
    pairs = max(len(have), len(lack))
    one, other = have[rng.integers(len(have), size=pairs)], lack[rng.integers(len(lack), size=pairs)]
    return _share((one != other).mean(1))


def _mean(spreads: list[Spread | None]) -> Spread:
    there = [spread for spread in spreads if spread is not None]
    return float(np.mean([value for value, _ in there])), np.mean([drawn for _, drawn in there], axis=0)


def _plain(row: dict[str, str | Spread | None]) -> dict[str, object]:
    """Return each figure as [value, low, high], None if it could not be had."""
    found: dict[str, object] = {}
    for key, value in row.items():
        if isinstance(value, tuple):
            interval = interval_of(value[0], value[1])
            found[key] = [interval.value, interval.low, interval.high]
        else:
            found[key] = value
    return found
