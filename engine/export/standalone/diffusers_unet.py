"""The network of this model as diffusers loads it."""

from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_2d import UNet2DOutput
from torch import Tensor

from engine.models.config import UNetConfig
from engine.models.unet import UNet


class DdpmTuiUNet(ModelMixin, ConfigMixin):
    """sample (N, 3, size, size) in [−1, 1] with noise, timestep: a number or (N,) int64 → the network's prediction."""

    @register_to_config
    def __init__(self, unet: dict[str, Any]) -> None:
        super().__init__()
        lists = {key: tuple(value) for key, value in unet.items() if isinstance(value, list)}
        self.net = UNet(UNetConfig(**{**unet, **lists}))

    def forward(
        self, sample: Tensor, timestep: Tensor | float, return_dict: bool = True
    ) -> UNet2DOutput | tuple[Tensor]:
        t = torch.as_tensor(timestep, dtype=torch.int64, device=sample.device).expand(sample.shape[0])
        output = self.net(sample, t)
        return UNet2DOutput(sample=output) if return_dict else (output,)
