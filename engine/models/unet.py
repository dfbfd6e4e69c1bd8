"""The UNet of the paper: per level blocks and attention, a strided convolution down, mirrored on the way up."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from engine.config.names import AttentionKind
from engine.models.attention import Attention
from engine.models.blocks import ConvNextBlock, ResNetBlock
from engine.models.conditioning import LabelEmbedding
from engine.models.config import UNetConfig
from engine.models.embedding import TimeEmbedding

PARTS = (ResNetBlock, ConvNextBlock, Attention)
"""What activation checkpointing computes again, one piece at a time."""

Run = Callable[..., Tensor]
"""Calls a part, the first argument, on the others: straight, or so that it is computed again going backward."""


class Level(nn.Module):
    """Blocks at one resolution, then attention: (N, C_in, H, W), time (N, E) → (N, C_out, H, W)."""

    def __init__(self, config: UNetConfig, c_in: int, c_out: int, attention: AttentionKind) -> None:
        super().__init__()
        widths = [c_in] + [c_out] * config.blocks_per_level
        self.blocks = nn.ModuleList(_block(config, a, b) for a, b in pairwise(widths))
        self.attention = _attention(config, c_out, attention)

    def forward(self, x: Tensor, time: Tensor, run: Run) -> Tensor:
        for block in self.blocks:
            x = run(block, x, time)
        return run(self.attention, x)


class Middle(nn.Module):
    """A block, attention, a block, at the lowest resolution: (N, C, H, W), time (N, E) → the same shape."""

    def __init__(self, config: UNetConfig, channels: int) -> None:
        super().__init__()
        self.first = _block(config, channels, channels)
        self.attention = _attention(config, channels, config.attention_middle)
        self.second = _block(config, channels, channels)

    def forward(self, x: Tensor, time: Tensor, run: Run) -> Tensor:
        x = run(self.attention, run(self.first, x, time))
        return run(self.second, x, time)


class UNet(nn.Module):
    """x_t (N, C, H, W), t (N,) int64, y labels → the objective's prediction, (N, C, H, W).

    y is as `LabelEmbedding` takes it, None for unknown; a network without labels ignores it.

    Every level hands its features across at its own resolution, full resolution included. The output starts
    at zero. With `activation_checkpointing` each block and each attention is computed again in the backward
    pass: less memory, about a third more time, the same gradients (dropout draws the same again).
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.activation_checkpointing = False
        channels, up_channels = config.level_channels, config.up_channels
        self.time = TimeEmbedding(config.width, config.time_channels)
        self.conv_in = nn.Conv2d(config.channels, channels[0], 3, padding=1)
        before = (channels[0], *channels[:-1])
        self.down = nn.ModuleList(
            Level(config, a, b, kind) for a, b, kind in zip(before, channels, config.attention, strict=True)
        )
        self.downsample = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in channels[:-1])
        self.middle = Middle(config, channels[-1])
        self.up = nn.ModuleList(
            Level(config, 2 * a, b, kind)
            for a, b, kind in zip(channels, up_channels, config.attention, strict=True)
        )
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(deeper, c, 4, stride=2, padding=1)
            for c, deeper in zip(channels[:-1], up_channels[1:], strict=True)
        )
        self.norm = nn.GroupNorm(config.groups, channels[0])
        self.conv_out = nn.Conv2d(channels[0], config.channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]
        # Made last, so that all other weights begin as those of a network without labels.
        self.labels = (
            None
            if config.labels == "none"
            else LabelEmbedding(config.labels, config.label_count, config.time_channels)
        )

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        run = self._run()
        time = self.time(
            t, None if self.labels is None else self.labels(y, x.shape[0])
        )  # len(x) would fix the batch of an exported graph
        h = self.conv_in(x)
        skips = []
        for index, level in enumerate(self.down):
            h = level(h, time, run)
            skips.append(h)
            if index < len(self.downsample):
                h = self.downsample[index](h)
        h = self.middle(h, time, run)
        for index in reversed(range(len(self.up))):
            if index < len(self.upsample):
                h = self.upsample[index](h)
            h = self.up[index](torch.cat([h, skips.pop()], dim=1), time, run)
        out: Tensor = self.conv_out(nn.functional.silu(self.norm(h)))
        return out

    def _run(self) -> Run:
        if not self.activation_checkpointing:
            return _straight
        # The generator's state is fetched (and a GPU waited for) only if dropout draws from it.
        draws = self.training and self.config.dropout > 0
        return partial(checkpoint, use_reentrant=False, preserve_rng_state=draws)


def _straight(part: nn.Module, *inputs: Tensor) -> Tensor:
    out: Tensor = part(*inputs)
    return out


def _block(config: UNetConfig, c_in: int, c_out: int) -> nn.Module:
    make = ResNetBlock if config.block == "resnet" else ConvNextBlock
    return make(c_in, c_out, config.time_channels, config.groups, config.dropout)


def _attention(config: UNetConfig, channels: int, kind: AttentionKind) -> nn.Module:
    return nn.Identity() if kind == "none" else Attention(channels, config.head_dim, config.groups, kind)
