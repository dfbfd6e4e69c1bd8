"""Residual blocks: their pieces, the time's scale and shift, the same numbers in either memory layout."""

import pytest
import torch
from torch import nn

from engine.models.blocks import CONVNEXT_EXPANSION, ConvNextBlock, ResNetBlock, _timed_norm

KINDS = [ResNetBlock, ConvNextBlock]


def waken(module: nn.Module) -> None:
    """Random values everywhere, so that nothing hides behind a zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_time_scales_and_shifts_the_normed_features(layout: torch.memory_format) -> None:
    norm = nn.GroupNorm(2, 6)
    waken(norm)
    h = torch.randn(3, 6, 4, 5).contiguous(memory_format=layout)
    scale_shift = torch.randn(3, 12, requires_grad=True)
    scale, shift = scale_shift[:, :6, None, None], scale_shift[:, 6:, None, None]
    grouped = h.reshape(3, 2, 3, 4, 5)
    mean = grouped.mean(dim=(2, 3, 4), keepdim=True)
    variance = grouped.var(dim=(2, 3, 4), keepdim=True, correction=0)
    normed = ((grouped - mean) / (variance + norm.eps).sqrt()).reshape(3, 6, 4, 5)
    wanted = (normed * norm.weight[:, None, None] + norm.bias[:, None, None]) * (1 + scale) + shift
    got = _timed_norm(norm, h, scale_shift)
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)
    inputs = [scale_shift, norm.weight, norm.bias]
    weights = torch.randn(3, 6, 4, 5)
    for one, other in zip(
        torch.autograd.grad((got * weights).sum(), inputs),
        torch.autograd.grad((wanted * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("c_out", [8, 16])
def test_starts_as_its_skip(kind: type[nn.Module], c_out: int) -> None:
    block = kind(8, c_out, 5, 4, 0.0)
    x, time = torch.randn(2, 8, 6, 6), torch.randn(2, 5)
    assert torch.equal(block(x, time), block.skip(x))
    assert isinstance(block.skip, nn.Identity) == (c_out == 8)


@pytest.mark.parametrize("kind", KINDS)
def test_hears_the_time_of_its_own_picture(kind: type[nn.Module]) -> None:
    block = kind(8, 8, 5, 4, 0.0)
    waken(block)
    x, time = torch.randn(2, 8, 6, 6), torch.randn(2, 5)
    later = time + torch.tensor([[0.0], [1.0]])
    before, after = block(x, time), block(x, later)
    assert torch.equal(before[0], after[0])
    assert (before[1] - after[1]).abs().max() > 1e-3


def test_convnext_is_depthwise_seven_by_seven() -> None:
    block = ConvNextBlock(8, 16, 5, 4, 0.0)
    assert block.depthwise.weight.shape == (8, 1, 7, 7)
    x = torch.randn(1, 8, 15, 15, requires_grad=True)
    (reached,) = torch.autograd.grad(block.depthwise(x)[0, 3, 7, 7], x)
    touched = reached[0].nonzero()
    assert set(touched[:, 0].tolist()) == {3}
    assert (touched[:, 1].min(), touched[:, 1].max()) == (4, 10)
    assert (touched[:, 2].min(), touched[:, 2].max()) == (4, 10)
    assert block.expand.weight.shape == (CONVNEXT_EXPANSION * 16, 8, 1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_for_training_only(kind: type[nn.Module]) -> None:
    block = kind(8, 8, 5, 4, 0.5)
    waken(block)
    x, time = torch.randn(2, 8, 6, 6), torch.randn(2, 5)
    assert not torch.equal(block(x, time), block(x, time))
    block.eval()
    assert torch.equal(block(x, time), block(x, time))
