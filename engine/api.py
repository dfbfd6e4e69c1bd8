"""The engine for notebooks and scripts: load a trained model and draw from it, train a run, score a checkpoint.

A façade: sampling runs in this process, with the code of a sampling job; `train` and `evaluate` run a job in a worker
process, as the commands of those names do. It imports torch, so neither the command line nor the service may import
it. docs/api.md shows it in use.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from engine.base.errors import DdpmError, UserError
from engine.base.home import Home, given_path
from engine.config.names import Weights
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.diffusion.schedule import Schedule
from engine.jobs.files import Progress, Result, read_progress
from engine.runs.evaluations import Evaluation, Part, Score, check_measures, read_evaluation
from engine.runs.guides import find_guided
from engine.runs.trained import Trained, find_trained
from engine.sampling.drawing import batch_that_fits, draw
from engine.sampling.load import Loaded, free_memory, load_weights
from engine.sampling.sheets import grid
from engine.service.foreground import (
    POLL_S,
    JobFailedError,
    death,
    last_result,
    new_foreground_job,
    start_worker,
)
from engine.service.targets import Resume, find_target

__all__ = [
    "DdpmError",
    "Evaluation",
    "JobFailedError",
    "Progress",
    "Score",
    "TrainedModel",
    "Training",
    "evaluate",
    "grid",
    "load",
    "to_images",
    "train",
]


class TrainedModel:
    """A trained network with everything needed to draw from it; `load` returns one.

    name: RUN@STEP · weights: "ema" or "raw" · profile: the settings it was trained with · schedule: its noise
    schedule · network: the `torch.nn.Module` in evaluation mode; network(x_t, t) takes x_t (N, 3, size, size) float32
    in [-1, 1] and t (N,) int64, and predicts `profile.objective.prediction`.
    """

    def __init__(self, trained: Trained, loaded: Loaded, weights: Weights, home: Home) -> None:
        self._trained, self._loaded, self._home = trained, loaded, home
        self._guides: dict[tuple[str, str], nn.Module] = {}
        self.weights = weights

    @property
    def name(self) -> str:
        return self._trained.name

    @property
    def step(self) -> int:
        return self._trained.step

    @property
    def epochs(self) -> float:
        """Epochs trained, with the fraction."""
        return self._trained.epochs

    @property
    def profile(self) -> Profile:
        return self._trained.profile

    @property
    def network(self) -> nn.Module:
        return self._loaded.model

    @property
    def schedule(self) -> Schedule:
        return self._loaded.schedule

    def __repr__(self) -> str:
        size = self.profile.data.size
        return f"<TrainedModel {self.name}: {size}×{size}, {self.weights} weights, on {self._loaded.plan.device}>"

    def sample(
        self,
        n: int = 64,
        *,
        seed: int = 0,
        steps: int | None = None,
        sampler: str | None = None,
        spacing: str | None = None,
        eta: float | None = None,
        variance: str | None = None,
        clip: bool | None = None,
        labels: str | Sequence[str] | None = None,
        guidance: float | None = None,
        guide: str | None = None,
        guide_weights: Weights | None = None,
        guidance_interval: tuple[float, float] | None = None,
        batch: int | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> NDArray[np.uint8]:
        """Draw n pictures: uint8 (n, size, size, 3), the ones that `ddpm-tui sample` draws with the same settings.

        Arguments that are None have the profile's values. Picture i depends only on the seed and on i, so the first
        pictures of a large set are those of a small one. `batch` (pictures at once; else as many as memory allows)
        changes memory and speed, and no value by more than 1. `labels` asks a labelled network for "smiling=1,hat=-1"
        or "class=cat"; of several such texts each gets n pictures, from the same noise, one group after the other.
        `guidance` above 1 goes further towards them. `guide` is a worse network to guide away from, best an early
        checkpoint of the same run ("e1"), and `guidance` how far: 1 is not at all, and 1.25 if only a guide is given;
        `guidance_interval`: at which log-SNR alone. `on_progress(done, total)` counts network calls times pictures;
        an exception from it stops the drawing.

        Raises UserError for invalid settings, NotFiniteError for a network that gives NaN or infinities.
        """
        count = operator.index(n)
        if count < 1:
            raise UserError(f"n is {count}: draw at least one picture")
        if batch is not None and operator.index(batch) < 1:
            raise UserError(f"batch is {batch}: at least one picture at once")
        given = {
            "sampler": sampler, "steps": None if steps is None else operator.index(steps), "spacing": spacing,
            "eta": eta, "variance": variance, "clip": clip, "weights": self.weights, "seed": operator.index(seed),
            "labels": (labels,) if isinstance(labels, str) else labels and tuple(labels),
            "guidance": guidance, "guide": guide, "guide_weights": guide_weights,
            "guidance_interval": guidance_interval,
        }  # fmt: skip
        settings, by = find_guided(self._home, self._trained, given)
        count *= max(1, len(settings.labels))
        memory = free_memory(self._loaded)
        at_once = batch or batch_that_fits(self.profile, self._loaded.plan, memory, settings.guided)
        drawn = draw(
            self._loaded.model, self._loaded.schedule, self.profile, self._loaded.plan, settings, count, at_once,
            guide=self._guide(by, settings), on_step=on_progress,
        )  # fmt: skip
        return np.concatenate([one.pictures for one in drawn])

    def _guide(self, trained: Trained | None, settings: Settings) -> nn.Module | None:
        if trained is None:
            return None
        weights = str(settings.guide_weights)
        key = trained.reference, weights
        if key not in self._guides:
            self._guides[key] = load_weights(trained, weights, self._loaded.plan.device).model
        return self._guides[key]


def load(
    reference: str | Path,
    *,
    weights: Weights | None = None,
    device: str = "auto",
    home: Home | Path | str | None = None,
) -> TrainedModel:
    """Load a run's newest checkpoint (RUN), another one (RUN@WHICH), or a folder written by `checkpoints export`.

    WHICH is a step, eN (the end of epoch N), a tag, "best" or "latest". A folder is a Path, or a text with a slash.
    weights: averaged ("ema") or those of the last step ("raw"); else as the profile says · device: "auto" (as the
    profile says), "cpu", "cuda:0" · home: where the runs are; else $DDPM_HOME, else the platform's data directory.

    Sets torch's number of threads and other settings of the run's plan for the device in this process. Raises
    UserError if the model does not exist, DamagedError for files that have been altered.
    """
    where = _home(home)
    trained = _find(reference, where)
    chosen = trained.settings({"weights": weights}).weights
    wish = trained.profile.training.device if device == "auto" else device
    return TrainedModel(trained, load_weights(trained, chosen, wish), chosen, where)


@dataclass(frozen=True)
class Training:
    """The state of a run after `train`. `epoch` counts from the run's beginning; message: the same in a sentence."""

    run: str
    epoch: float
    message: str


