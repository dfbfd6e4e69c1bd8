"""The table of measures: one line and one file each. Must not import torch or numpy.

To add one, write a file in `engine/evaluation/measures/` with a function from a `Measuring` to a `Figure` (both in
`engine.evaluation.measuring`), and add its line to `MEASURES`. The command line, the form, studies, completion and the
docs read it from here.
"""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["lower", "higher"]
Features = Literal["none", "inception", "file", "either"]
"""Whose features a measure compares: none, Inception's, those of the user's own file, or those of either."""


@dataclass(frozen=True)
class Measure:
    """A line of the table.

    take: the function as "module:function" · words: for the form, at most 38 characters · meaning: for the docs ·
    better: "lower" or "higher" · sampled: it looks at drawn samples, and not at the network on held-out pictures ·
    extractor: whose features it compares; all but "none" need weights and a package that is not always installed.
    """

    take: str
    words: str
    meaning: str
    better: Direction = "lower"
    sampled: bool = False
    extractor: Features = "none"
    usual: bool = True
    """taken when none are named, if it needs no weights"""


MEASURES = {
    "val_loss": Measure(
        "engine.evaluation.measures.val_loss:take",
        "the run's own loss, by noise level",
        "the training loss in ten equal bands of timesteps; unweighted",
    ),
    "eps_error": Measure(
        "engine.evaluation.measures.eps_error:take",
        "comparable between runs of any loss",
        "the error in ε by log-SNR; comparable across objectives, and used by `@best`",
    ),
    "bits_per_dim": Measure(
        "engine.evaluation.measures.bits_per_dim:take",
        "a bound on the likelihood",
        "the variational bound with its parts: prior, transitions, decoder (variance `fixed_large`); of 64 pictures",
    ),
    "sliced_wasserstein": Measure(
        "engine.evaluation.measures.sliced_wasserstein:take",
        "distance from held-out pictures",
        "distance of patches on a Laplacian pyramid, ×1000; sensitive to textures and colours, not to whole faces",
        sampled=True,
    ),
    "memorisation": Measure(
        "engine.evaluation.measures.memorisation:take",
        "are they copies of training pictures?",
        "median distance to the nearest training picture, divided by the same for held-out pictures; well below 1 "
        "indicates copying",
        better="higher",
        sampled=True,
    ),
    "fid": Measure(
        "engine.evaluation.measures.fid:take",
        "distance by Inception features",
        "Fréchet distance of Inception features",
        sampled=True,
        extractor="inception",
    ),
    "frechet": Measure(
        "engine.evaluation.measures.frechet:take",
        "distance by your own extractor",
        "Fréchet distance of the features of your own extractor",
        sampled=True,
        extractor="file",
    ),
    "kid": Measure(
        "engine.evaluation.measures.kid:take",
        "like fid, unbiased for few pictures",
        "kernel distance of features; suited to few samples",
        sampled=True,
        extractor="either",
    ),
    "precision": Measure(
        "engine.evaluation.measures.precision:take",
        "how many look real",
        "share of samples that resemble pictures",
        better="higher",
        sampled=True,
        extractor="either",
    ),
    "recall": Measure(
        "engine.evaluation.measures.recall:take",
        "how much of the data they reach",
        "share of pictures that resemble samples",
        better="higher",
        sampled=True,
        extractor="either",
    ),
    "labels": Measure(
        "engine.evaluation.measures.labels:take",
        "is what is asked for drawn?",
        "balanced accuracy of a classifier, trained on the packed labels, on samples of each label; beside it the same "
        "on held-out pictures, and how much else changes with one attribute",
        better="higher",
        sampled=True,
        usual=False,
    ),
}

PLAIN_MEASURES = tuple(name for name, m in MEASURES.items() if m.extractor == "none" and m.usual)
"""What needs nothing but the run and its pictures: the measures that are taken when none are named."""

FEATURE_MEASURES = tuple(name for name, measure in MEASURES.items() if measure.extractor != "none")
"""Those that need the weights of a feature extractor."""

SAMPLED = tuple(name for name, measure in MEASURES.items() if measure.sampled)
"""Measures of drawn samples; the others look at the network on held-out pictures."""


def plain_name(score: str) -> str:
    """The measure of a score: "frechet" of "frechet[faces]", which is named after its extractor's file."""
    return score.partition("[")[0]
