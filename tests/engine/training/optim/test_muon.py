"""Muon against torch's own, which takes one matrix after the other; and what of a network it takes."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.base.folders import CheckpointFolder
from engine.config.store import build_profile
from engine.device.plan import decide, gather
from engine.models.build import unet_config
from engine.models.unet import UNet
from engine.training.optim import kept_by_optimizer, muon
from engine.training.optim.muon import RMS, Muon, inner_weights, orthogonalised
from engine.training.state import TrainState
from tests.tiny import TINY

ADAMW = {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.01}


def network(**model: object) -> tuple[UNet, dict[str, nn.Parameter]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet(unet_config(build_profile({**TINY, "model": {**TINY["model"], **model}}, "tiny")))
    return unet, dict(unet.named_parameters())


def spread_of(matrices: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svdvals(matrices.float())


@pytest.mark.parametrize("shape", [(3, 16, 144), (2, 40, 16), (1, 24, 24), (2, 16, 24)])
def test_singular_values_become_equal_and_directions_stay(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    # Singular values a factor of 20 apart, as gradients have them, and another size for each matrix.
    steep = (
        u
        * torch.linspace(1, 20, s.shape[1])
        * torch.tensor(0.01).pow(torch.arange(len(s)))[:, None, None]
        @ v
    )
    found, turned, alone = orthogonalised([steep, steep.mT, steep[:1]])
    torch.testing.assert_close(turned, found.mT, atol=1e-4, rtol=0)
    torch.testing.assert_close(alone, found[:1], atol=1e-4, rtol=0)
    assert found.shape == matrices.shape
    values = spread_of(found)
    assert values.min() > 0.6
    assert values.max() < 1.3
    along = torch.einsum("nri,nrc,nic->ni", u, found.float(), v)  # the diagonal of Uᵀ X V
    assert along.min() > 0.55


@pytest.mark.parametrize("spread", [1e3, 1e6])
def test_small_singular_values_never_become_large(spread: float) -> None:
    generator = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(4, 64, 576, generator=generator), full_matrices=False)
    steep = u * torch.logspace(0, -math.log10(spread), 64) @ v
    assert spread_of(orthogonalised([steep])[0]).max() < 1.3


def test_it_has_all_bits_where_the_network_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    flags, seen = torch.backends.cuda.matmul, []

    def noting(stacks: list[torch.Tensor]) -> list[torch.Tensor]:
        seen.append(flags.allow_tf32)
        return orthogonalised(stacks)

    monkeypatch.setattr(muon, "orthogonalised", noting)
    unet, named = network()
    optimizer = Muon(unet, lr=1e-2, fused=True, **ADAMW)
    for parameter in named.values():
        parameter.grad = torch.ones_like(parameter)
    before = flags.allow_tf32
    try:
        flags.allow_tf32 = True
        optimizer.step()
        assert seen == [False]
        assert flags.allow_tf32
    finally:
        flags.allow_tf32 = before


def test_no_gradient_is_no_direction() -> None:
    zero = torch.zeros(2, 8, 8)
    assert torch.equal(orthogonalised([zero])[0], zero)


def test_inner_weights_are_the_full_kernels_between_first_and_last_layer() -> None:
    for block in ("resnet", "convnext"):
        unet, named = network(block=block)
        inner = {id(p) for p in inner_weights(unet)}
        for name, parameter in named.items():
            kernel = parameter.ndim == 4 and "depthwise" not in name
            assert (id(parameter) in inner) is (kernel and not name.startswith(("conv_in.", "conv_out."))), (
                name
            )


def test_steps_are_those_of_torch_s_muon_and_adamw() -> None:
    unet, named = network()
    twins = network()[1]
    inner = {id(p) for p in inner_weights(unet)}
    names = [name for name, p in named.items() if id(p) in inner]
    ours = Muon(unet, lr=1e-2, fused=True, **ADAMW)
    flat = {name: nn.Parameter(twins[name].detach().flatten(1).clone()) for name in names}
    theirs = torch.optim.Muon(
        flat.values(), lr=1e-2, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    rest = torch.optim.AdamW([p for n, p in twins.items() if n not in flat], lr=1e-2, fused=True, **ADAMW)
    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        for name, parameter in named.items():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            twins[name].grad = parameter.grad.clone()
            if name in flat:
                # torch's momentum is an average of gradients, ours their sum: directions are the same.
                flat[name].grad = parameter.grad.flatten(1)
        for optimizer in (ours, theirs, rest):
            optimizer.step()
    for name, parameter in named.items():
        if name in flat:
            change = parameter.detach().flatten(1) - twins[name].detach().flatten(1)
            wanted = flat[name].detach() - twins[name].detach().flatten(1)
            assert (change - wanted).norm() < 0.02 * wanted.norm(), name
        else:
            torch.testing.assert_close(parameter, twins[name])


def test_how_weights_lie_in_memory_changes_no_step() -> None:
    after = []
    for layout in (torch.contiguous_format, torch.channels_last):
        unet, named = network()
        unet.to(memory_format=layout)  # type: ignore[call-overload]
        optimizer = Muon(unet, lr=1e-2, fused=True, **ADAMW)
        generator = torch.Generator().manual_seed(5)
        for _ in range(2):
            for parameter in named.values():
                parameter.grad = torch.empty_like(parameter).copy_(
                    torch.randn(parameter.shape, generator=generator)
                )
            optimizer.step()
        after.append({name: p.detach().contiguous() for name, p in named.items()})
    assert any(not p.is_contiguous() for p in named.values())
    for name, value in after[0].items():
        torch.testing.assert_close(after[1][name], value, atol=1e-5, rtol=1e-4)


def test_updates_are_as_large_as_adamw_s() -> None:
    unet, named = network()
    optimizer = Muon(unet, lr=1.0, fused=True, **{**ADAMW, "weight_decay": 0.0})
    before = {name: p.detach().clone() for name, p in named.items()}
    for parameter in named.values():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    optimizer.step()
    for parameter in inner_weights(unet):
        name = next(n for n, p in named.items() if p is parameter)
        change = (parameter.detach() - before[name]).square().mean().sqrt().item()
        assert change == pytest.approx(RMS, rel=0.25), name


def trained(kind: str) -> TrainState:
    """A state after one step with some gradient."""
    profile = build_profile({**TINY, "optim": {**TINY.get("optim", {}), "optimizer": kind}}, "tiny")
    state = TrainState.create(profile, decide(gather("cpu"), profile), torch.device("cpu"))
    step(state)
    kept = [value for values in state.optimizer.state.values() for k, value in values.items() if k != "step"]
    assert sum(value.numel() for value in kept) == kept_by_optimizer(profile.optim.optimizer, state.model)
    return state


def step(state: TrainState) -> None:
    for parameter in state.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.optimizer.step()


def keys(state: TrainState) -> dict[str, set[str]]:
    return {n: set(state.optimizer.state[p]) for n, p in state.model.named_parameters()}


@pytest.mark.parametrize(("before", "after"), [("adamw", "muon"), ("muon", "adamw"), ("muon", "muon")])
def test_a_branch_may_change_the_optimizer(tmp_path: Path, before: str, after: str) -> None:
    old, new = trained(before), trained(after)
    wanted = keys(new)
    folder = CheckpointFolder(tmp_path)
    old.save(folder)
    new.optimizer.state.clear()
    new.load(folder, 1, old.counters())
    for name, parameter in new.model.named_parameters():
        kept = new.optimizer.state.get(parameter, {})
        assert set(kept) in (wanted[name], set())
        same = wanted[name] == keys(old)[name]
        assert bool(kept) is same, name
    step(new)
    assert keys(new) == wanted


def test_a_step_in_which_the_scaler_sees_an_overflow_changes_nothing() -> None:
    unet, named = network()
    optimizer = Muon(unet, lr=1e-2, fused=True, **ADAMW)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    generator = torch.Generator().manual_seed(4)
    for overflow in (False, True, False):
        before = {name: p.detach().clone() for name, p in named.items()}
        scaler.scale(torch.zeros(()))
        for parameter in named.values():
            parameter.grad = 256 * torch.randn(parameter.shape, generator=generator)
        if overflow:
            inner_weights(unet)[0].grad.view(-1)[0] = torch.inf  # type: ignore[union-attr]
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        for name, parameter in named.items():
            assert torch.equal(before[name], parameter) is overflow, name
        assert all(torch.isfinite(v).all() for state in optimizer.state.values() for v in state.values())
