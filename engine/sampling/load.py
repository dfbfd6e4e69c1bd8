"""A run's network for drawing: built without memory, filled once from the checkpoint's file."""

from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import nn

from engine.diffusion.schedule import Schedule
from engine.errors import DamagedError
from engine.home import RunFolder
from engine.models.unet import UNet
from engine.profile import Profile
from engine.runs.checkpoints import CheckpointInfo, sha256, verify
from engine.runs.export import Export
from engine.runs.record import read_record
from engine.training import precision
from engine.training.session import make_schedule
from engine.training.state import check_fits, read_weights, unet_config


@dataclass
class Loaded:
    """A network in evaluation mode with the schedule and profile it was trained with."""

    model: nn.Module
    schedule: Schedule
    profile: Profile
    plan: precision.Plan
    device: torch.device


def free_memory(loaded: Loaded) -> int:
    """Bytes that are free where the network is."""
    if loaded.plan.kind == "cuda":
        return torch.cuda.mem_get_info(loaded.device)[0]
    return int(psutil.virtual_memory().available)


def load(run: RunFolder, info: CheckpointInfo, weights: str, device: str = "auto") -> Loaded:
    """Load `weights` ("ema" or "raw") of a checkpoint. Raises DamagedError or UserError naming the file."""
    problem = info.problem or verify(info.folder)
    if problem:
        raise DamagedError(f"checkpoint {run.name}@{info.step} is damaged: {problem}", "use another one")
    return _load(read_record(run).profile, info.folder.ema if weights == "ema" else info.folder.model, device)


def load_export(export: Export, device: str = "auto") -> Loaded:
    """Load the weights of an exported checkpoint. Raises DamagedError or UserError naming the file."""
    path = export.folder.weights
    if not path.is_file() or sha256(path) != export.sha256:
        raise DamagedError(
            f"{path} is not what was exported (SHA-256 differs)", "export the checkpoint again"
        )
    return _load(export.profile, path, device)


def _load(profile: Profile, path: Path, device: str) -> Loaded:
    facts = precision.gather(device if device != "auto" else profile.training.device)
    plan = precision.decide(facts, profile)
    place = precision.apply(plan)
    tensors = read_weights(path)
    with torch.device("meta"):
        model = UNet(unet_config(profile))
    check_fits(dict(model.named_parameters()), tensors, path)
    model.load_state_dict(tensors, strict=False, assign=True)
    if any(b.is_meta for b in model.buffers()):
        raise AssertionError("a buffer of the network is not in the checkpoint")
    model = model.to(place).eval().requires_grad_(False)
    return Loaded(model, make_schedule(profile, place), profile, plan, place)
