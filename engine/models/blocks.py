"""The two kinds of residual block, each told the time by a scale and a shift."""

import torch
from torch import Tensor, nn
from torch.nn import functional

CONVNEXT_EXPANSION = 4


class ResNetBlock(nn.Module):
    """(N, C_in, H, W), time (N, E) → (N, C_out, H, W): norm, SiLU, 3×3 conv, twice; the second norm is scaled
    and shifted by the time (Dhariwal & Nichol, section 3, adaptive group norm)."""

    def __init__(self, c_in: int, c_out: int, time: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.norm_1 = nn.GroupNorm(groups if c_in % groups == 0 else 1, c_in)
        self.conv_1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time = nn.Linear(time, 2 * c_out)
        self.norm_2 = nn.GroupNorm(groups, c_out)
        self.conv_2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.dropout = dropout
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        nn.init.zeros_(self.conv_2.weight)
        nn.init.zeros_(self.conv_2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv_1(functional.silu(self.norm_1(x)))
        h = functional.silu(_told_the_time(self.norm_2(h), self.time(time)))
        if self.dropout:
            h = functional.dropout(h, self.dropout, self.training)
        out: Tensor = self.skip(x) + self.conv_2(h)
        return out


class ConvNextBlock(nn.Module):
    """The same shapes: 7×7 depthwise conv, norm scaled and shifted by the time, 1×1 to four times the channels,
    GELU, 1×1 back, residual (Liu et al. 2022, figure 4)."""

    def __init__(self, c_in: int, c_out: int, time: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(c_in, c_in, 7, padding=3, groups=c_in)
        self.time = nn.Linear(time, 2 * c_in)
        self.norm = nn.GroupNorm(1, c_in)  # one group over all channels: a layer norm of the picture
        self.expand = nn.Conv2d(c_in, CONVNEXT_EXPANSION * c_out, 1)
        self.reduce = nn.Conv2d(CONVNEXT_EXPANSION * c_out, c_out, 1)
        self.dropout = dropout
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        nn.init.zeros_(self.reduce.weight)
        nn.init.zeros_(self.reduce.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = _told_the_time(self.norm(self.depthwise(x)), self.time(time))
        h = functional.gelu(self.expand(h))
        if self.dropout:
            h = functional.dropout(h, self.dropout, self.training)
        out: Tensor = self.skip(x) + self.reduce(h)
        return out


def _told_the_time(h: Tensor, scale_shift: Tensor) -> Tensor:
    scale, shift = scale_shift[:, :, None, None].chunk(2, dim=1)
    return torch.addcmul(shift, h, 1 + scale)
