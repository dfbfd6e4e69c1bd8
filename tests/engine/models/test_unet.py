"""The UNet: shapes, what reaches what, the paper's layouts, checkpointing, the same bits twice."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.models.attention import Attention
from engine.models.blocks import ConvNextBlock, ResNetBlock
from engine.models.config import UNetConfig
from engine.models.unet import UNet

TINY: dict[str, Any] = {"size": 8, "width": 8, "multipliers": (1, 2), "attention": ("none", "softmax")}
TINY |= {"head_dim": 8, "groups": 4, "blocks_per_level": 1}


def tiny(**changed: Any) -> UNet:
    """A small UNet with random weights everywhere, so that nothing hides behind a zero."""
    torch.manual_seed(0)
    model = UNet(UNetConfig(**{**TINY, **changed}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def batch(model: UNet, n: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    size = model.config.size
    x = torch.randn(n, model.config.channels, size, size, generator=generator)
    return x, torch.arange(n) * 7 + 1


def gradients(model: UNet, x: Tensor, t: Tensor, seed: int = 5) -> list[Tensor]:
    torch.manual_seed(seed)
    model.zero_grad(set_to_none=True)
    model(x, t).square().mean().backward()  # type: ignore[no-untyped-call]
    grads = [parameter.grad for parameter in model.parameters()]
    assert all(grad is not None for grad in grads)
    return [grad for grad in grads if grad is not None]


SHAPES: list[dict[str, Any]] = [
    {},
    {"block": "convnext"},
    {"multipliers": (1,), "attention": ("softmax",)},
    {"multipliers": (1, 1, 3, 2), "attention": ("none", "linear", "softmax", "none"), "size": 24},
    {"channels": 1, "blocks_per_level": 3, "attention_middle": "none"},
    {"channels": 4, "attention": ("linear", "linear"), "attention_middle": "linear", "narrow_up": True},
    {"multipliers": (3, 2, 1), "attention": ("softmax",) * 3, "narrow_up": True},
    {"width": 6, "groups": 3, "head_dim": 3, "embedding_dim": 5, "block": "convnext", "size": 10},
    {"size": 2},
]


@pytest.mark.parametrize("changed", SHAPES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_shape_and_a_gradient_for_every_weight(changed: dict[str, Any], layout: torch.memory_format) -> None:
    model = tiny(**changed).to(memory_format=layout)
    x, t = batch(model)
    assert model(x.contiguous(memory_format=layout), t).shape == x.shape
    grads = gradients(model, x.contiguous(memory_format=layout), t)
    for (name, parameter), grad in zip(model.named_parameters(), grads, strict=True):
        assert grad.shape == parameter.shape, name
        assert grad.isfinite().all(), name
        # A single group over all channels of one pixel has nothing left to normalise but is no dead weight.
        assert grad.abs().max() > 0, name


def test_a_new_network_answers_zero_and_learns_from_the_first_step() -> None:
    model = UNet(UNetConfig(**TINY))
    x, t = batch(model)
    assert (model(x, t) == 0).all()
    (model(x, t) - x).square().mean().backward()
    assert model.conv_out.weight.grad is not None
    assert model.conv_out.weight.grad.abs().max() > 0


def test_pictures_and_times_are_each_their_own() -> None:
    model = tiny()
    x, t = batch(model, 3)
    together = model(x, t)
    for i in range(3):
        torch.testing.assert_close(model(x[i : i + 1], t[i : i + 1])[0], together[i], rtol=1e-4, atol=1e-5)
    later = model(x, t + torch.tensor([0, 50, 0]))
    assert torch.equal(later[[0, 2]], together[[0, 2]])
    assert (later[1] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("narrow_up", [False, True])
def test_every_level_uses_its_skip(level: int, narrow_up: bool) -> None:
    model = tiny(multipliers=(1, 2, 2), attention=("none",) * 3, narrow_up=narrow_up)
    x, t = batch(model)
    before = model(x, t)
    channels = model.config.level_channels[level]
    shapes = []

    def without_skip(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        joined, *rest = inputs
        shapes.append(tuple(joined.shape))
        return (torch.cat([joined[:, :-channels], torch.zeros_like(joined[:, -channels:])], dim=1), *rest)

    handle = model.up[level].register_forward_pre_hook(without_skip)
    after = model(x, t)
    handle.remove()
    assert shapes == [(2, 2 * channels, 8 >> level, 8 >> level)]
    assert (after - before).abs().max() > 1e-3


def test_the_skip_at_full_resolution_carries_single_pixels() -> None:
    """What the notebook lost: without the way through lower resolutions, a pixel still reaches its place."""
    model = tiny(attention=("none", "none"))
    with torch.no_grad():
        for parameter in model.upsample.parameters():
            parameter.zero_()
    x, t = batch(model)
    x.requires_grad_()
    (reached,) = torch.autograd.grad(model(x, t)[0, 0, 4, 4], x)
    assert reached[0, :, 4, 4].abs().max() > 1e-6


def test_attention_sits_where_it_is_asked_for() -> None:
    model = tiny(
        multipliers=(1, 2, 2), attention=("linear", "none", "softmax"), attention_middle="softmax", size=16
    )
    seen: list[tuple[str, str, int]] = []

    def note(name: str) -> Any:
        def hook(part: Attention, inputs: tuple[Tensor, ...], _: Tensor) -> None:
            seen.append((name, part.kind, inputs[0].shape[-1]))

        return hook

    for name, part in model.named_modules():
        if isinstance(part, Attention):
            part.register_forward_hook(note(name))
    model(*batch(model))
    assert seen == [
        ("down.0.attention", "linear", 16),
        ("down.2.attention", "softmax", 4),
        ("middle.attention", "softmax", 4),
        ("up.2.attention", "softmax", 4),
        ("up.0.attention", "linear", 16),
    ]


@pytest.mark.parametrize(("block", "kind"), [("resnet", ResNetBlock), ("convnext", ConvNextBlock)])
def test_two_blocks_a_level_and_two_in_the_middle(block: str, kind: type[nn.Module]) -> None:
    model = tiny(block=block, blocks_per_level=2)
    assert sum(isinstance(part, kind) for part in model.modules()) == 2 * (2 + 2) + 2
    other = ConvNextBlock if kind is ResNetBlock else ResNetBlock
    assert not any(isinstance(part, other) for part in model.modules())


@pytest.mark.parametrize("block", ["resnet", "convnext"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_checkpointing_gives_the_same_gradients_to_the_bit(block: str, dropout: float) -> None:
    model = tiny(block=block, dropout=dropout)
    x, t = batch(model)
    straight = gradients(model, x, t)
    model.activation_checkpointing = True
    again = gradients(model, x, t)
    assert all(torch.equal(a, b) for a, b in zip(straight, again, strict=True))
    if dropout:  # and the dropout was real
        other = gradients(model, x, t, seed=6)
        assert not all(torch.equal(a, b) for a, b in zip(straight, other, strict=True))


def test_checkpointing_computes_each_part_again_and_only_with_gradients() -> None:
    model = tiny()
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    for part in model.modules():
        if isinstance(part, ResNetBlock | Attention):
            part.register_forward_pre_hook(count)
    x, t = batch(model)
    gradients(model, x, t)
    once, calls = calls, 0
    assert once == len([part for part in model.modules() if isinstance(part, ResNetBlock | Attention)])
    model.activation_checkpointing = True
    with torch.no_grad():
        model(x, t)
    assert calls == once
    gradients(model, x, t)
    assert calls == once + 2 * once


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("block", ["resnet", "convnext"])
def test_the_same_bits_twice(dtype: torch.dtype, block: str) -> None:
    model = tiny(block=block, attention=("linear", "softmax"), dropout=0.1)
    x, t = batch(model)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
        first, second = gradients(model, x, t), gradients(model, x, t)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_bf16_is_near_float32(layout: torch.memory_format) -> None:
    model = tiny().to(memory_format=layout)
    x, t = batch(model)
    x = x.contiguous(memory_format=layout)
    exact = model(x, t)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(x, t)
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).norm() / exact.norm() < 0.03
