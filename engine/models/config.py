"""The shape of a UNet as plain data, checked. Never imports torch."""

from dataclasses import dataclass
from typing import get_args

from engine.config.names import AttentionKind, BlockKind, LabelKind


@dataclass(frozen=True)
class UNetConfig:
    """Everything that decides a UNet's weights, dropout aside.

    Level i works on size / 2^i pixels with width × multipliers[i] channels; `attention` has one entry a level.
    `embedding_dim` is the width of the time embedding, 4 × width if None. With `narrow_up` a level on the way up
    ends with the channels of the level above it, as the paper's notebook has it, and not with its own: a quarter
    fewer weights and multiply-adds. `label_count` is the number of its `labels`. Raises ValueError.
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
    narrow_up: bool = False
    labels: LabelKind = "none"
    label_count: int = 0

    def __post_init__(self) -> None:
        self._check_values()
        levels, deepest = len(self.multipliers), len(self.multipliers) - 1
        if len(self.attention) != levels:
            raise ValueError(
                f"attention has {len(self.attention)} entries, multipliers {levels}: one of each a level"
            )
        if self.size % 2**deepest:
            raise ValueError(f"{levels} levels halve the picture {deepest} times: {self.size} pixels do not")
        for level, channels in enumerate(self.level_channels):
            if channels % self.groups:
                raise ValueError(
                    f"level {level} has {channels} channels, not a multiple of the {self.groups} groups"
                )
            kinds = {self.attention[level], self.attention_middle if level == deepest else "none"}
            if self.narrow_up and level < deepest:  # the level below ends with these channels on the way up
                kinds.add(self.attention[level + 1])
            if kinds != {"none"} and channels % self.head_dim:
                raise ValueError(
                    f"level {level} has {channels} channels and attention: not a multiple of the heads' "
                    f"{self.head_dim} channels"
                )

    def _check_values(self) -> None:
        """Check each value by itself, before anything divides by one."""
        if not self.multipliers:
            raise ValueError("multipliers is empty: a UNet needs at least one level")
        counts = {
            "channels": self.channels,
            "size": self.size,
            "width": self.width,
            "multipliers": min(self.multipliers),
            "blocks_per_level": self.blocks_per_level,
            "head_dim": self.head_dim,
            "groups": self.groups,
            "embedding_dim": self.time_channels,
        }
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name} is {value}: at least 1 is needed")
        if self.width < 2:
            raise ValueError("width is 1: the time's sine and cosine need 2")
        if (self.labels == "none") != (self.label_count == 0) or self.label_count < 0:
            raise ValueError(f"{self.label_count} labels of the kind {self.labels!r} are not possible")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}: from 0 to below 1 is possible")
        if self.block not in get_args(BlockKind):
            raise ValueError(f"block is {self.block!r}: {' or '.join(get_args(BlockKind))}")
        for kind in (*self.attention, self.attention_middle):
            if kind not in get_args(AttentionKind):
                raise ValueError(f"attention is {kind!r}: {', '.join(get_args(AttentionKind))}")

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Return the channels of each level, full resolution first."""
        return tuple(self.width * multiplier for multiplier in self.multipliers)

    @property
    def time_channels(self) -> int:
        """Return the width of the time embedding."""
        return 4 * self.width if self.embedding_dim is None else self.embedding_dim

    @property
    def up_channels(self) -> tuple[int, ...]:
        """Return the channels that each level ends with on the way up, full resolution first."""
        own = self.level_channels
        return (own[0], *own[:-1]) if self.narrow_up else own
