"""The UNet of the paper: per level blocks and attention, a strided convolution down, mirrored on the way up."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from engine.models.attention import Attention
from engine.models.blocks import ConvNextBlock, ResNetBlock
from engine.models.config import AttentionKind, UNetConfig
from engine.models.embedding import TimeEmbedding


class Level(nn.Module):
    """Blocks at one resolution, then attention: (N, C_in, H, W), time (N, E) → (N, C_out, H, W)."""

    def __init__(self, config: UNetConfig, c_in: int, c_out: int, attention: AttentionKind) -> None:
        super().__init__()
        make: Callable[..., nn.Module] = ResNetBlock if config.block == "resnet" else ConvNextBlock
        widths = [c_in] + [c_out] * config.blocks_per_level
        self.blocks = nn.ModuleList(
            make(a, b, config.time_channels, config.groups, config.dropout) for a, b in pairwise(widths)
        )
        self.attention = _attention(config, c_out, attention)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, time)
        out: Tensor = self.attention(x)
        return out


class Middle(nn.Module):
    """A block, attention, a block, at the lowest resolution."""

    def __init__(self, config: UNetConfig, channels: int) -> None:
        super().__init__()
        make: Callable[..., nn.Module] = ResNetBlock if config.block == "resnet" else ConvNextBlock
        self.first = make(channels, channels, config.time_channels, config.groups, config.dropout)
        self.attention = _attention(config, channels, config.attention_middle)
        self.second = make(channels, channels, config.time_channels, config.groups, config.dropout)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        out: Tensor = self.second(self.attention(self.first(x, time)), time)
        return out


class UNet(nn.Module):
    """x_t (N, C, H, W), t (N,) int64 → what the objective predicts, (N, C, H, W).

    Every level hands its features across at its own resolution, full resolution included. The output starts
    at zero. With `activation_checkpointing` each level is computed again in the backward pass: less memory,
    about a third more time, the same gradients (dropout too).
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.activation_checkpointing = False
        channels = config.level_channels
        self.time = TimeEmbedding(config.width, config.time_channels)
        self.enter = nn.Conv2d(config.channels, channels[0], 3, padding=1)
        before = (channels[0], *channels[:-1])
        self.down = nn.ModuleList(
            Level(config, a, b, kind) for a, b, kind in zip(before, channels, config.attention, strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in channels[:-1])
        self.middle = Middle(config, channels[-1])
        self.up = nn.ModuleList(
            Level(config, 2 * c, c, kind) for c, kind in zip(channels, config.attention, strict=True)
        )
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(deeper, c, 4, stride=2, padding=1) for c, deeper in pairwise(channels)
        )
        self.norm = nn.GroupNorm(config.groups, channels[0])
        self.leave = nn.Conv2d(channels[0], config.channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        time = self.time(t)
        h = self.enter(x)
        skips = []
        for index, level in enumerate(self.down):
            h = self._run(level, h, time)
            skips.append(h)
            if index < len(self.shrink):
                h = self.shrink[index](h)
        h = self._run(self.middle, h, time)
        for index in reversed(range(len(self.up))):
            if index < len(self.grow):
                h = self.grow[index](h)
            h = self._run(self.up[index], torch.cat([h, skips.pop()], dim=1), time)
        out: Tensor = self.leave(nn.functional.silu(self.norm(h)))
        return out

    def _run(self, part: nn.Module, h: Tensor, time: Tensor) -> Tensor:
        if self.activation_checkpointing and torch.is_grad_enabled():
            again: Tensor = checkpoint(part, h, time, use_reentrant=False)
            return again
        out: Tensor = part(h, time)
        return out


def _attention(config: UNetConfig, channels: int, kind: AttentionKind) -> nn.Module:
    return nn.Identity() if kind == "none" else Attention(channels, config.head_dim, config.groups, kind)
