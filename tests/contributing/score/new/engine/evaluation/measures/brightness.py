"""How far the mean brightness of samples is from that of held-out pictures."""

from engine.evaluation.bootstrap import bootstrap
from engine.evaluation.measuring import NOISE_SEED, Figure, Measuring


def take(of: Measuring) -> Figure:
    """The distance in levels of a byte."""
    samples, chosen = of.drawn(), of.held_out(of.wanted.n)
    distances = abs(samples.mean(axis=(1, 2, 3)) - float(chosen.pictures.mean()))
    return Figure(bootstrap(distances, seed=NOISE_SEED), len(samples), chosen.reference, "levels")
