"""Words that the mathematics and a profile share and that have no table of their own. Must not import torch."""

from typing import Literal

Prediction = Literal["eps", "x0", "v"]
"""What a network gives: the noise, the picture, or v = √ᾱ ε − √(1 − ᾱ) x_0 (Salimans & Ho 2022)."""

LossKind = Literal["huber", "l1", "l2"]

Variance = Literal["fixed_small", "fixed_large"]
"""Of a step of the reverse process: β̃ or β (Ho et al. 2020, section 3.2)."""
