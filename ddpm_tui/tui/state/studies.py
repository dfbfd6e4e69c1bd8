"""Which runs belong to a study, by the names that studies give: STUDY.VARIANT.sSEED. Pure; lists fold them together."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_RUN_OF_STUDY = re.compile(r"([^.]+)\.(.+)\.s(\d+)")
_KEY = "study/"
"""Before a study's name where lists have keys of runs too; no run's name has a slash."""


@dataclass(frozen=True)
class Group:
    """Runs in the order given: those of a study, or one that is of none (study "")."""

    study: str
    runs: tuple[str, ...]

    @property
    def key(self) -> str:
        return _KEY + self.study


def is_study(key: str | None) -> bool:
    """Return whether a list's key is a study's, not a run's."""
    return key is not None and key.startswith(_KEY)


def gather(names: Sequence[str], parents: Mapping[str, str | None] | None = None) -> list[Group]:
    """Group runs of a study at the place of the first of them; a branch of one of them belongs to it too.

    A lonely run with such a name is a run like any other.
    """
    parents = parents or {}
    of = {name: _study_of(name, parents) for name in names}
    counts = {study: list(of.values()).count(study) for study in set(of.values())}
    found: dict[str, list[str]] = {}
    for name, study in of.items():
        alone = not study or counts[study] < 2
        found.setdefault(name if alone else _KEY + study, []).append(name)
    return [
        Group(key.removeprefix(_KEY) if is_study(key) else "", tuple(runs)) for key, runs in found.items()
    ]


def _study_of(name: str, parents: Mapping[str, str | None]) -> str:
    seen: set[str] = set()
    at: str | None = name
    while at is not None and at not in seen:
        seen.add(at)
        if match := _RUN_OF_STUDY.fullmatch(at):
            return match[1]
        at = parents.get(at)
    return ""


def within(study: str, name: str) -> str:
    """Return a run's name below its study's: "schedules.cosine.s0" is "cosine.s0"."""
    return name.removeprefix(f"{study}.") if study else name


def variants(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the runs of a study by variant."""
    found: dict[str, list[str]] = {}
    for name in names:
        match = _RUN_OF_STUDY.fullmatch(name)
        found.setdefault(match[2] if match else name, []).append(name)
    return found
