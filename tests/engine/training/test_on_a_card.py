"""What only a CUDA device can show; what a CPU can show as well is run on both."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.base.home import Home, shipped_profiles
from engine.bench.memory import peak_of_a_step
from engine.bench.subject import fill_zeros
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.config.store import build_profile, load_profile
from engine.device import plan as precision
from engine.device.plan import DevicePlan
from engine.models.build import make_schedule
from engine.sampling.drawing import draw
from engine.training.batches import Feeder
from engine.training.state import TrainState
from engine.training.step import Stepper
from tests.on_a_card import on_a_card
from tests.tiny import TINY

DEVICES = ["cpu", on_a_card("cuda", id="cuda")]
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {"block": "resnet", "attention": ["linear", "softmax"]},
    "convnext": {"block": "convnext", "attention": ["none", "softmax"]},
}


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """What a plan sets for the whole process is put back."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def made(device: str, **sections: dict[str, Any]) -> tuple[Profile, DevicePlan, TrainState, Stepper]:
    merged = {**TINY, **{key: {**TINY.get(key, {}), **value} for key, value in sections.items()}}
    profile = build_profile(merged, "tiny")
    plan = precision.decide(precision.gather(device), profile)
    where = precision.apply(plan)
    state = TrainState.create(profile, plan, where)
    fill_zeros(state.model)
    state.micro_batches = [[0, 4]]
    return profile, plan, state, Stepper(state, make_schedule(profile, where), profile, plan, state.model)


def feeder(device: str, on_device: bool = True) -> Feeder:
    pictures = np.random.default_rng(0).integers(0, 256, (24, 3, 16, 16), np.uint8)
    return Feeder(
        pictures, np.arange(24), batch_size=8, steps=50, seed=0, flip=True, device=torch.device(device),
        on_device=on_device,
    )  # fmt: skip


def everything(state: TrainState) -> list[Tensor]:
    moments = [state.optimizer.state[p] for p in state.model.parameters()]
    kept = [each[key] for each in moments for key in sorted(each)]
    return [*(p.detach() for p in state.model.parameters()), *state.ema.values, *kept]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("number", ["fp32", "auto"])
def test_the_same_steps_give_the_same_bits(device: str, network: str, optimizer: str, number: str) -> None:
    found = []
    for on_device in (True, False):
        _, _, state, stepper = made(
            device, model=NETWORKS[network], optim={"optimizer": optimizer}, training={"precision": number}
        )
        batches = feeder(device, on_device)
        for step in range(4):
            stepper.step(batches.batch(step), 1e-3)
        assert state.sums.read()["bad"] == 0
        found.append(everything(state))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("device", [on_a_card("cuda", id="cuda")])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
@pytest.mark.parametrize("on_device", [True, False])
def test_a_step_waits_for_nothing(device: str, network: str, optimizer: str, on_device: bool) -> None:
    _, _, state, stepper = made(
        device,
        model=NETWORKS[network],
        optim={"optimizer": optimizer},
        training={"precision": "bf16" if torch.cuda.is_bf16_supported() else "fp32"},
    )
    batches = feeder(device, on_device)
    for step in range(2):  # what is made once may be waited for
        stepper.step(batches.batch(step), 1e-3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        stepper.step(batches.batch(2), 1e-3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert state.step == 3


@pytest.mark.parametrize(("device", "other"), [("cpu", "cpu"), on_a_card("cpu", "cuda", id="cuda")])
@pytest.mark.parametrize("network", NETWORKS)
def test_pictures_of_one_seed_are_alike_on_every_device(device: str, other: str, network: str) -> None:
    drawn = []
    for each in (device, other):
        profile, plan, state, _ = made(each, model=NETWORKS[network], training={"precision": "fp32"})
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        schedule = make_schedule(profile, torch.device(plan.device))
        settings = Settings.from_profile(profile, seed=7)
        state.model.eval()
        found = next(draw(state.model, schedule, profile, plan, settings, 4, 4))
        drawn.append(found.pictures.astype(int))
    assert np.abs(drawn[0] - drawn[1]).max() <= 2, "levels of 255"
    assert drawn[0].std() > 10, "no empty pictures"


@pytest.mark.parametrize("device", [on_a_card("cuda", id="cuda")])
def test_celeba64_in_batches_of_128_takes_less_than_5_gb(device: str) -> None:
    profile = load_profile(Home.find(), str(shipped_profiles() / "celeba64-6gb.toml"))
    micro = profile.micro_batch
    assert micro is not None
    for number in ("fp32", "auto"):
        changed = profile.model_copy(
            update={"training": profile.training.model_copy(update={"precision": number})}
        )
        assert peak_of_a_step(changed, device, micro) < 5 * 10**9
