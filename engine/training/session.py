"""Opening a run for training: its data, the frozen plan, and the state at its newest whole checkpoint."""

import os
import platform
from dataclasses import dataclass, replace

import torch

from engine.base.errors import DamagedError, UserError
from engine.base.folders import PackedFolder, RunFolder, is_number
from engine.config.profile import Profile
from engine.data.job import pack_for
from engine.data.labelled import open_pictures
from engine.data.manifest import is_whole, verify_packed
from engine.data.packed import Packed
from engine.device import plan as precision
from engine.device.place import KINDS, began_on
from engine.diffusion.schedule import Schedule
from engine.jobs.context import Work
from engine.models.build import architecture, make_schedule, unet_config, unlabelled
from engine.runs.branch import require_beginning
from engine.runs.checkpoints import Manifest, newest_whole, origin_of, remove_leftovers
from engine.runs.pictures import pictures_of, require_batch
from engine.runs.rate_plan import RatePlan
from engine.runs.record import RunRecord, freeze, read_record, write_record
from engine.runs.timeline import Origin, Timeline
from engine.training.batches import Feeder
from engine.training.labels import LabelFeed
from engine.training.state import TrainState


@dataclass
class Session:
    """A run that is open on a device. `resumed` is the manifest it continues from, if any."""

    run: RunFolder
    record: RunRecord
    plan: precision.DevicePlan
    device: torch.device
    schedule: Schedule
    state: TrainState
    feeder: Feeder
    packed: Packed
    labels: LabelFeed | None
    rates: RatePlan
    resumed: Manifest | None

    @property
    def profile(self) -> Profile:
        return self.record.profile

    @property
    def timeline(self) -> Timeline:
        return self.feeder.timeline

    def plan_to(self, to_epoch: int) -> None:
        """Decide the learning rates up to there, for good from their first step on."""
        here = self.timeline.epochs(self.state.step)
        self.rates = self.record.rates_to(to_epoch, here)
        segments = [segment.to_json() for segment in self.rates.segments]
        self.record = freeze(self.run, horizon_epochs=self.rates.horizon, segments=segments)


def open_session(work: Work, run: RunFolder) -> Session:
    """Pack the data where that was not done, decide or recall the plan, make or load the state.

    The caller holds the run's lock. Raises UserError where the run cannot go on here, with the reason.
    """
    record = read_record(run)
    profile = record.profile
    data = profile.data
    folder = pictures_of(work.home, record)
    if not is_whole(folder):
        folder = pack_for(work, data.dataset, data.size, data.recipe, data.limit)
    work.report("starting", text="checking the pictures")
    _check_pictures(work, folder)
    work.report("starting", text="loading pictures")
    opened = open_pictures(work.home, folder, profile, record.frozen)
    packed = opened.packed
    feed = LabelFeed(opened.labels, profile.labels) if opened.labels is not None else None
    plan = _plan(work, record, packed)
    device = precision.apply(plan)
    _check_data(record, packed.manifest.identity, len(packed.train))

    require_batch(profile, len(packed.train), run.name)
    feeder = Feeder(
        packed.pictures,
        packed.train,
        batch_size=profile.training.batch_size,
        steps=profile.diffusion.steps,
        seed=profile.training.seed,
        flip=data.flip,
        device=device,
        on_device=plan.data_on_device,
        origin=_origin(run, record),
        labels=feed,
    )
    state = TrainState.create(profile, plan, device)
    state.micro_batches = record.frozen.get("micro_batches") or [[0, _micro_batch(profile, plan)]]
    record = freeze(
        run,
        plan=plan.to_json(),
        device_kind=began_on(record.frozen) or plan.kind,
        origin=feeder.timeline.origin.to_json(),
        micro_batches=state.micro_batches,
        steps_per_epoch=feeder.steps_per_epoch,
        architecture=architecture(unet_config(profile)),
        data={
            "folder": folder.path.name,
            "fingerprint": packed.manifest.fingerprint,
            "sha256": packed.manifest.identity,
            "train": len(packed.train),
        },
        **({"labels": {"digest": opened.digest}} if opened.digest else {}),
    )
    if not record.versions:
        record = replace(record, versions={"torch": torch.__version__, "python": platform.python_version()})
        write_record(run, record)

    remove_leftovers(run)
    require_beginning(work.home, run)
    resumed = _resume(work, run, state, record)
    return Session(
        run,
        record,
        plan,
        device,
        make_schedule(profile, device),
        state,
        feeder,
        packed,
        feed,
        record.rates or RatePlan.of(profile, profile.horizon_epochs),
        resumed,
    )


def _check_pictures(work: Work, folder: PackedFolder) -> None:
    """Read every byte of the packed pictures once: nothing is trained on altered ones. Raises DamagedError."""
    problems = verify_packed(folder, work.raise_if_stopping)
    if problems:
        raise DamagedError(problems[0], f"delete {folder.path}; the next training packs it again")


