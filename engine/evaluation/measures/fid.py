"""The Fréchet distance of Inception features."""

from engine.evaluation.distances import Distances
from engine.evaluation.measuring import Figure, Measuring, of_features


def take(of: Measuring) -> Figure:
    """Take the distance; see `engine.evaluation.distances.Distances.frechet`."""
    return of_features(of, "fid", Distances.frechet)
