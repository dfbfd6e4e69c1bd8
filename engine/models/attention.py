"""Self-attention over the pixels of a feature map, softmax or linear, behind a group norm and around a residual."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """(N, C, H, W) → the same shape: x + proj(attention(norm(x))), heads of `head_dim` channels.

    softmax: exact attention over H·W positions (Vaswani et al., eq. 1). linear: keys are normalised over
    positions and queries over channels, so that the cost grows with H·W and not its square (Shen et al. 2018).
    """

    def __init__(
        self, channels: int, head_dim: int, groups: int, kind: Literal["softmax", "linear"] = "softmax"
    ) -> None:
        super().__init__()
        self.heads, self.head_dim, self.kind = channels // head_dim, head_dim, kind
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.proj = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(n, 3, self.heads, self.head_dim, h * w)
        if self.kind == "softmax":
            q, k, v = qkv.transpose(3, 4).unbind(1)
            mixed = functional.scaled_dot_product_attention(q, k, v).transpose(2, 3)
        else:
            q, k, v = qkv.unbind(1)
            q, k = q.softmax(dim=2) * self.head_dim**-0.5, k.softmax(dim=3)
            context = k @ v.transpose(2, 3)
            mixed = context.transpose(2, 3) @ q
        out: Tensor = self.proj(mixed.reshape(n, c, h, w))
        return x + out
