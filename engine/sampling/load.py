"""Loading a trained network: built without memory, then filled from the checkpoint's file."""

from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import nn

from engine.base.errors import DamagedError
from engine.base.folders import RunFolder
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.device import plan as precision
from engine.diffusion.schedule import Schedule
from engine.models.build import check_fits, make_schedule, read_weights, unet_config
from engine.models.unet import UNet
from engine.runs.checkpoints import newest_whole, sha256, verify
from engine.runs.export import Export
from engine.runs.trained import Trained


@dataclass
class Loaded:
    """A network in evaluation mode with the schedule and profile it was trained with."""

    model: nn.Module
    schedule: Schedule
    profile: Profile
    plan: precision.DevicePlan
    device: torch.device
    guide: nn.Module | None = None
    """a worse network of the same kind, on the same device, if one guides it"""


def free_memory(loaded: Loaded) -> int:
    """Return the free bytes on the network's device."""
    if loaded.plan.kind == "cuda":
        return torch.cuda.mem_get_info(loaded.device)[0]
    return int(psutil.virtual_memory().available)


def load(trained: Trained, settings: Settings, device: str = "auto", guide: Trained | None = None) -> Loaded:
    """Load the weights that `settings` asks for onto a device, and those of its guide if it has one.

    Raises DamagedError or UserError naming the file.
    """
    loaded = load_weights(trained, settings.weights, device)
    if guide is not None:
        loaded.guide = load_weights(guide, str(settings.guide_weights), device).model
    return loaded


def load_weights(trained: Trained, weights: str, device: str = "auto") -> Loaded:
    """Load `weights` ("ema" or "raw") onto a device. Raises DamagedError or UserError that names the file."""
    of = trained.of
    if isinstance(of, Export):
        path = of.folder.weights
        if not path.is_file() or sha256(path) != of.sha256:
            raise DamagedError(
                f"{path} has changed since it was exported (SHA-256 differs)", "export the checkpoint again"
            )
        return _load(trained.profile, path, device)
    problem = of.problem or verify(of.folder)
    if problem:
        raise DamagedError(f"checkpoint {trained.name} is damaged: {problem}", _way_out(trained))
    return _load(trained.profile, of.folder.ema if weights == "ema" else of.folder.model, device)


def _way_out(trained: Trained) -> str:
    """The checkpoint to use instead of one that is damaged."""
    if not isinstance(trained.place, RunFolder):
        return "use another one"
    whole = newest_whole(trained.place)
    if whole is None:
        return f"run {trained.place.name!r} has no whole checkpoint: use another run"
    return f"the newest whole one is {trained.place.name}@{whole.step}"


def _load(profile: Profile, path: Path, device: str) -> Loaded:
    facts = precision.gather(device)
    plan = precision.decide(facts, profile)
    place = precision.apply(plan)
    tensors = read_weights(path)
    with torch.device("meta"):
        model = UNet(unet_config(profile))
    check_fits(dict(model.named_parameters()), tensors, path)
    # An export may keep them as float16.
    whole = {name: value.float() for name, value in tensors.items()}
    model.load_state_dict(whole, strict=False, assign=True)
    if any(b.is_meta for b in model.buffers()):
        raise AssertionError("a buffer of the network is not in the checkpoint")
    model = model.to(place).eval().requires_grad_(False)
    return Loaded(model, make_schedule(profile, place), profile, plan, place)
