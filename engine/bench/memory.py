"""Memory of a profile's step: the counted bytes, and the peak of a process of its own.

`python -m engine.bench.memory DEVICE` is that process: a profile comes in as JSON on standard input. Resident
memory only ever rises, so each figure needs a process that does nothing else.
"""

import json
import subprocess
import sys
from typing import Any

import torch

from engine.base.errors import UserError
from engine.base.text import plural
from engine.bench.options import Options
from engine.config.profile import Profile
from engine.config.store import build_profile
from engine.device import plan as precision
from engine.device.allocator import keep_memory
from engine.jobs.context import Work
from engine.models.build import unet_config
from engine.models.count import saved_activation_bytes
from engine.models.unet import UNet
from engine.training.optim import kept_by_optimizer

AT_MOST = 1 << 30
"""Saved activations of a step that is really run; larger micro-batches are counted from two smaller ones."""


def measure_memory(
    work: Work, facts: precision.DeviceFacts, profiles: dict[str, Profile], options: Options
) -> dict[str, Any]:
    """Return counted and measured bytes for every profile, for its own micro-batch, and the device it ran on."""
    rows = []
    for name, profile in profiles.items():
        work.raise_if_stopping()
        work.report("starting", text=f"bench: memory of {name}")
        row = counted(name, profile, facts)
        if not options.quick:
            row |= _measured(profile, facts, row)
        rows.append(row)
    return {"rows": rows}


def counted(name: str, profile: Profile, facts: precision.DeviceFacts) -> dict[str, Any]:
    """Count saved activations by autograd's own hooks, at 1 and 2 pictures, and those of the profile's micro-batch."""
    plan = precision.decide(facts, profile)
    model = UNet(unet_config(profile))
    model.activation_checkpointing = plan.activation_checkpointing
    dtype = plan.autocast_dtype or torch.float32
    one, two = (
        saved_activation_bytes(model, count, dtype, plan.layout == "channels_last") for count in (1, 2)
    )
    micro = profile.micro_batch or profile.training.batch_size
    weights = sum(p.numel() for p in model.parameters())
    state = 4 * (3 * weights + kept_by_optimizer(profile.optim.optimizer, model))  # model, gradient, average
    saved = one + (micro - 1) * (two - one)
    return {
        "profile": name,
        "precision": plan.precision,
        "batch": profile.training.batch_size,
        "micro_batch": micro,
        "saved_per_picture": two - one,
        "saved_bytes": saved,
        "state_bytes": state,
        "counted_bytes": saved + state,
    }


def _measured(profile: Profile, facts: precision.DeviceFacts, row: dict[str, Any]) -> dict[str, Any]:
    """Return the peak of a real step above the process before it: at the micro-batch if it is small enough."""
    largest = max(1, int(AT_MOST // row["saved_per_picture"]))
    at = [row["micro_batch"]] if row["micro_batch"] <= largest else [max(1, largest // 2), largest]
    peaks = [_peak_in_a_process(profile, facts.device, micro) for micro in at]
    if len(at) == 2 and at[0] != at[1]:
        each = (peaks[1] - peaks[0]) / (at[1] - at[0])
        found = peaks[1] + each * (row["micro_batch"] - at[1])
    else:
        found = float(peaks[-1])
    return {"peak_bytes": int(found), "measured_at": at, "extrapolated": row["micro_batch"] not in at}


def _peak_in_a_process(profile: Profile, device: str, micro: int) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "engine.bench.memory", device, str(micro)],
        input=json.dumps(profile.to_dict()),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(
            f"a step of {plural(micro, 'picture')} could not be run to see its memory: {why}",
            "leave the part out with --only, or ask for smaller profiles with --profile",
        )
    return int(done.stdout.split()[-1])


def peak_of_a_step(profile: Profile, device: str, micro: int) -> int:
    """Return the bytes above the process as it was with torch loaded: state, two micro-batches, clipping, update,
    average.

    On a CPU peak resident memory; on a GPU the allocator's own peak.
    """
    from engine.bench.subject import RATE, fill_zeros, noise
    from engine.models.build import make_schedule
    from engine.training.state import TrainState
    from engine.training.step import Stepper

    keep_memory()
    plan = precision.decide(precision.gather(device), profile)
    where = precision.apply(plan)
    before = _resident()
    state = TrainState.create(profile, plan, where)
    fill_zeros(state.model)
    state.micro_batches = [[0, micro]]
    stepper = Stepper(state, make_schedule(profile, where), profile, plan, state.model)
    batch = noise(2 * micro, profile, where)
    for _ in range(2):  # the optimizer makes its moments in the first
        stepper.step(batch, RATE)
    if where.type == "cuda":
        return torch.cuda.max_memory_allocated(where)
    return _peak_resident() - before


def _resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _peak_resident() -> int:
    """Return the peak bytes of this process since it began. The kernel's count also survives a child's exec, so
    /proc comes first."""
    import resource

    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


if __name__ == "__main__":
    given = build_profile(json.loads(sys.stdin.read()), "the profile")
    print(peak_of_a_step(given, sys.argv[1], int(sys.argv[2])))
