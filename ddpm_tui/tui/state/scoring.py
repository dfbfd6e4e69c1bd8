"""How long scoring a checkpoint would take, from the times of drawing and scoring in the same run before. Reads run
folders, so it runs in threads; knows no widgets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ddpm_tui.words import duration
from engine.base.errors import DamagedError
from engine.base.folders import RunFolder
from engine.runs.evaluations import read_evaluations
from engine.runs.measures import SAMPLED
from engine.runs.sample_record import read_sample


@dataclass(frozen=True)
class KnownTimes:
    """drawing: seconds for one picture and one step · measuring: by measure, seconds for one picture."""

    drawing: float | None = None
    measuring: dict[str, float] = field(default_factory=dict)


def known_times(run: RunFolder) -> KnownTimes:
    """Return the times of the largest sample set, in which starting up weighs least, and of the newest score of each
    measure.

    Unreadable files are passed over."""
    drawing, most = None, 0
    try:
        folders = sorted(run.samples.iterdir(), reverse=True)
    except OSError:
        folders = []
    for path in folders:
        try:
            facts = read_sample(run.sample(path.name))
            size, seconds = int(facts["n"]) * int(facts["steps"]), float(facts["seconds"])
        except (DamagedError, ValueError, KeyError, TypeError):
            continue
        if size > most:
            drawing, most = seconds / size, size
    measuring = {}
    for evaluation in sorted(read_evaluations(run), key=lambda e: e.order):
        for name, score in evaluation.scores.items():
            measuring[name] = score.seconds / max(1, score.n)
    return KnownTimes(drawing, measuring)


def estimate(known: KnownTimes, measures: Sequence[str], n: int, steps: int) -> str:
    """Return the time in words; unknown parts are named as such."""
    draws = any(name in SAMPLED for name in measures)
    seconds = sum(known.measuring.get(name, 0.0) * n for name in measures)
    untimed = [name.replace("_", " ") for name in measures if name not in known.measuring]
    drawing = known.drawing * n * steps if draws and known.drawing is not None else None
    if draws and drawing is None:
        untimed.insert(0, "drawing")
    seconds += drawing or 0.0
    if not seconds:
        return "unknown duration: nothing was drawn or scored here yet"
    said = f"about {duration(seconds)}"
    if drawing is not None:
        said += f", drawing {duration(drawing)} of it"
    if not untimed:
        return said
    return f"{said}; not timed yet: {', '.join(untimed) if len(untimed) < 3 else f'{len(untimed)} measures'}"
