"""An evaluation job: one checkpoint scored, the scores kept in its run (the home, for an exported one) with everything
they depend on."""

import dataclasses
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.base.errors import DdpmError, UserError
from engine.base.failpoints import reach
from engine.base.text import plural
from engine.data.job import pack_for
from engine.data.labelled import open_pictures
from engine.data.manifest import is_whole
from engine.evaluation.kept import KeptEvaluation
from engine.evaluation.measuring import Wanted
from engine.evaluation.score import score
from engine.jobs.context import Work
from engine.jobs.files import EXIT_DONE, EXIT_FAILED, Result
from engine.runs.evaluations import DEFAULT_COUNT, PARTS, check_measures, facts, write_evaluation
from engine.runs.guides import find_guided
from engine.runs.trained import Trained, find_trained
from engine.sampling.load import Loaded, load

GOES_ON = "run it again; it continues with the finished measures and the samples drawn so far"


def run_evaluation(work: Work) -> Result:
    """Do an evaluation job's scoring. args: checkpoint (RUN@WHICH, or an exported folder), n, measures, sampler,
    steps, spacing, seed, weights, guidance, guide, guide_weights, guidance_interval, extractor, inception_weights,
    reference, batch. A measure that cannot be taken is named in the result, which is then a failure; the others are
    stored. Raises UserError if none can be taken."""
    args = work.spec.args
    trained = find_trained(work.home, args["checkpoint"])
    if trained.passed_over:
        work.say(trained.passed_over)
    extractor, inception = args.get("extractor"), args.get("inception_weights")
    measures = check_measures(args.get("measures"), extractor, inception)
    part = args.get("reference") or PARTS[0]
    if part not in PARTS:
        raise UserError(f"--reference {part}: there are held_out and train")
    settings, guide = find_guided(work.home, trained, args)
    count = int(args.get("n") or DEFAULT_COUNT)
    work.report("starting", text="loading the checkpoint")
    folder = trained.pictures(work.home)
    loaded = load(trained, settings, work.device(trained.profile.training.device), guide)
    if not is_whole(folder):
        data = trained.profile.data
        folder = pack_for(work, data.dataset, data.size, data.recipe, data.limit)
    opened = open_pictures(work.home, folder, trained.profile, trained.frozen)
    packed = opened.packed
    wanted = Wanted(measures, count, settings, extractor, inception, part, args.get("batch"), opened.labels)
    work.say(
        f"scoring {trained.name} ({settings.weights} weights) by {', '.join(measures)} "
        f"on {loaded.plan.summary(work.device_name(loaded.plan.device))}"
    )
    clock = _Clock()

    def missed(measure: str, error: DdpmError) -> None:
        work.say(f"{measure} failed: {error}")

    identity = _identity(trained, loaded, packed.manifest.identity, wanted)
    if guide is not None:
        identity["guide_sha256"] = guide.sha256(str(settings.guide_weights))
    kept = KeptEvaluation.open(trained.place.evaluations, identity, packed.size)
    if kept.scores or len(kept.samples):
        measured = ", ".join(kept.scores) or "no measure"
        work.say(
            f"kept of the same evaluation, which was not finished: {measured}, {plural(len(kept.samples), 'sample')}"
        )

    def report(measure: str, done: int, total: int, unit: str) -> None:
        work.raise_if_stopping(GOES_ON)
        work.report(
            "evaluating", done, total, unit, text=measure.replace("_", " "),
            eta_s=clock.left(measure, done, total), device=loaded.plan.device,
        )  # fmt: skip
        reach("evaluate.step")

    started = time.monotonic()
    try:
        found = score(
            loaded,
            packed,
            wanted,
            report,
            lambda s: work.say(f"{s.name}: {s.line()}, {s.seconds:.1f} s"),
            kept,
            missed,
        )
        seconds = time.monotonic() - started
        work.raise_if_stopping(GOES_ON)
        work.report("writing")
        evaluation = write_evaluation(
            trained.place, trained.step, trained.epochs, settings.weights, found.scores,
            f"{work.spec.id}-{int(work.spec.created):x}", _png(found.pairs),
        )  # fmt: skip
        kept.clear()
    finally:
        kept.close()
    count = len(found.scores)
    message = f"{count} score{'s' * (count != 1)} of {trained.name} in {seconds:.1f} s: {evaluation.path}"
    work.say(message)
    missing = {measure: str(error) for measure, error in found.missed.items()}
    hint = None
    if missing:
        message = f"{'; '.join(f'{name} cannot be taken: {why}' for name, why in missing.items())}"
        hint = f"the other {count} {'are' if count != 1 else 'is'} in {evaluation.path}"
    return Result(
        "failed" if missing else "done", EXIT_FAILED if missing else EXIT_DONE, message, hint,
        work.spec.run, trained.step, evaluation.epoch, trained.step,
        extra={"evaluation": facts(evaluation), "seconds": round(seconds, 2), "missed": missing},
    )  # fmt: skip


def _identity(trained: Trained, loaded: Loaded, pictures: str, wanted: Wanted) -> dict[str, Any]:
    """Return everything that decides the figures, except the available memory and with it the batch."""
    files = {path: (Path(path).stat().st_size, Path(path).stat().st_mtime_ns) for path in
             (wanted.extractor, wanted.inception_weights) if path is not None}  # fmt: skip
    asked = {
        key: value
        for key, value in dataclasses.asdict(wanted).items()
        if key not in ("measures", "batch", "labels")
    }
    return {
        "checkpoint": trained.step,
        "weights": trained.sha256(wanted.settings.weights),
        "pictures": pictures,
        "plan": loaded.plan.to_json(),
        "files": files,
        "labels": None if wanted.labels is None else wanted.labels.digest(),
        **asked,
    }


class _Clock:
    """The time left of one measure, from the progress so far."""

    def __init__(self) -> None:
        self._measure, self._since = "", 0.0

    def left(self, measure: str, done: int, total: int) -> float | None:
        now = time.monotonic()
        if measure != self._measure:
            self._measure, self._since = measure, now
        return (now - self._since) * (total - done) / done if done else None


def _png(picture: np.ndarray | None) -> bytes | None:
    if picture is None:
        return None
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
