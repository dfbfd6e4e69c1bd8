"""A network's costs, counted and not guessed: parameters, multiply-adds, bytes kept for the backward pass."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from engine.models.config import UNetConfig
from engine.models.unet import PARTS, UNet


def parameters(model: nn.Module) -> int:
    """Return how many weights there are."""
    return sum(p.numel() for p in model.parameters())


def forward_macs(config: UNetConfig) -> int:
    """Return the multiply-adds of one forward pass of one picture, by torch's own counter on tensors without memory.

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


def saved_activation_bytes(model: UNet, batch: int, dtype: torch.dtype, channels_last: bool = False) -> int:
    """Return the bytes that autograd keeps between forward and backward for `batch` pictures, counted on the CPU.

    Every storage is counted once and the weights not at all, but autocast's copies of them are. A `dtype` other than
    float32 is counted as bfloat16 under autocast. With `model.activation_checkpointing` the bytes of the largest
    part while it is computed again are added.
    """
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = _kept(model, _inputs(model, batch, channels_last), dtype, weights)
    if not model.activation_checkpointing:
        return kept
    largest = 0
    handles = []

    def measure(part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal largest
        largest = max(largest, _kept(part.forward, inputs, dtype, weights))

    try:
        for part in model.modules():
            if isinstance(part, PARTS):
                handles.append(part.register_forward_pre_hook(measure))
        with torch.no_grad(), _autocast(dtype):
            model(*_inputs(model, batch, channels_last))
    finally:
        for handle in handles:
            handle.remove()
    return kept + largest


def activation_bytes_per_picture(model: UNet, dtype: torch.dtype, channels_last: bool = False) -> int:
    """Return the bytes that one more picture in the batch keeps; casts of the weights, kept once, are left out."""
    two, one = (saved_activation_bytes(model, batch, dtype, channels_last) for batch in (2, 1))
    return two - one


def _inputs(model: UNet, batch: int, channels_last: bool) -> tuple[Tensor, Tensor]:
    size = model.config.size
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.zeros(batch, model.config.channels, size, size).contiguous(memory_format=layout)
    return x, torch.zeros(batch, dtype=torch.int64)


def _autocast(dtype: torch.dtype) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=dtype is not torch.float32)


def _kept(
    forward: Callable[..., Tensor],
    inputs: tuple[Tensor, ...],
    dtype: torch.dtype,
    weights: set[int],
) -> int:
    """Return the bytes of the storages that one forward pass keeps, `inputs` and `weights` (data pointers) left out."""
    seen = weights | {tensor.untyped_storage().data_ptr() for tensor in inputs}
    total = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal total
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total += storage.nbytes()
        # Detached: a node that kept its own output would keep itself, and nothing would ever free the two.
        return tensor.detach()

    with (
        torch.enable_grad(),
        _autocast(dtype),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        output = forward(*inputs)  # alive until the count is done, so that no storage is used again
    del output
    return total
