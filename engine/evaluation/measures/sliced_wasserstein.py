"""Sliced Wasserstein distance of patches of samples from those of pictures."""

from engine.evaluation import wasserstein
from engine.evaluation.measuring import NOISE_SEED, Figure, Measuring, first_last
from engine.evaluation.reference import choose

SLICED_PICTURES = 2048
"""Patches of more pictures than this would not fit in a small machine's memory."""


def take(of: Measuring) -> Figure:
    """Take the sliced Wasserstein distance. detail: levels of the pyramid."""
    samples = first_last(of.drawn())[:SLICED_PICTURES]
    chosen = choose(of.packed, of.wanted.reference, len(samples))
    found = wasserstein.sliced_wasserstein(
        samples, chosen.pictures, seed=NOISE_SEED,
        on_part=lambda done, total: of.report("sliced_wasserstein", done, total, "parts"),
    )  # fmt: skip
    return Figure(found.mean, len(samples), chosen.reference, "×10⁻³", {"levels": found.levels})
