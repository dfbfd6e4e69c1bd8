"""The Fréchet distance of the features of the user's own extractor."""

from engine.evaluation.distances import Distances
from engine.evaluation.measuring import Figure, Measuring, of_features


def take(of: Measuring) -> Figure:
    """Take the distance; see `engine.evaluation.distances.Distances.frechet`."""
    return of_features(of, "frechet", Distances.frechet)
