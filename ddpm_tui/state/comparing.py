"""What the compare screen puts side by side: settings that differ, figures, scores, pictures. Runs in threads.

Reads run folders; knows no widgets. Imported after the first paint.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddpm_tui.state.curves import RunCurves
from ddpm_tui.words import number
from engine.home import Home, RunFolder

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """A run, or one of its checkpoints."""

    run: str
    step: int | None = None

    @property
    def name(self) -> str:
        return self.run if self.step is None else f"{self.run}@{self.step}"

    @classmethod
    def parse(cls, text: str) -> "Subject":
        """ "run" or "run@1200"."""
        run, _, step = text.partition("@")
        return cls(run, int(step) if step.isdecimal() else None)


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of each its label. note: what there is to say where there are no rows."""

    rows: tuple[Cells, ...] = ()
    note: str = ""


def settings(home: Home, subjects: Sequence[Subject]) -> Table:
    """Every setting in which the runs differ, one column a subject. Raises DdpmError for a run that cannot be read."""
    from engine.profiles_store import diff_profiles
    from engine.runs.record import load_run

    profiles = [load_run(home, subject.run).profile for subject in subjects]
    keys: dict[str, list[str]] = {}
    for place, profile in enumerate(profiles[1:], 1):
        for key, left, right in diff_profiles(profiles[0], profile):
            row = keys.setdefault(key, [_word(left)] * len(profiles))
            row[place] = _word(right)
    rows = tuple((key, *values) for key, values in sorted(keys.items()))
    if len(subjects) < 2:
        return Table(note="put two runs in to see how their profiles differ")
    return Table(rows, "" if rows else "their profiles are the same")


def _word(value: object) -> str:
    if isinstance(value, tuple | list):
        return " ".join(_word(v) for v in value) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def figures(home: Home, subjects: Sequence[Subject], curves: Mapping[str, RunCurves]) -> Table:
    """Figures of each subject (the whole run's best, or the checkpoint's own), then the scores that were measured."""
    columns = [_figures(subject, curves.get(subject.run)) for subject in subjects]
    scores = [read_scores(home.run(subject.run), subject.step) for subject in subjects]
    rows: list[Cells] = []
    for table in (columns, scores):
        labels = list(dict.fromkeys(label for column in table for label in column))
        rows += [(label, *(column.get(label, "–") for column in table)) for label in labels]
    return Table(tuple(rows), "" if rows else "nothing has been measured yet")


def _figures(subject: Subject, curves: RunCurves | None) -> dict[str, str]:
    if curves is None or not curves.points:
        return {}
    epochs, train = curves.epochs, curves.train
    found = {"epochs": number(float(train["epoch"][-1])), "pictures seen": f"{train['images'][-1]:,.0f}"}
    upto = slice(None)
    if subject.step is not None:
        upto = slice(0, int(np.searchsorted(epochs["step"], subject.step, "right")))
        at = max(0, int(np.searchsorted(train["step"], subject.step, "right")) - 1)
        found = {
            "epochs": number(float(train["epoch"][at])),
            "pictures seen": f"{train['images'][at]:,.0f}",
        }
    for label, column in (("loss on held-out", "val_loss"), ("eps error", "eps_error")):
        values = epochs.get(column, np.empty(0))[upto]
        if np.isfinite(values).any():
            best = int(np.nanargmin(values))
            if subject.step is None:
                found[f"best {label}"] = f"{number(float(values[best]))} (epoch {epochs['epoch'][best]:g})"
            elif math.isfinite(values[-1]):
                found[label] = number(float(values[-1]))
    speed = train.get("images_per_s", np.empty(0))
    if np.isfinite(speed).any():
        found["images/s"] = number(float(np.nanmedian(speed)))
    return found


def read_scores(run: RunFolder, step: int | None) -> dict[str, str]:
    """The newest score of each name with all that it depends on (of one checkpoint, if given); a file that cannot be
    read is one that says so."""
    from engine.runs.evaluations import read_evaluations

    problems: list[str] = []
    found: dict[str, str] = {}
    for evaluation in sorted(read_evaluations(run, step, problems.append), key=lambda e: (e.created, e.id)):
        where = f"@{evaluation.checkpoint}: " if step is None else ""
        found |= {name: where + score.line() for name, score in evaluation.scores.items()}
    return found | {f"a score ({number})": text for number, text in enumerate(problems, 1)}


@dataclass(frozen=True, eq=False)
class SampleSet:
    """The first pictures of a sample set, uint8 (n, H, W, 3), and how it was drawn."""

    pictures: NDArray[np.uint8]
    how: str
    """Sets with the same words started from the same noise."""
    step: int


def sample_sets(run: RunFolder, step: int | None, most: int = 16) -> list[SampleSet]:
    """The sample sets of a run (of one checkpoint, if given), newest first; damaged ones are left out."""
    try:
        folders = sorted(run.samples.iterdir(), reverse=True)
    except OSError:
        return []
    found = []
    for path in folders:
        folder = run.sample(path.name)
        try:
            record = json.loads(folder.record.read_bytes())
            if step is not None and record.get("checkpoint") != step:
                continue
            pictures = np.load(folder.pictures, mmap_mode="r")[:most].copy()
            how = f"seed {record.get('seed')}, {record.get('sampler')} {record.get('steps')} steps"
            found.append(SampleSet(pictures, how, int(record["checkpoint"])))
        except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError):
            continue
    return found


def alike(sets: Sequence[Sequence[SampleSet]]) -> list[SampleSet | None]:
    """One set a subject, all drawn in the same way where there is such a way for most of them; else the newest."""
    ways = [how for group in sets for how in dict.fromkeys(s.how for s in group)]
    best = max(dict.fromkeys(ways), key=ways.count, default="")
    return [next((s for s in group if s.how == best), group[0] if group else None) for group in sets]


def sheet(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (n, H, W, 3) one below the other."""
    return np.ascontiguousarray(pictures).reshape(-1, *pictures.shape[2:])


def preview_of(curves: RunCurves, step: int | None) -> tuple[int, Path] | None:
    """The preview at a step, else the last before it; the newest where no step is given."""
    if not curves.previews:
        return None
    at = len(curves.previews) - 1
    if step is not None:
        at = max(0, int(np.searchsorted(np.array(curves.previews), step, "right")) - 1)
    return curves.previews[at], Path(curves.preview_paths[at])
