"""Attention against its formulas, written out position by position."""

import pytest
import torch
from torch import Tensor

from engine.models.attention import PLAIN_POSITIONS, Attention, linear_attention, softmax_attention


def random_qkv(positions: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(2, 3, heads = 2, D = 4, L), reproducible and of a size that makes the softmax matter."""
    generator = torch.Generator().manual_seed(positions)
    return (2 * torch.randn(2, 3, 2, 4, positions, generator=generator)).to(dtype)


def naive_softmax(qkv: Tensor) -> Tensor:
    out = torch.zeros(2, 2, 4, qkv.shape[-1], dtype=torch.float64)
    for n in range(2):
        for head in range(2):
            q, k, v = qkv[n, :, head].double()
            for i in range(qkv.shape[-1]):
                score = torch.tensor([float(q[:, i] @ k[:, j]) / 4**0.5 for j in range(qkv.shape[-1])])
                share = score.exp() / score.exp().sum()
                out[n, head, :, i] = (v * share).sum(dim=1)
    return out


@pytest.mark.parametrize("channels_last", [False, True])
def test_softmax_is_the_formula(channels_last: bool) -> None:
    qkv = random_qkv(9)
    if channels_last:
        qkv = qkv.permute(0, 4, 1, 2, 3).contiguous().permute(0, 2, 3, 4, 1)
    torch.testing.assert_close(softmax_attention(qkv).double(), naive_softmax(qkv), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("positions", [9, PLAIN_POSITIONS + 1])
def test_softmax_in_bf16_is_near_the_formula_on_either_side_of_the_switch(positions: int) -> None:
    qkv = random_qkv(positions, torch.bfloat16)
    wanted = softmax_attention(qkv.float())
    torch.testing.assert_close(softmax_attention(qkv).float(), wanted, rtol=0.02, atol=0.05)


def test_linear_is_the_formula() -> None:
    qkv = random_qkv(7)
    got = linear_attention(qkv)
    for n in range(2):
        for head in range(2):
            q, k, v = qkv[n, :, head].double()
            keys = k.exp() / k.exp().sum(dim=1, keepdim=True)  # over positions
            for i in range(7):
                query = q[:, i].exp() / q[:, i].exp().sum() / 4**0.5  # over channels
                wanted = sum(float(query @ keys[:, j]) * v[:, j] for j in range(7))
                torch.testing.assert_close(got[n, head, :, i].double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["softmax", "linear"])
def test_starts_as_the_identity_and_then_mixes_every_position(kind: str) -> None:
    torch.manual_seed(0)
    attention = Attention(8, 4, 2, kind)  # type: ignore[arg-type]
    x = torch.randn(1, 8, 3, 5, requires_grad=True)
    assert torch.equal(attention(x), x)
    torch.nn.init.normal_(attention.proj.weight)
    (reached,) = torch.autograd.grad(attention(x)[0, 0, 1, 1], x)
    assert (reached.abs().sum(dim=1) > 0).all()


def test_heads_do_not_mix() -> None:
    qkv = random_qkv(6)
    other = qkv.clone()
    other[:, :, 1] += 1.0
    for mix in (softmax_attention, linear_attention):
        assert torch.equal(mix(qkv)[:, 0], mix(other)[:, 0])
        assert not torch.equal(mix(qkv)[:, 1], mix(other)[:, 1])
