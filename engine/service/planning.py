"""Conversion of requests to jobs: absolute targets, frozen profiles, named checkpoints.

"Two chunks more" becomes "to epoch 50" here, once, so that a repeated request does not train twice. Runs in the
queue's thread: it reads runs and may create one.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.base.errors import DamagedError, DdpmError, UsageError, UserError, nearest
from engine.base.home import Home, given_path, is_export, is_file_name
from engine.base.text import shell_word
from engine.jobs.kinds import ADDED
from engine.service import runs
from engine.service.job_states import LOST
from engine.service.rate_notes import says_of_branch, says_of_new, says_of_run
from engine.service.states import Job, State, job_number

if TYPE_CHECKING:
    from engine.config.profile import Profile


@dataclass(frozen=True)
class TrainRequest:
    """The request `queue train`: target is a run or a profile; chunks and to_epoch exclude each other. `branch`: the
    training job's argument of that name, if target is a branch that its worker creates (`engine.runs.branch`).
    """

    target: str
    run: str | None = None
    chunks: int | None = None
    to_epoch: int | None = None
    overrides: tuple[str, ...] = ()
    new: bool = False
    branch: dict[str, Any] | None = None


@dataclass(frozen=True)
class TrainPlan:
    """The result of planning a request. `job`: an existing job that already does it · `new_run`: the run must be
    created · `says`: sentences for the user, at least one · `args`: the job's.
    """

    run: str
    to_epoch: int
    new_run: bool = False
    job: str | None = None
    says: tuple[str, ...] = ()
    profile: Any = field(default=None, repr=False)
    profile_name: str = ""
    branch: dict[str, Any] | None = None
    from_epoch: float = 0.0

    @property
    def args(self) -> dict[str, Any]:
        if self.branch:
            return {"to_epoch": self.to_epoch, "branch": self.branch}
        return {"to_epoch": self.to_epoch, "from_epoch": self.from_epoch}


def plan_training(home: Home, jobs: Iterable[Job], request: TrainRequest) -> TrainPlan:
    """Decide the run and the target; changes nothing. Raises UserError, UsageError, ProfileError."""
    if request.chunks is not None and request.to_epoch is not None:
        raise UsageError("--chunks and --to-epoch exclude each other", "give one of them")
    if request.chunks is not None and request.chunks < 1:
        raise UsageError(f"--chunks {request.chunks}: at least 1")
    if request.to_epoch is not None and request.to_epoch < 1:
        raise UsageError(f"--to-epoch {request.to_epoch}: at least 1")
    if request.run is not None:
        home.run(request.run)  # a name that cannot be a folder is refused here
    if runs.exists(home, request.target) and request.run in (None, request.target) and not request.new:
        if request.overrides:
            raise UserError(
                f"the profile of run {request.target!r} is frozen",
                f"change it in a branch: ddpm-tui runs branch {request.target}@latest "
                f"--set {shell_word(request.overrides[0])}",
            )
        return _continue(home, list(jobs), request.target, request)
    if request.branch is not None:
        return _future_branch(home, list(jobs), request)
    return _from_profile(home, list(jobs), request)


def _from_profile(home: Home, jobs: list[Job], request: TrainRequest) -> TrainPlan:
    from engine.runs.pictures import require_pictures
    from engine.runs.record import free_run_name

    profile, name = profile_for(home, request.target, list(request.overrides))
    same = _same_profile(home, runs.names(home) if request.run is None else [request.run], profile)
    # Includes a run that an engine created before it was killed: the repeated request continues with it.
    unbegun = next((run for run in same if _is_unbegun(home, jobs, run)), None)
    if unbegun is not None:
        return _continue(home, jobs, unbegun, request)
    if request.run is not None and runs.exists(home, request.run):
        if request.new:
            raise UserError(f"there is already a run named {request.run!r}", "choose another --run name")
        if not same:
            raise UserError(
                f"run {request.run!r} was created from another version of profile {request.target!r}",
                f"`queue train {request.run}` continues it as it is; another --run name starts a new one",
            )
        return _continue(home, jobs, request.run, request)
    if same and not request.new:
        raise _twin(home, jobs, request, same[0])
    # The pictures are not listed, because this thread writes the queue and must not wait for a slow disk.
    require_pictures(home, profile, listed=False)
    chunk = profile.training.chunk_epochs
    to_epoch = request.to_epoch or (request.chunks or 1) * chunk
    run = request.run or free_run_name(home, name)
    says = f"{run}: a new run from profile {name}, {_span(0, to_epoch, chunk)}"
    rates = says_of_new(profile, to_epoch)
    return TrainPlan(run, to_epoch, new_run=True, says=(says, *rates), profile=profile, profile_name=name)


def profile_for(home: Home, target: str, overrides: list[str]) -> "tuple[Profile, str]":
    """Return the profile, and its name, for a training target that is not a run. Raises UserError with the nearest
    profile or run, ProfileError.
    """
    from engine.config.store import find_profile, list_profiles, load_profile

    known = [file.name for file in list_profiles(home)]
    if not is_file_name(target) and target not in known:
        close = nearest(target, [*known, *runs.names(home)])
        raise UserError(
            f"there is neither a profile nor a run named {target!r}",
            f"did you mean {close!r}?" if close else "see `profiles list` and `runs list`",
        )
    profile = load_profile(home, target, overrides)
    if profile.labels.kind != "none" or profile.data.where is not None:
        from engine.data.labelled import named_labels

        profile = named_labels(home, profile)
    return profile, find_profile(home, target).name


def _same_profile(home: Home, names: list[str], profile: Any) -> list[str]:
    """Return the `names` of runs with exactly this profile."""
    from engine.runs.record import load_run

    found = []
    for run in names:
        with contextlib.suppress(DdpmError):  # a run that cannot be read has another profile
            if load_run(home, run).profile == profile:
                found.append(run)
    return found


def _is_unbegun(home: Home, jobs: list[Job], run: str) -> bool:
    """Return whether a run has no checkpoint and no present or queued training."""
    wanted = any(job.run == run and not job.over for job in jobs)
    return not wanted and runs.in_use(home, run) is None and runs.newest(home.run(run)) is None


def _twin(home: Home, jobs: list[Job], request: TrainRequest, run: str) -> UserError:
    """Return the error for a profile that is queued twice, which is more often a mistake than a wish for two equal
    runs.
    """
    ahead = _continue(home, jobs, run, TrainRequest(run, chunks=request.chunks or 1))
    return UserError(
        f"run {run!r} already trains this profile",
        f"`queue train {run}` would continue to epoch {ahead.to_epoch}; --new starts another run from the beginning",
    )


def _continue(home: Home, jobs: list[Job], run: str, request: TrainRequest) -> TrainPlan:
    """Plan the next target of an existing run: after the last one queued, or else after its newest checkpoint."""
    folder = runs.find(home, run)
    facts = runs.run_facts(folder)
    reached = runs.newest(folder)
    if reached is None:
        from engine.runs.branch import require_beginning

        require_beginning(home, folder)
    here = reached.epochs_seen if reached else 0.0
    waiting = [job for job in jobs if job.run == run and job.kind == "train" and not job.over]
    last = max(waiting, key=lambda job: job.to_epoch, default=None)
    queued = last.to_epoch if last else 0
    if request.to_epoch is not None:
        to_epoch = request.to_epoch
        same = next((job for job in waiting if job.to_epoch == to_epoch), None) or (
            last if last and queued > to_epoch else None
        )
        if same is not None:
            return _is_queued(run, same)
        if reached and reached.epoch >= to_epoch:
            raise UserError(
                f"run {run!r} is at epoch {here:g} already",
                f"--to-epoch {reached.epoch + facts.chunk_epochs} trains another chunk",
            )
    else:
        to_epoch = (queued or int(here)) + (request.chunks or 1) * facts.chunk_epochs
    start = max(here, float(queued))
    says = [f"{run}: {_span(start, to_epoch, facts.chunk_epochs)}"]
    if last is not None:
        says.append(
            f"{run} was queued to epoch {queued} already (job {job_number(last.id)}, {last.state}); "
            "this is added to it"
        )
    says += says_of_run(home, run, here, [*sorted(job.to_epoch for job in waiting), to_epoch])
    return TrainPlan(run, to_epoch, says=tuple(says), from_epoch=start)


def _future_branch(home: Home, jobs: list[Job], request: TrainRequest) -> TrainPlan:
    """Plan the training of a branch whose base may not have reached the checkpoint yet. Its worker creates the run;
    otherwise the service would have to read and hash a checkpoint, and to remember its planned branches across
    restarts.
    """
    from engine.runs.branch import Beginning
    from engine.runs.record import branch_profile, read_record

    name = request.target
    home.run(name)  # raises for a name that is invalid for a folder
    beginning = Beginning.from_args({"branch": request.branch})
    if beginning is None or request.to_epoch is None:
        raise UsageError("a new branch needs a target epoch", "give to_epoch")
    for job in jobs:
        if job.run == name and job.kind == "train" and not job.over and job.to_epoch >= request.to_epoch:
            return _is_queued(name, job)
    base, checkpoint = _checkpoint(home, jobs, beginning.checkpoint)
    record = read_record(runs.find(home, base))
    profile, _ = branch_profile(record.profile, list(beginning.changes))  # raises for an impossible branch
    says = [f"{name}: a branch of {beginning.checkpoint}, to epoch {request.to_epoch}"]
    says += says_of_branch(home, jobs, record, profile, checkpoint, request.to_epoch)
    branch = Beginning(checkpoint, beginning.changes).to_args()
    return TrainPlan(name, request.to_epoch, says=tuple(says), branch=branch)


def _is_queued(run: str, job: Job) -> TrainPlan:
    """Return a plan without a new job, because a job already trains the run at least as far."""
    number = job_number(job.id)
    already = f"{run} is queued to epoch {job.to_epoch} already (job {number}, {job.state}): nothing is added"
    if job.takes("resume"):
        already += f"; `queue resume {number}` continues it"
    return TrainPlan(run, job.to_epoch, job=job.id, says=(already,))


def _span(start: float, end: int, chunk: int) -> str:
    epochs = end - start
    chunks = epochs / chunk
    words = f" ({chunks:g} chunk{'s' * (chunks != 1)} of {chunk})" if chunks == int(chunks) else ""
    return f"epochs {start:g} → {end}{words}"


def make_run(home: Home, plan: TrainPlan) -> None:
    """Create the run of a plan, which freezes its profile."""
    if plan.new_run:
        from engine.runs.record import create_run

        create_run(home, plan.run, plan.profile, plan.profile_name)


def plan_job(
    home: Home, jobs: Iterable[Job], kind: str, args: dict[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """Return the run and the final arguments of a job other than training. A named checkpoint is resolved now;
    `latest`, `best` and an epoch to which the run is queued, when the job starts. Raises UserError.
    """
    if kind not in ADDED:
        raise UsageError(f"{kind!r} is not a kind of job", f"there are: train, {', '.join(ADDED)}")
    if kind == "evaluate":
        from engine.runs.evaluations import check_measures

        check_measures(args.get("measures"), args.get("extractor"), args.get("inception_weights"))
    reference = args.get("checkpoint")
    if reference is None:
        return None, args
    if not isinstance(reference, str):
        raise UsageError(
            "a checkpoint is named RUN@STEP, RUN@latest, RUN@best or RUN@TAG, or by an exported folder"
        )
    if is_export(reference):
        guide = _guide(home, list(jobs), args, None)
        return None, {**args, "checkpoint": _exported(home, kind, reference, args), **guide}
    name, resolved = _checkpoint(home, list(jobs), reference)
    _check_asked(home, name, args)
    return name, {**args, "checkpoint": resolved, **_guide(home, list(jobs), args, name)}


def _check_asked(home: Home, run: str, args: dict[str, Any]) -> None:
    """Raise UsageError for labels that the run has not learned, if its record can be read."""
    if not args.get("labels"):
        return
    from engine.config.asked import check_asked
    from engine.runs.record import read_record

    with contextlib.suppress(DamagedError):  # its worker reports the problem
        section = read_record(home.run(run)).profile.labels
        for text in args["labels"]:
            check_asked(str(text), section.kind, section.names)


def _guide(home: Home, jobs: list[Job], args: dict[str, Any], run: str | None) -> dict[str, Any]:
    """Return the guide in the arguments, in the form of a checkpoint reference; empty if there is none."""
    from engine.runs.guides import guide_reference

    if not isinstance(args.get("guide"), str):
        return {}
    reference = guide_reference(args["guide"], run)
    return {"guide": reference if is_export(reference) else _checkpoint(home, jobs, reference)[1]}


def _exported(home: Home, kind: str, folder: str, args: dict[str, Any]) -> str:
    """Return the folder of an exported checkpoint. Raises UserError if the job cannot use it."""
    from engine.runs.trained import find_trained

    trained = find_trained(home, folder)
    trained.settings(args)
    if kind == "evaluate":
        trained.pictures(home)
    return trained.reference


def _checkpoint(home: Home, jobs: list[Job], reference: str) -> tuple[str, str]:
    """Return the run of a reference, and the reference to store in a job: a step, or a name to resolve at its start."""
    name, _, which = reference.partition("@")
    which = which or "latest"
    training = [job for job in jobs if job.run == name and job.kind == "train" and not job.over]
    # A branch that a worker will create counts as a run for the jobs queued after it.
    folder = home.run(name) if training else runs.find(home, name)
    reached = runs.newest(folder)
    if which in ("latest", "best"):
        if reached is None and not training:
            raise UserError(
                f"run {name!r} has no checkpoint, and none is queued", f"train it first: queue train {name}"
            )
        return name, f"{name}@{which}"
    from engine.runs.checkpoints import resolve

    if which[:1] == "e" and which[1:].isdecimal():
        ahead = reached is None or reached.epochs_seen < int(which[1:])
        if ahead and any(job.to_epoch >= int(which[1:]) for job in training):
            return name, f"{name}@{which}"
    _, info = resolve(home, f"{name}@{which}")
    return name, f"{name}@{info.step}"


def check_after(jobs: dict[str, Job], after: Iterable[str], find: Any) -> tuple[str, ...]:
    """Return the ids for which a job waits. A failed one is refused, because the job would wait for ever."""
    found = []
    for name in after:
        job: Job = find(name)
        if job.state in LOST:
            raise UserError(
                f"job {job_number(job.id)} {'failed' if job.state is State.FAILED else 'was cancelled'}",
                f"`queue retry {job_number(job.id)}` first, or omit --after",
            )
        found.append(job.id)
    return tuple(dict.fromkeys(found))


def absolute_profile(target: str, folder: str) -> str:
    """Return a profile file's absolute path: it is relative to the user's folder, not to the service's."""
    if is_file_name(target):
        return str((Path(folder) / given_path(target)).absolute())
    return target
