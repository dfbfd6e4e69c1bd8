"""The remaining work of a study: its runs, branches, sample sets and scores, given the existing ones.

Every step is identified by its result, so planning twice plans nothing twice. Starts nothing itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from engine.base.errors import DamagedError, UserError
from engine.base.folders import RunFolder, SampleFolder
from engine.base.home import Home
from engine.config.sampling_settings import Settings
from engine.config.store import diff_profiles
from engine.runs.branch import Beginning
from engine.runs.checkpoints import CheckpointInfo, list_checkpoints
from engine.runs.evaluations import PARTS, Score, read_evaluations
from engine.runs.pictures import require_pictures
from engine.runs.record import create_run, read_record, run_names
from engine.runs.sample_record import read_sample
from engine.studies.spec import Study


@dataclass(frozen=True)
class StudyStep:
    """One job. `epoch`: the epoch to reach, or the one to draw or evaluate; `done`: nothing remains to do."""

    kind: Literal["train", "sample", "evaluate"]
    run: str
    variant: str
    args: dict[str, Any]
    epoch: int
    done: bool = False
    branch_of: str | None = None
    branch_epoch: int | None = None


def run_name(study: Study, small: bool, variant: str, seed: int) -> str:
    return f"{study.key(small)}.{variant}.s{seed}"


BASE = "base"
SHOWN: Mapping[str, int] = MappingProxyType({"n": 12, "seed": 0})
"""The number of pictures of each variant of a sampling study, with the same noise in all variants."""


def steps(home: Home, study: Study, small: bool) -> list[StudyStep]:
    """Return all steps of the study in an order that can be executed: training first, so that curves and faces are
    available early.
    """
    return sorted(_steps(home, study, small), key=lambda step: step.kind != "train")


def _steps(home: Home, study: Study, small: bool) -> Iterator[StudyStep]:
    plan = study.plan(small)
    there = set(run_names(home)) - other_settings(home, study, small).keys()
    how = study.drawing(home, small)
    for seed in plan.seeds:
        base = run_name(study, small, BASE, seed)
        if study.kind != "train":
            epochs = plan.branch_epoch if study.kind == "branch" and plan.branch_epoch else plan.epochs
            yield _train(home, there, base, BASE, epochs)
        if study.kind == "sample":
            for name, sampler in study.samplers.items():
                if seed == plan.seeds[0]:
                    yield _sample(home, there, base, name, plan.epochs, sampler.drawing())
                if plan.measures:
                    yield _evaluate(
                        home, there, base, name, plan.epochs, plan.samples, plan.measures, how[name]
                    )
            continue
        for name in study.names:
            run = run_name(study, small, name, seed)
            step = _train(home, there, run, name, plan.epochs)
            if study.kind == "branch":
                beginning = Beginning(f"{base}@e{plan.branch_epoch}", study.variants[name])
                args = {**step.args, "branch": beginning.to_args()}
                step = replace(step, args=args, branch_of=base, branch_epoch=plan.branch_epoch)
            yield step
            if plan.measures:
                yield _evaluate(home, there, run, name, plan.epochs, plan.samples, plan.measures, how[name])


def other_settings(home: Home, study: Study, small: bool) -> dict[str, str]:
    """Return runs with names of the study whose settings differ from it, for example after a change of its file or of
    its base profile: name → the first difference in words. Sampling settings are not compared, because each score
    records its own.
    """
    found = {}
    there = set(run_names(home))
    made = () if study.kind == "sample" else study.names
    for variant in made if study.kind == "train" else (BASE, *made):
        for seed in study.plan(small).seeds:
            run = run_name(study, small, variant, seed)
            if run not in there:
                continue
            wanted = study.profile(home, small, None if variant == BASE else variant, seed)
            try:
                rows = diff_profiles(read_record(home.run(run)).profile, wanted)
            except (DamagedError, UserError) as error:
                found[run] = error.what
                continue
            rows = [row for row in rows if not row[0].startswith("sampling.")]
            if rows:
                key, is_, should_be = rows[0]
                found[run] = f"{key} is {is_}, and the study has {should_be}"
    return found


def check_settings(home: Home, study: Study, small: bool) -> None:
    """Raise UserError if a run with a name of the study has other settings than the study."""
    for run, why in other_settings(home, study, small).items():
        raise UserError(
            f"run {run!r} was created with other settings: {why}",
            f"delete it with `ddpm-tui runs delete {run}`, rename it, or give the study's file another name",
        )


def prepare(home: Home, study: Study, small: bool, step: StudyStep) -> None:
    """Create the run that the step trains, unless it exists. A branch is created by the job that trains it, because
    its base is trained by then. Raises UserError if there are no pictures for it.
    """
    if step.kind != "train" or step.branch_of is not None or step.run in run_names(home):
        return
    variant = None if step.variant == BASE else step.variant
    profile = study.profile(home, small, variant, seed_of(step.run))
    require_pictures(home, profile)
    create_run(home, step.run, profile, study.plan(small).base)


def seed_of(run: str) -> int:
    return int(run.rpartition(".s")[2])


def at_epoch(run: RunFolder, epoch: int) -> CheckpointInfo | None:
    """Return the complete checkpoint at the end of that epoch."""
    return next((c for c in list_checkpoints(run) if c.manifest and c.manifest.epochs_seen == epoch), None)


def _train(home: Home, there: set[str], run: str, variant: str, epochs: int) -> StudyStep:
    done = run in there and at_epoch(home.run(run), epochs) is not None
    return StudyStep("train", run, variant, {"to_epoch": epochs}, epochs, done)


def _sample(
    home: Home, there: set[str], run: str, variant: str, epochs: int, how: dict[str, Any]
) -> StudyStep:
    """Return the step that draws the pictures of this variant for the report."""
    point = at_epoch(home.run(run), epochs) if run in there else None
    done = point is not None and any(shown_sets(home.run(run), point.step, how))
    args = {"checkpoint": f"{run}@e{epochs}", **SHOWN, **how}
    return StudyStep("sample", run, variant, args, epochs, done)


def shown_sets(run: RunFolder, checkpoint: int, how: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield records of the sets that show a variant: drawn from that checkpoint with its settings; newest first."""
    wanted = {"checkpoint": checkpoint, **SHOWN, **how}
    return (r for r in sample_records(run) if all(r.get(key) == value for key, value in wanted.items()))


