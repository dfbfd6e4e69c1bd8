"""Self-attention over the pixels of a feature map, softmax or linear, behind a group norm and around a residual."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

PLAIN_POSITIONS = 256
"""On a CPU in bf16 the fused kernel's backward pass is slower than plain products for this many positions."""


class Attention(nn.Module):
    """(N, C, H, W) → the same shape: x + proj(attention(norm(x))), heads of `head_dim` channels.

    softmax: exact attention over H·W positions (Vaswani et al., eq. 1). linear: keys are normalised over
    positions and queries over channels, so that the cost grows with H·W and not its square (Shen et al. 2018).
    """

    def __init__(
        self, channels: int, head_dim: int, groups: int, kind: Literal["softmax", "linear"] = "softmax"
    ) -> None:
        super().__init__()
        self.heads, self.head_dim, self.kind = channels // head_dim, head_dim, kind
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.proj = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(n, 3, self.heads, self.head_dim, h * w)
        mix = softmax_attention if self.kind == "softmax" else linear_attention
        out: Tensor = self.proj(mix(qkv).reshape(n, c, h, w))
        return x + out


def softmax_attention(qkv: Tensor) -> Tensor:
    """Attend: queries, keys and values (N, 3, heads, D, L) → (N, heads, D, L): softmax(qᵀk / √D) over the keys."""
    if qkv.device.type == "cpu" and qkv.dtype is torch.bfloat16 and qkv.shape[-1] <= PLAIN_POSITIONS:
        q, k, v = qkv.unbind(1)
        shares = ((q * q.shape[2] ** -0.5).transpose(2, 3) @ k).softmax(dim=3)
        read: Tensor = v @ shares.transpose(2, 3)
        return read
    qkv = qkv.transpose(3, 4)
    if qkv.stride(4) != 1:  # the fused kernels want a position's channels side by side
        qkv = qkv.contiguous()
    q, k, v = qkv.unbind(1)
    return functional.scaled_dot_product_attention(q, k, v).transpose(2, 3)


def linear_attention(qkv: Tensor) -> Tensor:
    """Attend with the same shapes; every position reads one D × D summary of all keys and values."""
    q, k, v = qkv.unbind(1)
    q, k = q.softmax(dim=2) * q.shape[2] ** -0.5, k.softmax(dim=3)
    summary = k @ v.transpose(2, 3)
    read: Tensor = summary.transpose(2, 3) @ q
    return read
