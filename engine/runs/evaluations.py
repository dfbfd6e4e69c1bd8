"""Scores of checkpoints on disk: each value with everything that it depends on.

evaluations/<step>-<id>.json of the run (of the home, for exported checkpoints), complete or absent. Never imports
torch; `engine.evaluation` computes the measures.
"""

import contextlib
import math
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from engine.base.errors import DamagedError, UsageError, UserError, misused, unknown
from engine.base.failpoints import reach
from engine.base.files import disk_errors, is_locked, without_nan, write_bytes, write_json
from engine.base.folders import RunFolder
from engine.base.home import ExportPlace
from engine.base.records import read_json, read_object
from engine.base.text import plural
from engine.base.typed import Count, check_format, typed
from engine.runs.measures import FEATURE_MEASURES, MEASURES, PLAIN_MEASURES, Direction

FORMAT = 1

Part = Literal["held_out", "train"]
PARTS: tuple[Part, ...] = ("held_out", "train")

INCEPTION = "inception-v3"
DEFAULT_COUNT = 500
METRICS_EXTRA = "pip install 'ddpm-tui[metrics]'"
ABANDONED_S = 3600.0
"""The age after which a file without its record is a leftover of a worker that died."""
KEPT = ".kept-"
"""Folders with partial results of interrupted evaluations; see `engine.evaluation.kept`."""
FORGOTTEN_S = 7 * 86400.0
"""The age after which an interrupted evaluation counts as abandoned."""


def check_measures(
    names: Iterable[str] | None, extractor: str | None, inception: str | None = None
) -> tuple[str, ...]:
    """Return the selected measures, each once: the default ones if none are named, and those of a given extractor.

    "default" stands for the default ones. Raises UserError for an unknown name, for a measure that needs other files,
    for a missing file, and for a missing package.
    """
    if names is None:
        found = [*PLAIN_MEASURES]
        if extractor is not None:
            found += [name for name, measure in MEASURES.items() if measure.extractor in ("file", "either")]
        elif inception is not None:
            found += ["fid", "kid"]
    else:
        found = []
        for name in names:
            found += PLAIN_MEASURES if name == "default" else [name]
    if not found:
        raise UsageError("no measures are given", "there are: " + ", ".join(MEASURES))
    for name in found:
        if name not in MEASURES:
            raise misused(unknown("measure", name, MEASURES))
        if MEASURES[name].extractor == "inception" and extractor is not None:
            raise UsageError(
                f"{name} needs Inception",
                "use frechet with your own file, or omit --extractor",
            )
        if MEASURES[name].extractor == "file" and extractor is None:
            raise UsageError(
                f"{name} needs the file of an extractor", "give --extractor FILE.onnx, or use fid"
            )
    for option, path in (("--extractor", extractor), ("--inception-weights", inception)):
        if path is not None and not Path(path).is_file():
            raise UserError(f"{option} {path}: there is no such file")
    wanted = [name for name in found if name in FEATURE_MEASURES]
    if wanted:
        package, what = ("torch_fidelity", "torch-fidelity") if extractor is None else ("onnxruntime",) * 2
        if find_spec(package) is None:
            raise UserError(f"{wanted[0]} needs {what}, which is not installed", METRICS_EXTRA)
    return tuple(dict.fromkeys(found))


USUAL: Mapping[str, Any] = MappingProxyType(
    {"eta": 0.0, "variance": "fixed_small", "clip": True, "guidance": 1.0, "guide": None, "guide_weights": None,
     "guidance_interval": None, "labels": None}
)  # fmt: skip
"""The sampling settings beyond sampler, steps and spacing, unless a score's detail says otherwise."""


@dataclass(frozen=True)
class Reference:
    """The reference pictures of samples: `n` of one part of a data set; `fingerprint` identifies its bytes."""

    dataset: str
    part: Part
    n: int
    fingerprint: str

    def words(self) -> str:
        return (
            plural(self.n, f"{'held-out' if self.part == 'held_out' else 'training'} picture")
            + f" of {self.dataset}"
        )


