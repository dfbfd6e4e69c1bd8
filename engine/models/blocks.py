"""The two kinds of residual block, each given the time as a scale and a shift."""

import torch
from torch import Tensor, nn
from torch.nn import functional

CONVNEXT_EXPANSION = 4


class ResNetBlock(nn.Module):
    """(N, C_in, H, W), time (N, E) → (N, C_out, H, W): norm, SiLU, 3×3 conv, twice; the second norm is scaled
    and shifted by the time (Dhariwal & Nichol, section 3, adaptive group norm)."""

    def __init__(self, c_in: int, c_out: int, time: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.norm_1 = nn.GroupNorm(groups, c_in)
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
        h = functional.silu(_timed_norm(self.norm_2, h, self.time(time)))
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
        h = _timed_norm(self.norm, self.depthwise(x), self.time(time))
        h = functional.gelu(self.expand(h))
        if self.dropout:
            h = functional.dropout(h, self.dropout, self.training)
        out: Tensor = self.skip(x) + self.reduce(h)
        return out


def _timed_norm(norm: nn.GroupNorm, h: Tensor, scale_shift: Tensor) -> Tensor:
    """Return norm(h) · (1 + scale) + shift; h (N, C, H, W), scale and shift (N, C) side by side in `scale_shift`."""
    n, c = h.shape[:2]
    scale, shift = scale_shift.chunk(2, dim=1)
    # A graph that is exported has to take any number of pictures, and the layout below has that in its shapes.
    if h.device.type != "cpu" or not h.is_contiguous() or torch.compiler.is_exporting():
        return torch.addcmul(shift[:, :, None, None], norm(h), 1 + scale[:, :, None, None])
    # With the batch laid out as groups of one picture, the norm's own scale and shift can be each picture's:
    # one pass over the memory, and nothing more to keep for the backward pass.
    scale = 1 + scale.float()
    weight = norm.weight * scale
    bias = torch.addcmul(shift.float(), norm.bias, scale)
    one = functional.group_norm(
        h.view(1, n * c, *h.shape[2:]), n * norm.num_groups, weight.view(-1), bias.view(-1), norm.eps
    )
    return one.view_as(h)
