"""The words that a profile takes and that have no table of their own, each list once. Must not import torch."""

from typing import Literal

from engine.diffusion.spacing import Spacing

AttentionKind = Literal["none", "softmax", "linear"]
BlockKind = Literal["resnet", "convnext"]
Precision = Literal["fp32", "bf16", "fp16"]
"""Of the arithmetic of a network; a profile may leave it to the device by "auto"."""
Weights = Literal["ema", "raw"]
"""Of a checkpoint: the averaged ones, or those of the last step."""
RateSchedule = Literal["constant", "cosine", "step"]
SpacingName = Literal["auto", Spacing]
