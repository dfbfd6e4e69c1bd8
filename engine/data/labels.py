"""What is known of pictures beside their pixels: a class of each, or attributes. Needs NumPy, never torch."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from engine.base.errors import DamagedError, UserError
from engine.base.files import write_bytes
from engine.config.asked import asked_values, find_label, label_key

FORMAT: Final = 1

Kind = Literal["class", "attributes"]

UNKNOWN_CLASS: Final = -1

MOST_NAMES: Final = 4096


@dataclass(frozen=True)
class Labels:
    """Labels of N pictures. names: K of them, no two alike.

    values: int8 (N, K) of −1 absent, 0 unknown, +1 present for attributes; int32 (N,) of 0 … K−1, or −1 for unknown,
    for classes.
    """

    kind: Kind
    names: tuple[str, ...]
    values: NDArray[np.int8] | NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.int64]) -> "Labels":
        """Those of some pictures, in that order; unknown ones for a row of −1."""
        if not len(self.values):
            return unknown_labels(self.kind, self.names, len(rows))
        values = self.values[rows]
        values[rows < 0] = UNKNOWN_CLASS if self.kind == "class" else 0
        return replace(self, values=values)

    def counts(self) -> list[tuple[str, int, int, int]]:
        """(name, present, absent, unknown) of each label; a picture of another class is one where it is absent."""
        n = len(self.values)
        if self.kind == "class":
            known = int((self.values >= 0).sum())
            each = np.bincount(self.values[self.values >= 0], minlength=len(self.names))
            return [
                (name, int(c), known - int(c), n - known) for name, c in zip(self.names, each, strict=True)
            ]
        present, absent = ((self.values == sign).sum(axis=0) for sign in (1, -1))
        return [
            (name, int(p), int(a), n - int(p) - int(a))
            for name, p, a in zip(self.names, present, absent, strict=True)
        ]

    @property
    def unlabelled(self) -> int:
        """Pictures of which nothing is known."""
        if self.kind == "class":
            return int((self.values < 0).sum())
        return int((~self.values.any(axis=1)).sum())

    def digest(self) -> str:
        """Stands for kind, names and values."""
        head = json.dumps([self.kind, self.names, self.values.shape]).encode()
        return hashlib.sha256(head + np.ascontiguousarray(self.values).tobytes()).hexdigest()[:16]

    def select(self, names: Sequence[str]) -> "Labels":
        """These labels alone, in this order. Raises UsageError for one that is not there."""
        chosen = [self.names.index(find_label(name, self.names)) for name in names]
        if self.kind == "attributes":
            return Labels(self.kind, tuple(self.names[i] for i in chosen), self.values[:, chosen])
        new = np.full(len(self.names) + 1, UNKNOWN_CLASS, np.int32)  # the last is what −1 finds
        new[chosen] = np.arange(len(chosen), dtype=np.int32)
        return Labels(self.kind, tuple(self.names[i] for i in chosen), new[self.values])

    def matching(self, where: str) -> NDArray[np.bool_]:
        """(N,): which pictures are as "smiling=1,hat=-1" or "class=cat" says. Raises UsageError."""
        wanted = asked_values(where, self.kind, self.names)
        if self.kind == "class":
            return np.isin(self.values, [self.names.index(name) for name in wanted])
        found = np.ones(len(self.values), bool)
        for name, value in wanted.items():
            found &= self.values[:, self.names.index(name)] == np.sign(value)
        return found

    # Editing.

    def renamed(self, old: str, new: str) -> "Labels":
        """One label by another name. Raises UsageError if there is no such one, UserError if the name is taken."""
        before = find_label(old, self.names)
        others = [name for name in self.names if name != before]
        names = tuple(clean_name(new) if name == before else name for name in self.names)
        if label_key(new) in map(label_key, others):
            raise UserError(f"there is a label {new!r} already", "merge them, or choose another name")
        return replace(self, names=names)

    def merged(self, names: Sequence[str], into: str) -> "Labels":
        """Several labels as one, at the place of the first: present if any of them is, absent if all are."""
        first, *rest = dict.fromkeys(find_label(name, self.names) for name in names)
        if not rest:
            raise UserError(f"{', '.join(names)} is one label", "name two or more to merge")
        places = [self.names.index(name) for name in (first, *rest)]
        values = self.values.copy()
        if self.kind == "class":
            values[np.isin(values, places)] = places[0]
        else:
            both = values[:, places]
            all_absent = (both < 0).all(axis=1)
            values[:, places[0]] = np.where((both > 0).any(axis=1), 1, np.where(all_absent, -1, 0))
        kept = [name for name in self.names if name not in rest]
        made = replace(self, values=values).select(kept)
        return made if label_key(into) == label_key(first) else made.renamed(first, into)

    def without(self, names: Sequence[str]) -> "Labels":
        """All but these; pictures of a class that goes are of an unknown one. Raises UserError for all of them."""
        gone = {find_label(name, self.names) for name in names}
        kept = [name for name in self.names if name not in gone]
        if not kept:
            raise UserError(
                "no label would be left", "`ddpm-tui data labels drop NAME --all` forgets them all"
            )
        return self.select(kept)


def unknown_labels(kind: Kind, names: Sequence[str], count: int) -> Labels:
    """Of pictures of which nothing is known."""
    if kind == "class":
        return Labels(kind, tuple(names), np.full(count, UNKNOWN_CLASS, np.int32))
    return Labels(kind, tuple(names), np.zeros((count, len(names)), np.int8))


def clean_name(name: str) -> str:
    """A name without what asks for several of them. Raises UserError for one that is empty or long."""
    found = "_".join(name.replace("=", " ").replace(",", " ").split())
    if not found or len(found) > 80:
        raise UserError(f"{name[:40]!r} cannot be a label's name", "1 to 80 letters")
    return found


def check_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Clean and apart from one another. Raises UserError."""
    clean = tuple(clean_name(name) for name in names)
    seen: dict[str, str] = {}
    for name in clean:
        if (other := seen.get(label_key(name))) is not None:
            raise UserError(f"{where} names two labels alike: {other} and {name}", "rename one of them")
        seen[label_key(name)] = name
    if len(clean) > MOST_NAMES:
        raise UserError(f"{where} names {len(clean):,} labels, and at most {MOST_NAMES:,} are read")
    return clean


