"""What a network costs, counted and not guessed: parameters, multiply-adds, bytes kept for the backward pass."""

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from engine.models.config import UNetConfig
from engine.models.unet import UNet


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def forward_macs(config: UNetConfig) -> int:
    """Multiply-adds of one forward pass of one picture, by torch's own counter on tensors without memory.

    Attention is counted in its plain form: the counter knows nothing of some fused ones.
    """
    with torch.device("meta"):
        model = UNet(config)
        x = torch.empty(1, config.channels, config.size, config.size)
        t = torch.zeros(1, dtype=torch.int64)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(x, t)
    return int(counter.get_total_flops() // 2)


def saved_activation_bytes(model: UNet, batch: int, dtype: torch.dtype) -> int:
    """Bytes that autograd keeps between forward and backward for `batch` pictures, on the CPU.

    Every storage is counted once and weights not at all. `dtype` other than float32 is autocast's.
    """
    size, seen, total = model.config.size, set(), 0
    seen = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        nonlocal total
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total += storage.nbytes()
        return tensor

    x = torch.zeros(batch, model.config.channels, size, size)
    t = torch.zeros(batch, dtype=torch.int64)
    half = dtype is not torch.float32
    with (
        torch.autocast("cpu", torch.bfloat16, enabled=half),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        kept = model(x, t)  # alive until the count is done, so that no storage is reused
    del kept
    return total


def activation_bytes_per_picture(model: UNet, dtype: torch.dtype) -> int:
    """What one more picture in the batch keeps; casts of the weights, which are kept once, are left out."""
    return saved_activation_bytes(model, 2, dtype) - saved_activation_bytes(model, 1, dtype)
