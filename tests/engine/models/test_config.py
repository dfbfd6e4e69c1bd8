"""A UNet's shape as data: what is refused, in which words, and without torch."""

import subprocess
import sys
from typing import Any

import pytest

from engine.models.config import UNetConfig


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"multipliers": (), "attention": ()}, "at least one level"),
        ({"attention": ("none", "softmax")}, "attention has 2 entries, multipliers 3"),
        ({"size": 30}, "3 levels halve the picture 2 times: 30 pixels do not"),
        ({"groups": 5}, "level 0 has 32 channels, not a multiple of the 5 groups"),
        ({"head_dim": 48}, "level 1 has 64 channels and attention: not a multiple of the heads' 48"),
        (
            {"head_dim": 128, "attention": ("none",) * 3, "multipliers": (1, 2, 3), "width": 32},
            "level 2 has 96 channels and attention",
        ),
        (
            {"head_dim": 64, "attention": ("none", "softmax", "softmax"), "narrow_up": True},
            "level 0 has 32 channels and attention",
        ),
        ({"blocks_per_level": 0}, "blocks_per_level is 0"),
        ({"groups": 0}, "groups is 0"),
        ({"head_dim": 0}, "head_dim is 0"),
        ({"multipliers": (1, 0, 4)}, "multipliers is 0"),
        ({"embedding_dim": 0}, "embedding_dim is 0"),
        ({"width": 1, "groups": 1, "attention": ("none",) * 3, "head_dim": 1}, "width is 1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"block": "resent"}, "block is 'resent': resnet or convnext"),
        ({"attention_middle": "cross"}, "attention is 'cross': none, softmax, linear"),
    ],
)
def test_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        UNetConfig(**changed)
    assert words in str(caught.value)


def test_heads_are_asked_for_only_where_there_is_attention() -> None:
    config = UNetConfig(head_dim=128, attention=("none",) * 3)
    assert config.level_channels == (32, 64, 128)
    # A level's heads divide its own channels; on a narrow way up also those of the level above.
    UNetConfig(head_dim=64, attention=("none", "softmax", "softmax"))


def test_derived_widths() -> None:
    config = UNetConfig(width=24, multipliers=(1, 2, 3), head_dim=24)
    assert config.level_channels == (24, 48, 72)
    assert config.up_channels == (24, 48, 72)
    assert config.time_channels == 96
    narrow = UNetConfig(width=24, multipliers=(1, 2, 3), head_dim=24, narrow_up=True, embedding_dim=10)
    assert narrow.up_channels == (24, 24, 48)
    assert narrow.time_channels == 10


def test_needs_no_torch() -> None:
    code = "import sys, engine.models, engine.models.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
