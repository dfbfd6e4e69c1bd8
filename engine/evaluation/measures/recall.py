"""The share of pictures that resemble samples."""

from engine.evaluation.distances import Distances
from engine.evaluation.measuring import Figure, Measuring, of_features


def take(of: Measuring) -> Figure:
    """Take the recall; see `engine.evaluation.distances.Distances.recall`."""
    return of_features(of, "recall", Distances.recall)
