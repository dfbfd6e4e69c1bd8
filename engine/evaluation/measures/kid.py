"""The kernel distance of features."""

from engine.evaluation.distances import Distances
from engine.evaluation.measuring import Figure, Measuring, of_features


def take(of: Measuring) -> Figure:
    """Take the distance; see `engine.evaluation.distances.Distances.kid`."""
    return of_features(of, "kid", Distances.kid)