def _plan(work: Work, record: RunRecord, packed: Packed) -> precision.DevicePlan:
    """The frozen plan where it fits the device that is here; otherwise a new one, said so."""
    facts = _facts(work, record)
    frozen = record.frozen.get("plan")
    if frozen:
        plan = precision.DevicePlan.from_json(frozen)
        if facts.name == plan.device_name:
            return replace(plan, device=facts.device)
        work.say(
            f"this run was on {plan.device_name} and continues on {facts.name}: "
            "from here its bits differ from those of an uninterrupted run"
        )
    plan = precision.decide(facts, record.profile, packed.pictures.nbytes, len(packed.train))
    work.say(f"device: {plan.summary(work.device_name(plan.device))}")
    for reason in plan.reasons:
        work.say(f"  {reason}")
    return plan


def _facts(work: Work, record: RunRecord) -> precision.DeviceFacts:
    """The device to train on: the one that is given or asked for, else one of the kind that the run began on.

    Raises UserError if there is none: a run that began on a GPU is not trained on the CPU unless somebody says so.
    """
    wanted, began = work.device(record.profile.training.device), began_on(record.frozen)
    if wanted != "auto" or began is None:
        return precision.gather(wanted)
    try:
        return precision.gather(began)
    except UserError as error:
        raise UserError(
            f"run {record.name!r} began on {KINDS[began]}: {error.what}",
            "see `ddpm-tui doctor`; --device cpu trains it on the CPU, with other bits",
        ) from None


def _check_data(record: RunRecord, sha256: str, train: int) -> None:
    before = record.frozen.get("data")
    if before and (before.get("sha256", sha256) != sha256 or before.get("train", train) != train):
        raise UserError(
            f"the pictures of data set {record.profile.data.dataset!r} are not those that run "
            f"{record.name!r} began with",
            "restore them, or start a new run",
        )


def _origin(run: RunFolder, record: RunRecord) -> Origin:
    """Where its steps begin. A branch that an older program made, and nobody began, begins at its checkpoint."""
    if record.origin is not None:
        return record.origin
    begun = "steps_per_epoch" in record.frozen
    first = newest_whole(run) if record.lineage is not None and not begun else None
    return origin_of(first.whole()) if first else Origin()


def _micro_batch(profile: Profile, plan: precision.DevicePlan) -> int:
    """Pictures per forward pass: the profile's, else the largest divisor of the batch that fits in memory."""
    batch = profile.training.batch_size
    if profile.micro_batch:
        return profile.micro_batch
    if plan.kind == "cpu":
        import psutil

        free = psutil.virtual_memory().available
    else:
        free = torch.cuda.mem_get_info(plan.device)[0]
    from engine.models.count import activation_bytes_per_picture
    from engine.models.unet import UNet

    model = UNet(unet_config(profile))
    model.activation_checkpointing = plan.activation_checkpointing
    dtype = plan.autocast_dtype or torch.float32
    each = activation_bytes_per_picture(model, dtype, channels_last=plan.layout == "channels_last")
    return largest_micro_batch(batch, each, int(free * 0.7))


def largest_micro_batch(batch: int, bytes_each: int, free: int) -> int:
    """The largest divisor of `batch` whose saved activations fit into `free` bytes; at least 1."""
    for parts in range(1, batch + 1):
        if batch % parts == 0 and batch // parts * bytes_each <= free:
            return batch // parts
    return 1


def _resume(work: Work, run: RunFolder, state: TrainState, record: RunRecord) -> Manifest | None:
    """Load the newest complete checkpoint, reporting damaged ones. A branch with labels may begin at a checkpoint
    without labels. Raises UserError if none is complete, and OSError if the folder cannot be listed: a run never starts
    again because of that."""
    config = unet_config(record.profile)
    name = architecture(config)
    info = newest_whole(run, complain=work.say)
    if info is None:
        if run.checkpoints.is_dir() and any(is_number(entry) for entry in os.listdir(run.checkpoints)):
            raise UserError(
                f"run {run.name!r} has checkpoints, but all are damaged",
                f"see `checkpoints verify {run.name}`; delete them to start again",
            )
        return None
    manifest = info.whole()
    begins = record.lineage is not None and manifest.step == record.lineage.step
    without_labels = begins and manifest.architecture == architecture(unlabelled(config)) != name
    if manifest.architecture != name and not without_labels:
        raise UserError(
            f"checkpoint {run.name}@{info.step} is of another architecture ({manifest.architecture}, "
            f"the profile makes {name})",
            "use the profile the run was made with, or start a new run",
        )
    counters = {"sums": manifest.sums, "scaler": manifest.scaler}
    state.load(info.folder, manifest.step, counters, without_labels)
    work.say(f"resumed from checkpoint {manifest.step} (epoch {manifest.epochs_seen:.2f})")
    return manifest
