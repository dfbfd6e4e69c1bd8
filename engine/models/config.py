"""The shape of a UNet as plain data, checked. Never imports torch."""

from dataclasses import dataclass
from typing import Literal

AttentionKind = Literal["none", "softmax", "linear"]
BlockKind = Literal["resnet", "convnext"]


@dataclass(frozen=True)
class UNetConfig:
    """Everything that decides a UNet's weights, dropout aside.

    Level i works on size / 2^i pixels with width × multipliers[i] channels; `attention` has one entry a level.
    `embedding_dim` is the width of the time embedding, 4 × width where it is None. Raises ValueError.
    """

    channels: int = 3
    size: int = 32
    width: int = 32
    multipliers: tuple[int, ...] = (1, 2, 4)
    block: BlockKind = "resnet"
    blocks_per_level: int = 2
    attention: tuple[AttentionKind, ...] = ("none", "softmax", "softmax")
    attention_middle: AttentionKind = "softmax"
    head_dim: int = 32
    groups: int = 8
    dropout: float = 0.0
    embedding_dim: int | None = None

    def __post_init__(self) -> None:
        levels = len(self.multipliers)
        if levels == 0:
            raise ValueError("a UNet needs at least one level")
        if len(self.attention) != levels:
            raise ValueError(f"attention has {len(self.attention)} entries for {levels} levels")
        if self.size % 2 ** (levels - 1):
            raise ValueError(
                f"size {self.size} does not divide by {2 ** (levels - 1)}, which {levels} levels need"
            )
        if self.blocks_per_level < 1:
            raise ValueError("a level needs at least one block")
        for kind, channels in zip(self.attention, self.level_channels, strict=True):
            if channels % self.groups:
                raise ValueError(f"{channels} channels do not divide into {self.groups} groups")
            if kind != "none" and channels % self.head_dim:
                raise ValueError(f"{channels} channels do not divide into heads of {self.head_dim}")
        if self.attention_middle != "none" and self.level_channels[-1] % self.head_dim:
            raise ValueError(
                f"{self.level_channels[-1]} channels do not divide into heads of {self.head_dim}"
            )

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of each level, full resolution first."""
        return tuple(self.width * multiplier for multiplier in self.multipliers)

    @property
    def time_channels(self) -> int:
        return self.embedding_dim or 4 * self.width
