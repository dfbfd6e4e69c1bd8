"""What training and sampling would ask of a CUDA device, on tensors without storage that say they are there.

Such tensors refuse what mixes devices, and every read of a value, for which a real device would have to be waited
for. The backward pass itself needs a real one; it is taken to leave zeros.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import engine.training.batches
import engine.training.state
from engine.config.profile import Profile
from engine.config.store import build_profile
from engine.device.plan import DeviceFacts, DevicePlan, decide
from engine.diffusion.reverse import sample
from engine.diffusion.samplers import SAMPLERS
from engine.models.build import make_schedule
from engine.models.config import UNetConfig
from engine.models.unet import UNet
from engine.training.batches import Batch, Feeder
from engine.training.state import TrainState
from engine.training.step import Stepper
from tests.tiny import TINY

pytestmark = pytest.mark.filterwarnings("ignore:CUDA is not available")

CARD = torch.device("cuda:0")
FACTS = DeviceFacts("cuda:0", "NVIDIA A100", 40 << 30, 8, (8, 0), ("sm_80",))


class Waits(TorchDispatchMode):
    """Counts copies from the card, and those to it that are waited for."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        given = {a.device.type for a in args if isinstance(a, Tensor) and (a.ndim or "copy" in str(func))}
        if isinstance(found, Tensor) and given - {found.device.type}:
            blocking = not ((kwargs or {}).get("non_blocking") or args[2:3] == (True,))
            self.count += found.device.type == "cpu" or blocking
        return found


class OnTheCard(UNet):
    """Made there: moving parameters without storage is what torch cannot."""

    def __init__(self, config: UNetConfig) -> None:
        with CARD:
            super().__init__(config)

    def to(self, *_args: Any, **kwargs: Any) -> "OnTheCard":
        for parameter in self.parameters():
            if parameter.ndim == 4 and kwargs.get("memory_format") == torch.channels_last:
                parameter.data = parameter.data.to(memory_format=torch.channels_last)
        return self


class SomeNoise:
    def next(self) -> Tensor:
        return torch.randn(4, 3, 16, 16, device=CARD)


def zero_gradients(models: list[nn.Module]) -> Any:
    def backward(loss: Tensor) -> None:
        assert loss.device == CARD
        for model in models:
            for parameter in model.parameters():
                gradient = torch.zeros_like(parameter)
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    return backward


def fused(parameters: list[Tensor], *lists: list[Tensor], lr: Tensor, found_inf: Tensor, **_: Any) -> None:
    """Stands for torch's kernels, which have no form without storage: all they are given is on one card."""
    assert {t.device for each in (parameters, *lists, [lr, found_inf]) for t in each} == {CARD}


@contextmanager
def a_card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waits]:
    monkeypatch.setattr(engine.training.state, "UNet", OnTheCard)
    monkeypatch.setattr(engine.training.batches, "generator_for", lambda *_: None)  # a card's own
    monkeypatch.setattr(torch, "_fused_adam_", fused)
    monkeypatch.setattr(torch, "_fused_adamw_", fused)
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: self)
    with FakeTensorMode(allow_non_fake_inputs=True), Waits() as waits:
        yield waits


def feeder(on_device: bool) -> Feeder:
    return Feeder(
        np.zeros((20, 3, 16, 16), np.uint8), np.arange(20), batch_size=8, steps=50, seed=0, flip=True,
        device=CARD, on_device=on_device,
    )  # fmt: skip


def profile_with(**sections: dict[str, Any]) -> tuple[Profile, DevicePlan]:
    merged = {**TINY, **{key: {**TINY.get(key, {}), **value} for key, value in sections.items()}}
    merged["training"] = {**merged["training"], "precision": "auto"}
    profile = build_profile(merged, "tiny")
    return profile, decide(FACTS, profile, data_bytes=1000)


