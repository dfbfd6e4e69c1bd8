"""Whether a network learned its pictures by heart: how near samples are to training pictures, beside how near
held-out pictures are to them.

A pixel distance finds copies, mirrored ones too; it does not find a face that was moved or recoloured.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.evaluation.bootstrap import Interval, bootstrap
from engine.evaluation.pictures import Pictures, check_pictures, check_same_size


@dataclass(frozen=True, eq=False)
class Memorisation:
    """How near samples are to the training pictures.

    ratio: median distance of samples to their nearest training picture, over that of held-out pictures; about 1 or
    above if nothing was copied, towards 0 if much was. share_closer: share of samples that are nearer than 99 % of
    held-out pictures; about 0.01 if nothing was copied.
    """

    sample_nearest: NDArray[np.float32]
    """(N,): pixel RMS in [0, 1] to the nearest training picture or its mirror image"""
    sample_index: NDArray[np.int64]
    """(N,): which training picture that is"""
    held_out_nearest: NDArray[np.float32]
    """(M,)"""
    ratio: Interval
    share_closer: float


def nearest(
    queries: Pictures, references: Pictures, *, mirrored: bool = True, chunk: int = 8192
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the nearest of `references` (M, 3, H, W) for each of `queries` (N, 3, H, W): pixel RMS in [0, 1], and
    which.

    The references are read `chunk` at a time, so a memory-mapped set may be far larger than memory.
    Raises UserError for empty sets or sizes that differ.
    """
    check_pictures(queries, "the set", at_least=1)
    check_pictures(references, "the reference set", at_least=1)
    check_same_size(queries, references)
    wanted = _flat(queries)
    asked = [wanted, _flat(queries[..., ::-1])] if mirrored else [wanted]
    best = torch.full((len(queries),), torch.inf)
    index = torch.zeros(len(queries), dtype=torch.int64)
    for start in range(0, len(references), chunk):
        part = _flat(references[start : start + chunk])
        power = part.square().sum(1)
        for query in asked:
            for first in range(0, len(query), 1024):
                rows = slice(first, first + 1024)
                distance = torch.addmm(power[None], query[rows], part.T, alpha=-2)
                found, where = (distance + query[rows].square().sum(1)[:, None]).min(dim=1)
                nearer = found < best[rows]
                best[rows] = torch.where(nearer, found, best[rows])
                index[rows] = torch.where(nearer, where + start, index[rows])
    values = queries[0].size
    return (best.clamp_min(0) / values).sqrt().numpy(), index.numpy()


def _flat(pictures: Pictures) -> Tensor:
    # Centred, so that little precision is lost when the squares are subtracted.
    return torch.from_numpy(np.ascontiguousarray(pictures)).flatten(1).float() / 255 - 0.5


def memorisation(samples: Pictures, train: Pictures, held_out: Pictures, *, seed: int = 0) -> Memorisation:
    """Compare samples (N, 3, H, W) with the training pictures. Raises UserError as `nearest`, or for fewer than 2."""
    check_pictures(samples, "the samples")
    check_pictures(held_out, "the held-out set")
    mine, index = nearest(samples, train)
    others, _ = nearest(held_out, train)
    usual = float(np.median(others))

    def ratio(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.median(drawn, axis=1) / max(usual, 1e-9)
        return found

    limit = float(np.quantile(others, 0.01))
    return Memorisation(mine, index, others, bootstrap(mine, ratio, seed=seed), float((mine < limit).mean()))


def closest_pairs(found: Memorisation, samples: Pictures, train: Pictures, pairs: int = 8) -> Pictures:
    """Return the samples nearest to a training picture above those pictures: uint8 (3, 2H + 2, pairs × (W + 2) − 2)."""
    chosen = np.argsort(found.sample_nearest, kind="stable")[:pairs]
    _, height, width = samples.shape[1:]
    sheet = np.full((3, 2 * height + 2, len(chosen) * (width + 2) - 2), 255, np.uint8)
    for column, sample in enumerate(chosen):
        x = column * (width + 2)
        learned = np.asarray(train[found.sample_index[sample]])
        mirror = learned[..., ::-1]
        if _difference(samples[sample], mirror) < _difference(samples[sample], learned):
            learned = mirror
        sheet[:, :height, x : x + width] = samples[sample]
        sheet[:, height + 2 :, x : x + width] = learned
    return sheet


def _difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(((a.astype(np.float64) - b) ** 2).mean())
