"""The cost of a profile on this machine: counted, or measured for a few seconds."""

import time
from typing import Any

import torch

from engine.base.errors import DamagedError, DdpmError
from engine.base.home import Home
from engine.config.profile import Profile
from engine.config.store import build_profile
from engine.data.catalog import packed_folder
from engine.data.manifest import load_manifest
from engine.device import plan as precision
from engine.jobs.context import Work
from engine.jobs.files import EXIT_DONE, Result
from engine.models.build import make_schedule, unet_config
from engine.models.count import activation_bytes_per_picture, forward_macs, parameters
from engine.models.unet import UNet
from engine.training.batches import Batch
from engine.training.optim import kept_by_optimizer
from engine.training.session import largest_micro_batch
from engine.training.state import TrainState
from engine.training.step import Stepper

MEASURE_SECONDS = 4.0


def run_estimate(work: Work) -> Result:
    """Estimate a profile. Arguments: profile (as plain data), measure (bool). The figures are returned in `extra`."""
    profile = build_profile(work.spec.args["profile"], "the profile")
    work.report("starting", text="building the model")
    figures = estimate(work, profile, bool(work.spec.args.get("measure", True)))
    return Result("done", EXIT_DONE, "estimated", extra=figures)


def estimate(work: Work, profile: Profile, measure: bool) -> dict[str, Any]:
    """Return parameters, MACs, bytes and, if measured, images/s and seconds per epoch, as plain data."""
    facts = precision.gather(work.device(profile.training.device))
    plan = precision.decide(facts, profile)
    device = precision.apply(plan)
    figures = {**count(work.home, profile, plan), "summary": plan.summary(work.device_name(plan.device))}
    if measure:
        figures |= _measure(work, profile, plan, device, figures["activation_bytes_per_picture"])
        pictures = figures["train_pictures"]
        if pictures:
            batch = profile.training.batch_size
            figures["epoch_seconds"] = pictures // batch * batch / figures["images_per_s"]
            figures["run_seconds"] = figures["epoch_seconds"] * profile.training.epochs
    return figures


def count(home: Home, profile: Profile, plan: precision.DevicePlan) -> dict[str, Any]:
    """Return the figures that need no training: parameters, MACs, bytes. They are counted on the CPU; the device is
    not used.
    """
    config = unet_config(profile)
    model = UNet(config)
    model.activation_checkpointing = plan.activation_checkpointing
    dtype = plan.autocast_dtype or torch.float32
    activations = activation_bytes_per_picture(model, dtype, channels_last=plan.layout == "channels_last")
    weights = parameters(model)
    stored = 2 * weights + kept_by_optimizer(
        profile.optim.optimizer, model
    )  # the averaged weights in addition to the weights
    return {
        "parameters": weights,
        "forward_macs": forward_macs(config),
        "activation_bytes_per_picture": activations,
        "activation_bytes": activations * (profile.micro_batch or profile.training.batch_size),
        "checkpoint_bytes": stored * 4,
        "state_bytes": (stored + weights) * 4,
        "plan": plan.to_json(),
        "summary": plan.summary(),
        "train_pictures": _train_pictures(home, profile),
        "epochs": profile.training.epochs,
    }


def _train_pictures(home: Home, profile: Profile) -> int | None:
    """Return the number of training pictures if the data is packed, else None."""
    data = profile.data
    try:
        return load_manifest(packed_folder(home, data.dataset, data.size, data.recipe, data.limit)).train
    except (DamagedError, DdpmError):
        return None


def _measure(
    work: Work, profile: Profile, plan: precision.DevicePlan, device: torch.device, activations: int
) -> dict[str, Any]:
    """Run real optimizer steps on noise for a few seconds, each variant in turn, after one warm-up step each."""
    import psutil

    batch = profile.training.batch_size
    state = TrainState.create(profile, plan, device)
    free = psutil.virtual_memory().available if plan.kind == "cpu" else torch.cuda.mem_get_info(device)[0]
    micro = profile.micro_batch or largest_micro_batch(batch, activations, int(free * 0.7))
    stepper = Stepper(state, make_schedule(profile, device), profile, plan, state.model)
    size = profile.data.size
    x = torch.randn(batch, 3, size, size, device=device)
    example = Batch(
        x, torch.randn_like(x), torch.randint(0, profile.diffusion.steps, (batch,), device=device)
    )
    ways = _ways(profile, plan, micro, activations)
    times: list[list[float]] = [[] for _ in ways]
    started, warm = time.monotonic(), False
    while not times[-1] or time.monotonic() - started < MEASURE_SECONDS:
        for way, took in zip(ways, times, strict=True):
            work.raise_if_stopping()
            state.micro_batches = [[0, way["micro_batch"]]]
            state.model.activation_checkpointing = way["activation_checkpointing"]
            before = time.monotonic()
            stepper.step(example, 0.0)
            _wait(plan)
            if warm:
                took.append(time.monotonic() - before)
        if not warm:
            started, warm = time.monotonic(), True
        work.report("starting", text=f"measuring: {sum(map(len, times))} steps")
    for way, took in zip(ways, times, strict=True):
        way["images_per_s"] = batch / sorted(took)[len(took) // 2]
    return {
        "micro_batch": micro,
        "images_per_s": ways[0]["images_per_s"],
        "measured_steps": len(times[0]),
        "ways": ways,
    }


def _ways(profile: Profile, plan: precision.DevicePlan, micro: int, activations: int) -> list[dict[str, Any]]:
    """Return the profile's own variant first, then variants that need less memory: micro_batch,
    activation_checkpointing, bytes of saved activations.
    """
    found = [(micro, plan.activation_checkpointing, activations)]
    if micro % 2 == 0:
        found.append((micro // 2, plan.activation_checkpointing, activations))
    if not plan.activation_checkpointing:
        model = UNet(unet_config(profile))
        model.activation_checkpointing = True
        dtype = plan.autocast_dtype or torch.float32
        least = activation_bytes_per_picture(model, dtype, channels_last=plan.layout == "channels_last")
        found.append((micro, True, least))
    return [
        {"micro_batch": count, "activation_checkpointing": again, "activation_bytes": count * each}
        for count, again, each in found
    ]


def _wait(plan: precision.DevicePlan) -> None:
    if plan.kind == "cuda":
        torch.cuda.synchronize()
