"""The share of samples that resemble pictures."""

from engine.evaluation.distances import Distances
from engine.evaluation.measuring import Figure, Measuring, of_features


def take(of: Measuring) -> Figure:
    """Take the precision; see `engine.evaluation.distances.Distances.precision`."""
    return of_features(of, "precision", Distances.precision)
