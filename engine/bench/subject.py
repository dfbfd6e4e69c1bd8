"""A profile made ready to be measured: its plan here, its state, and steps of a chosen number of pictures on noise.

Weights that are zero at the start are filled, so that nothing is cheaper than it is in a trained network.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from engine.config.profile import Profile
from engine.device import plan as precision
from engine.device.plan import DevicePlan
from engine.models.build import make_schedule, unet_config
from engine.models.unet import UNet
from engine.training.batches import Batch
from engine.training.compiling import compiled
from engine.training.state import TrainState
from engine.training.step import Stepper

RATE = 1e-6


@dataclass(frozen=True)
class Subject:
    """A profile's training step on a device. `flop`: operations of one picture, forward and backward."""

    name: str
    profile: Profile
    plan: DevicePlan
    pictures: int
    micro_batch: int
    parameters: int
    flop: float
    step: Callable[[], None]
    state: TrainState


def make_subject(
    name: str,
    profile: Profile,
    facts: precision.DeviceFacts,
    *,
    gflop: float,
    force: str | None = None,
    whole_batch: bool = False,
) -> Subject:
    """Make a subject. `gflop` decides how many pictures a step takes, at most the profile's batch (all of it:
    `whole_batch`).

    force: a precision in place of the one the device's facts decide.
    """
    if force:
        profile = profile.model_copy(
            update={"training": profile.training.model_copy(update={"precision": force})}
        )
    # A network that `auto` would compile is timed uncompiled; a profile that says "on" asks about compiling.
    plan = replace(precision.decide(facts, profile), compile=profile.training.compile == "on")
    device = precision.apply(plan)
    flop = training_flop(UNet(unet_config(profile)), profile.data.size)
    batch = profile.training.batch_size
    pictures = batch if whole_batch else max(1, min(batch, round(gflop * 1e9 / flop)))
    micro = min(pictures, profile.micro_batch or pictures)
    pictures -= pictures % micro
    state = TrainState.create(profile, plan, device)
    fill_zeros(state.model)
    state.micro_batches = [[0, micro]]
    size = profile.data.size
    forward = compiled(state.model, plan, (micro, 3, size, size)) if plan.compile else state.model
    stepper = Stepper(state, make_schedule(profile, device), profile, plan, forward)
    batch_of_noise = noise(pictures, profile, device)
    return Subject(
        name,
        profile,
        plan,
        pictures,
        micro,
        sum(p.numel() for p in state.model.parameters()),
        flop,
        lambda: stepper.step(batch_of_noise, RATE),
        state,
    )


def noise(pictures: int, profile: Profile, device: torch.device) -> Batch:
    """Return a batch of noise with timesteps spread over the schedule."""
    generator = torch.Generator(device=device).manual_seed(0)
    shape = (pictures, 3, profile.data.size, profile.data.size)
    x_0 = torch.rand(shape, generator=generator, device=device) * 2 - 1
    eps = torch.randn(shape, generator=generator, device=device)
    t = torch.arange(pictures, device=device) * profile.diffusion.steps // pictures
    return Batch(x_0, eps, t)


def fill_zeros(model: nn.Module) -> None:
    """Give weights that start at zero small values: zeros and denormal gradients have a speed of their own."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1 and not p.any():
                p.copy_(torch.randn(p.shape, generator=generator) * 0.02)


def training_flop(
    model: nn.Module, size: int, call: Callable[[Tensor, Tensor], Tensor] | None = None
) -> float:
    """Return the floating-point operations of one picture, forward and backward, by torch's counter, in fp32 on the
    CPU.

    The plain form of attention is forced, because the counter knows nothing of fused CPU kernels.
    """
    call = call or model
    x, t = torch.zeros(1, 3, size, size), torch.zeros(1, dtype=torch.int64)
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:
        call(x, t).sum().backward()
    model.zero_grad(set_to_none=True)
    return float(counter.get_total_flops())


def waiter(device: torch.device) -> Callable[[], None]:
    """Return the function to call before a clock is read."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None
