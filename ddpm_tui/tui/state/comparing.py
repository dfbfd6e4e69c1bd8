"""The data of the compare screen: settings that differ, figures, scores, pictures. Runs in threads.

Reads run folders; knows no widgets. Imported after the first paint.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddpm_tui.tui.state import scores
from ddpm_tui.tui.state.curves import RunCurves
from ddpm_tui.tui.state.studies import gather, within
from ddpm_tui.words import number
from engine.base.errors import DamagedError
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.runs.sample_record import read_sample


@dataclass(frozen=True)
class Compared:
    """A run, or one of its checkpoints."""

    run: str
    step: int | None = None

    @property
    def name(self) -> str:
        return self.run if self.step is None else f"{self.run}@{self.step}"

    @classmethod
    def parse(cls, text: str) -> "Compared":
        """Parse "run" or "run@1200"."""
        run, _, step = text.partition("@")
        return cls(run, int(step) if step.isdecimal() else None)


def titles(subjects: Sequence[Compared]) -> list[str]:
    """Return names as short as tells them apart: of one run, the steps alone; of one study, without its name."""
    if (
        len(subjects) > 1
        and len({s.run for s in subjects}) == 1
        and all(s.step is not None for s in subjects)
    ):
        return [f"@{s.step}" for s in subjects]
    studies = {g.study for g in gather(list(dict.fromkeys(s.run for s in subjects)))}
    study = studies.pop() if len(studies) == 1 else ""
    return [within(study, s.name) for s in subjects]


@dataclass(frozen=True)
class Cell:
    """One figure in words, longest first: the first that has room is shown. best: of its row."""

    forms: tuple[str, ...]
    best: bool = False


@dataclass(frozen=True)
class Line:
    """label: the subject of the cells, one cell a compared subject · apart: they were taken in different ways."""

    label: str
    cells: tuple[Cell, ...]
    apart: bool = False


NOTHING = Cell(("–",))


@dataclass(frozen=True)
class ComparisonTable:
    """note: the text if there are no rows · terms: the conditions the figures depend on · differing: those in which
    the subjects differ · problems: the unreadable parts."""

    rows: tuple[Line, ...] = ()
    note: str = ""
    terms: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def settings(home: Home, subjects: Sequence[Compared]) -> ComparisonTable:
    """Return every setting in which the runs differ, one column a subject. Raises DdpmError for a run that cannot be
    read."""
    from engine.config.store import diff_profiles, value_text
    from engine.runs.record import load_run

    profiles = [load_run(home, subject.run).profile for subject in subjects]
    keys: dict[str, list[str]] = {}
    for place, profile in enumerate(profiles[1:], 1):
        for key, left, right in diff_profiles(profiles[0], profile):
            row = keys.setdefault(key, [value_text(left, "–")] * len(profiles))
            row[place] = value_text(right, "–")
    rows = tuple(Line(key, tuple(Cell((v,)) for v in values)) for key, values in sorted(keys.items()))
    if len(subjects) < 2:
        return ComparisonTable(note="add two runs to compare their profiles")
    return ComparisonTable(rows, "" if rows else "their profiles are the same")


def figures(home: Home, subjects: Sequence[Compared], curves: Mapping[str, RunCurves]) -> ComparisonTable:
    """Return figures of each subject (the whole run's best, or the checkpoint's own), then the scores that were
    measured: of a run, those of its checkpoint that was scored last."""
    columns = [_figures(subject, curves.get(subject.run)) for subject in subjects]
    labels = list(dict.fromkeys(label for column in columns for label in column))
    rows = [Line(label, tuple(column.get(label, NOTHING) for column in columns)) for label in labels]
    found = [scores.newest_scores(home.run(subject.run), subject.step) for subject in subjects]
    names = list(dict.fromkeys(name for each in found for name in each.by_name))
    if names and any(s.step is None for s in subjects):
        steps = tuple(NOTHING if each.step is None else Cell((f"{each.step:,}",)) for each in found)
        rows.append(Line("scored at step", steps))
    for name in names:
        taken = [each.by_name.get(name) for each in found]
        first = next(score for score in taken if score is not None)
        top = scores.best(taken)
        cells = tuple(
            NOTHING if score is None else Cell(scores.figures(score), place in top)
            for place, score in enumerate(taken)
        )
        apart = not scores.alike(taken)
        sign = "≠" if apart else "↓" if first.direction == "lower" else "↑"
        rows.append(Line(f"{sign} {scores.words(name)}", cells, apart))
    terms, differing = scores.terms_of(names, [each.by_name for each in found], titles(subjects))
    problems = tuple(problem for each in found for problem in each.problems)
    note = "" if rows else "nothing has been measured yet"
    return ComparisonTable(tuple(rows), note, tuple(terms), tuple(differing), problems)


def _figures(subject: Compared, curves: RunCurves | None) -> dict[str, Cell]:
    if curves is None or not curves.points:
        return {}
    epochs, train = curves.epochs, curves.train
    upto, at = slice(None), len(train["epoch"]) - 1
    if subject.step is not None:
        upto = slice(0, int(np.searchsorted(epochs["step"], subject.step, "right")))
        at = max(0, int(np.searchsorted(train["step"], subject.step, "right")) - 1)
    images = float(train["images"][at])
    come = float(train["epoch"][at])
    ended = epochs.get("epoch", np.empty(0))[upto]
    if len(ended):
        come = max(come, float(ended[-1]))
        images = max(images, float(epochs["images"][upto][-1]))
    found = {
        "epochs": Cell((number(come),)),
        "pictures seen": Cell(
            (f"{images:,.0f}", f"{images / 1e6:.1f}M" if images >= 1e6 else f"{images:.0f}")
        ),
    }
    for label, column in (("held-out loss", "val_loss"), ("eps error", "eps_error")):
        values = epochs.get(column, np.empty(0))[upto]
        if np.isfinite(values).any():
            best = int(np.nanargmin(values))
            value = number(float(values[best]))
            if subject.step is None:
                epoch = f"{epochs['epoch'][best]:g}"
                found[f"best {label}"] = Cell((f"{value} (epoch {epoch})", f"{value} e{epoch}", value))
            elif math.isfinite(values[-1]):
                found[label] = Cell((number(float(values[-1])),))
    speed = train.get("images_per_s", np.empty(0))
    if np.isfinite(speed).any():
        found["images/s"] = Cell((number(float(np.nanmedian(speed))),))
    return found


@dataclass(frozen=True, eq=False)
class ShownSamples:
    """The first pictures of a sample set, uint8 (n, H, W, 3), and how it was drawn."""

    pictures: NDArray[np.uint8]
    how: str
    """Sets with the same words started from the same noise."""
    step: int


def sample_sets(run: RunFolder, step: int | None, most: int = 16) -> list[ShownSamples]:
    """Return the sample sets of a run (of one checkpoint, if given), newest first; damaged ones are left out."""
    try:
        folders = sorted(run.samples.iterdir(), reverse=True)
    except OSError:
        return []
    found = []
    for path in folders:
        folder = run.sample(path.name)
        try:
            record = read_sample(folder)
            if step is not None and record.get("checkpoint") != step:
                continue
            pictures = np.load(folder.pictures, mmap_mode="r")[:most].copy()
            how = f"seed {record.get('seed')}, {record.get('sampler')} {record.get('steps')} steps"
            found.append(ShownSamples(pictures, how, int(record["checkpoint"])))
        except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, DamagedError):
            continue
    return found


def alike(sets: Sequence[Sequence[ShownSamples]]) -> list[ShownSamples | None]:
    """Return one set a subject, all drawn in the same way if there is such a way for most of them; else the newest."""
    ways = [how for group in sets for how in dict.fromkeys(s.how for s in group)]
    best = max(dict.fromkeys(ways), key=ways.count, default="")
    return [next((s for s in group if s.how == best), group[0] if group else None) for group in sets]


def sheet(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stack pictures (n, H, W, 3) one below the other."""
    return np.ascontiguousarray(pictures).reshape(-1, *pictures.shape[2:])


def preview_of(curves: RunCurves, step: int | None) -> tuple[int, Path] | None:
    """Return the preview at a step, else the last before it; the newest if no step is given."""
    if not curves.previews:
        return None
    at = len(curves.previews) - 1
    if step is not None:
        at = max(0, int(np.searchsorted(np.array(curves.previews), step, "right")) - 1)
    return curves.previews[at], Path(curves.preview_paths[at])