def test_a_mixture_of_devices_and_a_read_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_card(monkeypatch) as waits:
        there = torch.ones(2, device=CARD)
        with pytest.raises(RuntimeError, match="device"):
            there + torch.ones(2)
        with pytest.raises(DataDependentOutputException):
            there.sum().item()
        assert waits.count == 0
        there.cpu()
        assert waits.count == 1
        torch.ones(2).to(CARD, non_blocking=True)
        assert waits.count == 1
        torch.ones(2).to(CARD)
        there.copy_(torch.ones(2))
        assert waits.count == 3


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
@pytest.mark.parametrize(
    "model",
    [
        {"block": "resnet", "attention": ["linear", "softmax"]},
        {"block": "convnext", "attention_middle": "softmax"},
    ],
)
@pytest.mark.parametrize("objective", [{"prediction": "v", "min_snr_gamma": 5.0}, {"prediction": "eps"}])
@pytest.mark.parametrize("on_device", [True, False])
def test_a_training_step_stays_there_and_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
    model: dict[str, Any],
    objective: dict[str, Any],
    on_device: bool,
) -> None:
    profile, plan = profile_with(
        optim={"optimizer": optimizer, "weight_decay": 0.01}, model=model, objective=objective
    )
    assert (plan.kind, plan.precision, plan.layout) == ("cuda", "bf16", "channels_last")
    with a_card(monkeypatch) as waits:
        state = TrainState.create(profile, plan, CARD)
        state.micro_batches = [[0, 4]]
        monkeypatch.setattr(Tensor, "backward", zero_gradients([state.model]))
        batches = feeder(on_device)
        stepper = Stepper(state, make_schedule(profile, CARD), profile, plan, state.model)
        waits.count = 0
        for number in range(2):
            batch = batches.batch(number)
            assert {t.device for t in (batch.x_0, batch.eps, batch.t)} == {CARD}
            stepper.step(batch, 1e-3)
        kept = [v for values in state.optimizer.state.values() for v in values.values()]
        kept += [*state.ema.values, state.sums.values]
        assert len(kept) > len(list(state.model.parameters()))
        assert {t.device for t in kept} == {CARD}
        assert waits.count == 0


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_loss_scaling_waits_for_nothing_either(monkeypatch: pytest.MonkeyPatch, optimizer: str) -> None:
    profile, _ = profile_with(optim={"optimizer": optimizer})
    plan = decide(DeviceFacts("cuda:0", "Tesla T4", 16 << 30, 8, (7, 5), ("sm_75",)), profile, pictures=100)
    assert plan.precision == "fp16"
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    with a_card(monkeypatch) as waits:
        state = TrainState.create(profile, plan, CARD)
        state.micro_batches = [[0, 4]]
        assert state.scaler is not None
        assert state.scaler.is_enabled()
        monkeypatch.setattr(Tensor, "backward", zero_gradients([state.model]))
        stepper = Stepper(state, make_schedule(profile, CARD), profile, plan, state.model)
        batch = feeder(on_device=True).batch(0)
        stepper.step(batch, 1e-3)  # makes the scale
        waits.count = 0
        stepper.step(batch, 1e-3)
        assert waits.count == 0


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("prediction", ["v", "eps", "x0"])
def test_sampling_stays_there_and_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch, sampler: str, prediction: str
) -> None:
    profile, plan = profile_with(objective={"prediction": prediction})
    with a_card(monkeypatch) as waits, torch.no_grad():
        state = TrainState.create(profile, plan, CARD)
        schedule = make_schedule(profile, CARD)
        waits.count = 0
        found = sample(
            state.model, schedule, prediction, torch.randn(4, 3, 16, 16, device=CARD),
            sampler=sampler, steps=5, eta=0.5, noise=SomeNoise(),
        )  # fmt: skip
        assert found.device == CARD
        assert waits.count == 0


def test_batches_are_of_the_shapes_a_step_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_card(monkeypatch):
        batch: Batch = feeder(on_device=True).batch(0)
        assert batch.x_0.shape == batch.eps.shape == (8, 3, 16, 16)
        assert batch.t.shape == (8,)