@dataclass(frozen=True)
class Score:
    """One figure with its terms; none of them has a default, so that none can be forgotten.

    low, high: 95 % of bootstrap resamples · n: pictures scored (samples, or held-out ones where `sampler` is None) ·
    extractor, recipe, size: of what the measure sees · sampler, steps, spacing: how samples were drawn, None for a
    measure that draws none · weights: "ema" or "raw" · seconds: what measuring took · detail: by band, by level, ….
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int
    direction: Direction
    unit: str
    extractor: str | None
    recipe: str
    size: int
    sampler: str | None
    steps: int | None
    spacing: str | None
    seed: int
    weights: str
    reference: Reference
    seconds: float
    detail: dict[str, Any] = field(default_factory=dict)

    def figure(self) -> str:
        """Return "12.3 [11.9, 12.8]", which should only be shown together with `terms()`."""
        span = (
            f" [{_number(self.low)}, {_number(self.high)}]"
            if self.low is not None and self.high is not None
            else ""
        )
        return _number(self.value) + span + (f" {self.unit}" if self.unit else "")

    def terms(self) -> str:
        """Return everything that the value depends on, in one line."""
        if self.sampler is None:
            said = [f"N={self.n:,} pictures", f"{self.weights} weights", f"noise seed {self.seed}"]
        else:
            how = f"{self.sampler}×{self.steps} {self.spacing}"
            said = [
                f"N={self.n:,} samples",
                how,
                *self.unusual(),
                f"{self.weights} weights",
                f"seed {self.seed}",
            ]
        if self.extractor:
            said.append(self.extractor)
        return ", ".join([*said, f"{self.recipe} {self.size} px", f"against {self.reference.words()}"])

    def unusual(self) -> list[str]:
        """Return the sampling settings that differ from USUAL, in words: "eta 1.0"."""
        there = USUAL if self.sampler is not None else {}
        return [f"{k} {self.detail[k]}" for k, usual in there.items() if self.detail.get(k, usual) != usual]

    def line(self) -> str:
        """Return the value and its terms."""
        return f"{self.figure()} ({self.terms()})"

    def better_than(self, other: "Score") -> bool:
        return self.value < other.value if self.direction == "lower" else self.value > other.value

    def comparable(self, other: "Score") -> bool:
        """Return whether two scores differ only in the weights that were scored and the seed."""
        same = ("name", "n", "extractor", "recipe", "size", "sampler", "steps", "spacing", "reference")
        return self.unusual() == other.unusual() and all(
            getattr(self, key) == getattr(other, key) for key in same
        )


@dataclass(frozen=True)
class Evaluation:
    """One file of scores. pairs: the picture of the closest pairs, where memorisation was measured · weights_sha256: of
    an exported checkpoint, which its run and step alone do not name."""

    id: str
    run: str
    checkpoint: int
    epoch: float
    created: str
    weights: str
    scores: dict[str, Score]
    path: Path
    pairs: Path | None = None
    weights_sha256: str | None = None

    @property
    def order(self) -> tuple[int, str]:
        """Return a key by which the later of two evaluations of a checkpoint is larger. Ids begin with the number of
        their job, which increases whatever the clock says; scores of the training itself come before those of any
        job.
        """
        number = self.id.partition("-")[0]
        return (int(number) if number.isdecimal() else -1, self.id)


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "not a number"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    return f"{value:.2g}" if size < -4 else f"{value:,.0f}" if size >= 3 else f"{value:.{max(0, 2 - size)}f}"


# Writing.


def evaluation_file(run: RunFolder | ExportPlace, checkpoint: int, evaluation_id: str) -> Path:
    """Return the path of an evaluation, whether it exists or not."""
    return run.evaluations / f"{checkpoint:08d}-{evaluation_id}.json"


def write_evaluation(
    run: RunFolder | ExportPlace,
    checkpoint: int,
    epoch: float,
    weights: str,
    scores: Mapping[str, Score],
    evaluation_id: str,
    pairs: bytes | None = None,
) -> Evaluation:
    """Store scores durably, so that readers see all of them or none. The same id at the same step is replaced.

    pairs: a PNG. Raises DiskFullError.
    """
    target = evaluation_file(run, checkpoint, evaluation_id)
    digest = run.sha256 if isinstance(run, ExportPlace) else None
    picture = _pairs_of(target)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    content = {
        "format": FORMAT,
        "id": evaluation_id,
        "run": run.name,
        "checkpoint": checkpoint,
        "epoch": round(epoch, 4),
        "created": created,
        "weights": weights,
        "weights_sha256": digest,
        "scores": {name: score_to_wire(score) for name, score in scores.items()},
    }
    with disk_errors(target):
        run.evaluations.mkdir(mode=0o700, exist_ok=True)
        sweep(run)
        # The picture is written first, so that the record never names a missing one.
        if pairs is not None:
            write_bytes(picture, pairs)
        reach("evaluation.before_record")
        write_json(target, content)
    return Evaluation(
        evaluation_id, run.name, checkpoint, epoch, created, weights, dict(scores), target,
        picture if pairs is not None else None, digest,
    )  # fmt: skip


def sweep(run: RunFolder | ExportPlace) -> None:
    """Remove leftovers of workers that died: temporary files, pictures without a record, and partial results of
    abandoned evaluations.
    """
    for path in run.evaluations.iterdir():
        orphan = path.name.endswith(".tmp") or (
            path.name.endswith(".pairs.png")
            and not path.with_name(path.name.replace(".pairs.png", ".json")).exists()
        )
        with contextlib.suppress(FileNotFoundError):  # another evaluation removes them at the same time
            age = time.time() - path.stat().st_mtime
            if orphan and age > ABANDONED_S:
                path.unlink()
            elif path.name.startswith(KEPT) and age > FORGOTTEN_S and not is_locked(path / "lock"):
                shutil.rmtree(path, ignore_errors=True)


def _pairs_of(record: Path) -> Path:
    return record.with_suffix(".pairs.png")


def score_to_wire(score: Score) -> dict[str, Any]:
    """Return a score as JSON data."""
    content: dict[str, Any] = without_nan(asdict(score))
    return content


# Reading.


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation. Raises DamagedError for a damaged file or a score without its terms, UserError for a newer
    format.
    """
    what = f"the evaluation {path.name}"
    data = read_json(path, what)
    stored = typed(_StoredEvaluation, check_format(data, FORMAT, what, path), what, path)
    try:
        scores = {name: score_from_wire(name, entry) for name, entry in stored.scores.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedError(f"{what} lacks {error}: {path}") from None
    except DamagedError as error:
        raise DamagedError(f"{what} holds a score that cannot be read: {error.what}: {path}") from None
    picture = _pairs_of(path)
    return Evaluation(
        stored.id, stored.run, stored.checkpoint, stored.epoch, stored.created, stored.weights, scores, path,
        picture if picture.exists() else None, stored.weights_sha256,
    )  # fmt: skip


@dataclass(frozen=True)
class _StoredEvaluation:
    """An evaluation's file."""

    id: str
    run: str
    checkpoint: Count
    epoch: float
    created: str
    weights: str
    scores: dict[str, dict[str, Any]]
    weights_sha256: str | None = None


def score_from_wire(name: str, entry: Mapping[str, Any]) -> Score:
    """Return the score of JSON data. Raises KeyError, TypeError, ValueError or DamagedError if a term is missing or
    of another type.
    """
    known = {f.name for f in fields(Score)}
    given = {key: value for key, value in entry.items() if key in known}
    value = given.get("value", "")
    found = typed(Score, {**given, "name": name, "value": 0.0 if value is None else value}, f"score {name}")
    return replace(found, value=math.nan) if value is None else found


def read_evaluations(
    run: RunFolder | ExportPlace, step: int | None = None, complain: Callable[[str], None] = lambda text: None
) -> list[Evaluation]:
    """Return every evaluation of a run (of one checkpoint, if given) or of an export, by checkpoint and then oldest
    first; `complain` is called for unreadable ones.
    """
    try:
        paths = [p for p in run.evaluations.iterdir() if p.suffix == ".json" and not p.name.startswith(".")]
    except OSError:
        return []
    found = []
    for path in sorted(paths):
        if step is not None and path.name.partition("-")[0] != f"{step:08d}":
            continue
        try:
            found.append(read_evaluation(path))
        except (DamagedError, UserError) as error:
            complain(str(error))
    if isinstance(run, ExportPlace):
        found = [e for e in found if e.weights_sha256 == run.sha256]
    return sorted(found, key=lambda e: (e.checkpoint, e.order))


def standing(evaluations: Iterable[Evaluation]) -> dict[str, Score]:
    """Return, for each name, the score to show for a checkpoint: that of the most pictures, and of equally many the
    newest.

    evaluations: of one checkpoint.
    """
    found: dict[str, Score] = {}
    for evaluation in sorted(evaluations, key=lambda e: e.order):
        found |= {
            name: score
            for name, score in evaluation.scores.items()
            if name not in found or score.n >= found[name].n
        }
    return found


def scores_at(
    run: RunFolder | ExportPlace, step: int, complain: Callable[[str], None] = lambda text: None
) -> dict[str, Score]:
    """Return the score of each name to show for a checkpoint; `complain` is called for files that cannot be read."""
    return standing(read_evaluations(run, step, complain))


def facts(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain data, as in its file, with its path."""
    content = read_object(evaluation.path, f"the evaluation {evaluation.path.name}")
    return content | {
        "path": str(evaluation.path),
        "pairs": str(evaluation.pairs) if evaluation.pairs else None,
    }