def train(
    what: str | Path,
    *,
    run: str | None = None,
    to_epoch: int | None = None,
    chunks: int | None = None,
    changes: Sequence[str] = (),
    resume: Resume = "auto",
    device: str = "auto",
    home: Home | Path | str | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Training:
    """Train a run in a worker process and wait for its end, as `ddpm-tui train` does.

    what: a profile, a profile's file, or a run to continue · run: the run's name, else PROFILE-1, PROFILE-2, … ·
    to_epoch: epochs in all, or chunks: that many more; else to the profile's training.epochs · changes:
    "section.key=value", for a new run · resume: "never" starts a new run even if the profile has an unfinished one ·
    on_progress: called about ten times a second with the worker's progress.

    If the target has been reached, nothing is done. On KeyboardInterrupt, or an exception from `on_progress`, the
    worker first writes a checkpoint and exits; the same call then continues exactly from there. A second one stops it
    at once.

    Raises UserError for an invalid target, BusyError for a run that another process trains, JobFailedError for a
    training that did not reach its target.
    """
    where = _home(home)
    target = find_target(
        where, str(what), run=run, to_epoch=to_epoch, chunks=chunks, overrides=list(changes), resume=resume,
        device=device,
    )  # fmt: skip
    if target.reached:
        return Training(target.run, target.here, f"run {target.run!r} is at epoch {target.here:g}")
    result = _do(where, "train", target.run, target.args, device, on_progress)
    return Training(target.run, float(result.epoch or 0.0), result.message)


def evaluate(
    reference: str | Path,
    *,
    n: int | None = None,
    measures: Sequence[str] | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    spacing: str | None = None,
    seed: int | None = None,
    weights: Weights | None = None,
    part: Part | None = None,
    extractor: Path | str | None = None,
    inception_weights: Path | str | None = None,
    batch: int | None = None,
    device: str = "auto",
    home: Home | Path | str | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Evaluation:
    """Score a checkpoint or an exported folder in a worker process, as `ddpm-tui evaluate` does; the scores are kept.

    reference: as for `load` · n: pictures to score (500) · measures: their names, else all that need no weights
    (docs: evaluation.md) · part: the part of the pictures that samples are compared with ("held_out") · extractor:
    your own network, FILE.onnx · inception_weights: torch-fidelity's, FILE.pth; else they are downloaded when they
    are needed.

    `.scores` of the result maps measures to Scores. Raises UserError for invalid arguments, JobFailedError if a
    measure failed; its hint says where the other scores are.
    """
    where = _home(home)
    files = [
        None if file is None else str(given_path(file).absolute()) for file in (extractor, inception_weights)
    ]
    check_measures(measures, *files)
    trained = _find(reference, where)
    asked = {
        "n": n, "measures": None if measures is None else list(measures), "sampler": sampler, "steps": steps,
        "spacing": spacing, "seed": seed, "weights": weights, "reference": part, "extractor": files[0],
        "inception_weights": files[1], "batch": batch,
    }  # fmt: skip
    trained.settings(asked)
    result = _do(
        where, "evaluate", trained.run, {"checkpoint": trained.reference, **asked}, device, on_progress
    )
    return read_evaluation(Path(result.extra["evaluation"]["path"]))


def to_images(pictures: NDArray[np.uint8]) -> list[Image.Image]:
    """Convert uint8 (n, H, W, 3) to PIL images (RGB)."""
    return [Image.fromarray(picture) for picture in pictures]


def _home(home: Home | Path | str | None) -> Home:
    if isinstance(home, Home):
        return home
    return Home.find() if home is None else Home(given_path(home).absolute())


def _find(reference: str | Path, home: Home) -> Trained:
    """Find a model: a Path is always a folder; a string is one if it contains a slash."""
    if isinstance(reference, Path):
        reference = str(given_path(reference).absolute())
    return find_trained(home, reference)


def _do(
    home: Home,
    kind: str,
    run: str | None,
    args: Mapping[str, Any],
    device: str,
    on_progress: Callable[[Progress], None],
) -> Result:
    """Run one job in a worker and wait for its end. Raises JobFailedError with the worker's message."""
    folder = new_foreground_job(home, kind, run, dict(args), device)
    worker = start_worker(home, folder, device)
    try:
        while not worker.wait_here(POLL_S):
            if (progress := read_progress(folder)) is not None:
                on_progress(progress)
    except BaseException:
        worker.stop()
        while not worker.wait_here(POLL_S):
            pass
        raise
    finally:
        worker.sweep()
    result = last_result(folder)
    if result is None:
        raise JobFailedError(
            f"the worker of job {folder.id} {death(worker.exit_code)}",
            f"its output is in {folder.log}; nothing before the last checkpoint is lost",
        )
    if result.outcome != "done":
        raise JobFailedError(result.message, result.hint, result.exit_code or 1, result)
    return result
