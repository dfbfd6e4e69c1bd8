"""From a profile to its network and noise schedule, and from a weights file to tensors that fit it."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.base.errors import DamagedError, UserError
from engine.base.scarcity import is_scarce, scarce, shortage
from engine.config.profile import Profile
from engine.diffusion.schedule import Schedule
from engine.models.config import UNetConfig


def unet_config(profile: Profile) -> UNetConfig:
    """Return the architecture that a profile means. Raises UserError if there is none."""
    try:
        return _config(profile)
    except ValueError as error:
        raise UserError(f"the model of this profile is invalid: {error}", "see [model] in it") from None


def _config(profile: Profile) -> UNetConfig:
    model = profile.model
    return UNetConfig(
        size=profile.data.size,
        width=model.width,
        multipliers=model.multipliers,
        block=model.block,
        blocks_per_level=model.blocks_per_level,
        attention=profile.attention,
        attention_middle=model.attention_middle,
        head_dim=model.head_dim,
        groups=model.groups,
        dropout=model.dropout,
        narrow_up=model.narrow_up,
        embedding_dim=model.embedding_dim,
        labels=profile.labels.kind,
        label_count=_label_count(profile),
    )


def _label_count(profile: Profile) -> int:
    if profile.labels.kind == "none":
        return 0
    if not profile.labels.names:
        raise UserError(
            "the labels of this profile are not known yet: it takes all that the data set has",
            "they are named when a run is made of it; or set labels.names",
        )
    return len(profile.labels.names)


def unlabelled(config: UNetConfig) -> UNetConfig:
    """Return the same network without labels."""
    return replace(config, labels="none", label_count=0)


def architecture(config: UNetConfig) -> str:
    """Return a short name for an architecture: equal if weights fit."""
    left_out = {"dropout"} | ({"labels", "label_count"} if config.labels == "none" else set())
    facts = {key: value for key, value in asdict(config).items() if key not in left_out}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:10]
    return f"unet-{config.block}-{config.width}x{'-'.join(map(str, config.multipliers))}-{digest}"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return tensors of a safetensors file on the CPU. Raises DamagedError naming it, and ScarceError."""
    try:
        with shortage(), open(path, "rb"):
            pass  # safetensors reports a file that cannot be opened now as missing
        tensors = load_file(path)
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing") from None
    except (SafetensorError, OSError, ValueError) as error:
        if is_scarce(error):
            raise scarce(error, str(path)) from error
        raise DamagedError(f"{path} is not an intact safetensors file ({error})") from None
    return {_name_now(name): tensor for name, tensor in tensors.items()}


_OLDER_NAMES = {"enter": "conv_in", "shrink": "downsample", "grow": "upsample", "leave": "conv_out"}
"""Modules of the network by the names that they had in earlier versions, whose files stay as they are."""


def _name_now(name: str) -> str:
    """Return the name of a weight ("enter.bias"), or of an optimizer's state for it ("exp_avg.enter.bias")."""
    first, *rest = name.split(".", 2)
    return ".".join(
        [_OLDER_NAMES.get(first, first), *(_OLDER_NAMES.get(part, part) for part in rest[:1]), *rest[1:]]
    )


def check_fits(parameters: dict[str, nn.Parameter], weights: dict[str, Tensor], path: Path) -> None:
    """Raise UserError unless names and shapes are the same."""
    for name, parameter in parameters.items():
        if name not in weights or weights[name].shape != parameter.shape:
            have = tuple(weights[name].shape) if name in weights else "nothing"
            raise UserError(
                f"{path} is of another architecture: {name} is {have}, the profile's model needs "
                f"{tuple(parameter.shape)}",
                "use the profile the run was made with, or start a new run",
            )
    extra = set(weights) - set(parameters)
    if extra:
        raise UserError(f"{path} is of another architecture: it also has {sorted(extra)[0]}")


def make_schedule(profile: Profile, device: torch.device | str = "cpu") -> Schedule:
    """Return the noise schedule of a profile, its tables on `device`."""
    d = profile.diffusion
    return Schedule.create(
        d.schedule, d.steps, d.beta_scaling, d.beta_start, d.beta_end, d.zero_terminal_snr, device=device
    )
