"""The pictures that samples are held against, and their features, extracted once and kept with the packed data.

Must not know which distances are taken of them.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.base.errors import DiskFullError, UserError
from engine.base.files import write_bytes
from engine.base.records import loads_json
from engine.base.text import plural
from engine.data.packed import Packed
from engine.evaluation.extractors import Extractor, OnBatch
from engine.runs.evaluations import Part, Reference

MOST = 50_000
"""Pictures of a part that features are taken of, spread evenly; FID's own habit."""


@dataclass(frozen=True)
class ReferencePictures:
    """Reference pictures, uint8 (n, 3, H, W), and their name."""

    pictures: NDArray[np.uint8]
    reference: Reference


def choose(packed: Packed, part: Part, most: int) -> ReferencePictures:
    """Return at most `most` pictures of one part, evenly spread over it. Raises UserError for fewer than 2."""
    indices = packed.held_out if part == "held_out" else packed.train
    if len(indices) < 2:
        have = f"{plural(len(indices), 'picture')} {PART_WORDS[part]}"
        raise UserError(
            f"data set {packed.manifest.dataset!r} has {have}, but scoring needs 2",
            "add pictures, or use the other --reference",
        )
    if len(indices) > most:
        indices = indices[np.linspace(0, len(indices) - 1, most).round().astype(np.int64)]
    chosen = np.ascontiguousarray(packed.pictures[indices])
    fingerprint = hashlib.sha256(packed.manifest.identity.encode() + indices.tobytes()).hexdigest()[:16]
    return ReferencePictures(chosen, Reference(packed.manifest.dataset, part, len(chosen), fingerprint))


PART_WORDS = {"held_out": "held out", "train": "to train on"}


def reference_features(
    packed: Packed,
    chosen: ReferencePictures,
    extractor: Extractor,
    on_batch: OnBatch = lambda done, total: None,
) -> NDArray[np.float32]:
    """Return float32 (n, D), in the order of `chosen`: those kept in the packed folder, else newly extracted and
    kept.

    A kept file that is damaged, or of other weights or pictures, is replaced. If the folder cannot be written to,
    the features are extracted each time.
    """
    terms = {"extractor": extractor.identity, "pictures": chosen.reference.fingerprint}
    name = hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()[:12]
    path = packed.folder.statistics / f"{extractor.name}-{chosen.reference.part}-{name}.safetensors"
    kept = cached(path, "features", terms)
    if kept is not None and len(kept) == chosen.reference.n:
        return kept
    features = extractor.features(chosen.pictures, on_batch)
    keep(path, {"features": features}, terms)
    return features


def cached(path: Path, name: str, terms: dict[str, str]) -> NDArray[np.float32] | None:
    """Return the array `name` of a kept file made on the same terms; None if there is none that can be used."""
    try:
        content = path.read_bytes()
        header = loads_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        if not isinstance(header, dict) or header.get("__metadata__") != terms:
            return None
        found: NDArray[np.float32] = load(content)[name]
        return found
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


def keep(path: Path, arrays: dict[str, np.ndarray], terms: dict[str, str]) -> None:
    """Keep arrays with the packed data; a folder that cannot be written to keeps nothing and does no harm."""
    try:
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, save(arrays, metadata=terms))
    except (OSError, DiskFullError):
        pass
