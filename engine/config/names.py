"""Named choices of profile keys that have no table of their own, each defined once. Must not import torch."""

from typing import Literal

from engine.diffusion.spacing import Spacing

AttentionKind = Literal["none", "softmax", "linear"]
BlockKind = Literal["resnet", "convnext"]
LabelKind = Literal["none", "class", "attributes"]
"""What a network is told of a picture: nothing, which of several classes it is of, or which attributes it has."""
Precision = Literal["fp32", "bf16", "fp16"]
"""The precision of the network's arithmetic; "auto" leaves it to the device."""
Weights = Literal["ema", "raw"]
"""The weights of a checkpoint: averaged, or those of the last step."""
RateSchedule = Literal["constant", "cosine", "step"]
SpacingName = Literal["auto", Spacing]
