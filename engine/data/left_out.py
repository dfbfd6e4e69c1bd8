"""Files in a data set that are not used, counted by kind.

A kind is a file extension (".heic") or a plural ("dead links", "masks"). Does not access files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Kind:
    """One kind of unused files."""

    label: str
    """as it is shown: ".heic", "dead links\""""
    count: int
    example: str
    """the name of the first one"""


@dataclass
class LeftOut:
    """Counts by kind, with the name of the first of each. Iterates from the largest count to the smallest."""

    _kinds: dict[str, Kind] = field(default_factory=dict)

    def add(self, label: str, example: str, count: int = 1) -> None:
        """Count `count` more things of a kind."""
        before = self._kinds.get(label)
        if before is None:
            self._kinds[label] = Kind(label, count, example)
        else:
            self._kinds[label] = Kind(label, before.count + count, before.example)

    def merge(self, other: "LeftOut") -> None:
        """Add the counts of `other`."""
        for kind in other:
            self.add(kind.label, kind.example, kind.count)

    def __iter__(self) -> Iterator[Kind]:
        return iter(sorted(self._kinds.values(), key=lambda kind: (-kind.count, kind.label)))

    def __bool__(self) -> bool:
        return bool(self._kinds)

    @property
    def total(self) -> int:
        return sum(kind.count for kind in self._kinds.values())

    def in_words(self, most: int = 8) -> str:
        """Return for example ".heic 40, dead links 40, masks 12"; kinds beyond `most` are combined as "others"."""
        kinds = list(self)
        shown = kinds if len(kinds) <= most else kinds[: most - 1]
        parts = [f"{kind.label} {kind.count:,}" for kind in shown]
        if rest := sum(kind.count for kind in kinds[len(shown) :]):
            parts.append(f"others {rest:,}")
        return ", ".join(parts)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Return label → {"count", "example"}, for a record file."""
        return {kind.label: {"count": kind.count, "example": kind.example} for kind in self}

    @classmethod
    def from_json(cls, content: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return the inverse of `to_json`."""
        found = cls()
        for label, facts in content.items():
            found.add(label, str(facts["example"]), int(facts["count"]))
        return found