def sample_records(run: RunFolder) -> Iterator[dict[str, Any]]:
    """Yield the record of each sample set of a run, newest first; unreadable sets are skipped."""
    for path in sorted(run.samples.glob("*/sample.json"), reverse=True) if run.samples.is_dir() else []:
        try:
            yield {**read_sample(SampleFolder(path.parent)), "folder": path.parent}
        except DamagedError:
            continue


def _evaluate(
    home: Home, there: set[str], run: str, variant: str, epochs: int, n: int, measures: tuple[str, ...],
    how: Settings,
) -> StudyStep:  # fmt: skip
    args: dict[str, Any] = {"n": n, "measures": list(measures), **how.to_json()}
    point = at_epoch(home.run(run), epochs) if run in there else None
    if point is None:
        return StudyStep("evaluate", run, variant, {"checkpoint": f"{run}@e{epochs}", **args}, epochs)
    done = any(_fits(e.scores, args) for e in read_evaluations(home.run(run), point.step))
    return StudyStep("evaluate", run, variant, {"checkpoint": f"{run}@{point.step}", **args}, epochs, done)


def _fits(scores: Mapping[str, Score], args: Mapping[str, Any]) -> bool:
    """Return whether an evaluation has all requested measures with the requested settings."""
    return all(name in scores and made_so(scores[name], args) for name in args["measures"])


def made_so(score: Score, args: Mapping[str, Any]) -> bool:
    """Return whether a score has the terms that a step's arguments request; a score without samples has fewer."""
    terms: dict[str, Any] = {"weights": score.weights}
    if score.sampler is not None:
        drawn = {name: getattr(score, name) for name in ("n", "sampler", "steps", "spacing", "seed")}
        terms |= drawn | {name: score.detail.get(name) for name in ("eta", "variance", "clip")}
    return score.reference.part == PARTS[0] and all(args[name] == value for name, value in terms.items())
