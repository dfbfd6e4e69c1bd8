"""Scores of checkpoints as screens show them: never a figure without its terms, and never ranked against one that
was taken in another way. Reads run folders, so it runs in threads; knows no widgets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ddpm_tui.words import number
from engine.base.folders import RunFolder
from engine.base.home import ExportPlace
from engine.runs.evaluations import USUAL, Score, read_evaluations, standing


@dataclass(frozen=True)
class Scores:
    """The standing score of each name of one checkpoint (None: there is none), and the unreadable ones."""

    step: int | None = None
    by_name: dict[str, Score] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def newest_scores(run: RunFolder, step: int | None = None) -> Scores:
    """Return the scores of a checkpoint, or of the one that was scored last; of those that training scored, of the
    newest."""
    problems: list[str] = []
    found = sorted(read_evaluations(run, step, problems.append), key=lambda e: (e.order[0], e.checkpoint))
    if not found:
        return Scores(problems=tuple(problems))
    at = found[-1].checkpoint
    return Scores(at, standing(e for e in found if e.checkpoint == at), tuple(problems))


def scores_of_set(run: RunFolder | ExportPlace, facts: Mapping[str, Any]) -> dict[str, Score]:
    """Return the newest scores of samples drawn from a sample set's checkpoint in the set's way.

    If there are none, those of samples drawn in any way, else all that the checkpoint has. facts: sample.json."""
    step = facts.get("checkpoint")
    if not isinstance(step, int):
        return {}
    ways: tuple[dict[str, Score], ...] = ({}, {}, {})
    for evaluation in sorted(read_evaluations(run, step), key=lambda e: e.order):
        for name, score in evaluation.scores.items():
            ways[2][name] = score
            if score.sampler is not None:
                ways[1][name] = score
                if all(facts.get(key, value) == value for key, value in _drawn(score).items()):
                    ways[0][name] = score
    return next((way for way in ways if way), {})


def _drawn(score: Score) -> dict[str, Any]:
    """Return the facts that both a sample set and a score of samples hold about how they were drawn."""
    own = {"sampler": score.sampler, "steps": score.steps, "spacing": score.spacing, "weights": score.weights}
    return own | {key: score.detail[key] for key in USUAL if key in score.detail}


def figures(score: Score) -> tuple[str, ...]:
    """Return a figure in words, longest first: with its interval as it is, with the larger half of it, alone. Its
    unit is among the terms."""
    value = number(score.value)
    if score.low is None or score.high is None:
        return (value,)
    half = max(score.high - score.value, score.value - score.low)
    whole = score.figure().removesuffix(f" {score.unit}")
    return (whole, f"{value} ±{number(half, 2)}", value)


def best(scores: Sequence[Score | None]) -> frozenset[int]:
    """Return the places of the best; none if fewer than two can be compared, if all are equal, or if some were taken
    in another way."""
    there = [(place, score) for place, score in enumerate(scores) if score is not None]
    there = [(place, score) for place, score in there if score.value == score.value]
    if len(there) < 2 or not alike([score for _, score in there]):
        return frozenset()
    top = there[0][1]
    for _, score in there:
        if score.better_than(top):
            top = score
    found = frozenset(place for place, score in there if score.value == top.value)
    return found if len(found) < len(there) else frozenset()


def alike(scores: Sequence[Score | None]) -> bool:
    """Return whether all differ in nothing but the weights and the seed."""
    there = [score for score in scores if score is not None]
    return all(a.comparable(b) for a, b in pairwise(there))


def terms_of(
    names: Sequence[str], columns: Sequence[dict[str, Score]], titles: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the terms that the scores of those names depend on. columns: of each subject, by name; titles: of the
    subjects.

    (lines of terms that all columns share, names with the same terms together;
    lines that say in which terms the columns differ).
    """
    shared: dict[tuple[str, ...], list[str]] = {}
    apart: list[str] = []
    for name in names:
        scores = [column.get(name) for column in columns]
        there = [score for score in scores if score is not None]
        parts = [_parts(score) for score in there]
        common = [part for part in parts[0] if all(part in other for other in parts)]
        unit = f" ({there[0].unit})" if there[0].unit else ""
        shared.setdefault(tuple(common), []).append(words(name) + unit)
        if any(len(other) != len(common) for other in parts):
            each = [
                f"{title} {', '.join(p for p in _parts(score) if p not in common) or 'nothing more'}"
                for title, score in zip(titles, scores, strict=True)
                if score is not None
            ]
            sign = "" if alike(there) else " not comparable"
            apart.append(f"{words(name)}{sign}: {'; '.join(each)}")
    everybodys = [part for part in next(iter(shared), ()) if all(part in terms for terms in shared)]
    if len(shared) < 2 or not everybodys:
        return [f"{', '.join(which)}: {', '.join(terms)}" for terms, which in shared.items()], apart
    own = [
        f"{', '.join(which)}: {', '.join(part for part in terms if part not in everybodys) or 'nothing more'}"
        for terms, which in shared.items()
    ]
    return [f"all scores: {', '.join(everybodys)}", *own], apart


def words(name: str) -> str:
    """Return a measure's name on screens."""
    return name.replace("_", " ")


def _parts(score: Score) -> list[str]:
    return score.terms().split(", ")