# On disk.


@dataclass(frozen=True)
class LabelTable:
    """Labels by the names of pictures. source: the file they came from, "folders" or "built-in" · remarks: what was
    found when it was read, one line each."""

    pictures: tuple[str, ...]
    labels: Labels
    source: str = ""
    remarks: tuple[str, ...] = ()


def write_table(path: Path, table: LabelTable) -> None:
    """Write one file, whole or not at all. `pictures` may be empty: then the order of the packed ones is meant."""
    joined = "\0".join(table.pictures).encode("utf-8", "surrogateescape")
    arrays = {
        "values": np.ascontiguousarray(table.labels.values),
        "pictures": np.frombuffer(joined or b"\0", np.uint8),
    }
    facts = {
        "format": FORMAT,
        "kind": table.labels.kind,
        "names": list(table.labels.names),
        "source": table.source,
        "remarks": list(table.remarks),
        "named": bool(table.pictures),
    }
    write_bytes(path, save(arrays, metadata={"labels": json.dumps(facts)}))


def read_table(path: Path) -> LabelTable:
    """Raises DamagedError naming the file, UserError for a newer format."""
    try:
        with safe_open(path, "numpy") as file:
            facts = json.loads((file.metadata() or {})["labels"])
        if facts["format"] > FORMAT:
            raise UserError(f"{path} was written by a newer ddpm-tui", "update ddpm-tui")
        arrays = load(path.read_bytes())
        values, kind, names = arrays["values"], facts["kind"], tuple(facts["names"])
        wanted = np.dtype(np.int32 if kind == "class" else np.int8)
        whole = values.dtype == wanted and list(values.shape[1:]) == ([] if kind == "class" else [len(names)])
        pictures = tuple(arrays["pictures"].tobytes().decode("utf-8", "surrogateescape").split("\0"))
        pictures = pictures if facts["named"] else ()
        if not whole or (pictures and len(pictures) != len(values)):
            raise ValueError("its parts do not fit together")
        return LabelTable(pictures, Labels(kind, names, values), facts["source"], tuple(facts["remarks"]))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(
            f"the labels in {path} cannot be read ({error})",
            "`ddpm-tui data add PATH --labels FILE` makes them anew",
        ) from None
