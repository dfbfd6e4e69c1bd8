"""The device's highest speed in each precision: a large matrix product and a large 3×3 convolution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from engine.bench.timing import Timings

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Peak:
    """One operation whose speed is a ceiling. `flop`: floating-point operations a call."""

    name: str
    precision: str
    flop: float
    call: Callable[[], object]


def peak_cases(device: torch.device, precisions: list[str]) -> list[Peak]:
    """Return a matrix product and a convolution for each precision, sized for the device."""
    gpu = device.type == "cuda"
    side, batch, channels, size = (8192, 64, 256, 64) if gpu else (1024, 8, 128, 32)
    found = []
    for precision in precisions:
        dtype = DTYPES[precision]
        generator = torch.Generator(device=device).manual_seed(0)
        a = torch.randn(side, side, device=device, generator=generator).to(dtype)
        x = torch.randn(batch, channels, size, size, device=device, generator=generator).to(dtype)
        w = torch.randn(channels, channels, 3, 3, device=device, generator=generator).to(dtype)
        if gpu:
            x, w = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, w))
        found.append(Peak("matmul", precision, 2.0 * side**3, lambda a=a: a @ a))  # type: ignore[misc]
        flop = 2.0 * batch * size * size * channels * channels * 9
        found.append(
            Peak("conv 3×3", precision, flop, lambda x=x, w=w: functional.conv2d(x, w, padding=1))  # type: ignore[misc]
        )
    return found


def rates(peaks: list[Peak], times: dict[str, Timings]) -> list[dict[str, Any]]:
    """Return GFLOP/s of each peak by its times, which are keyed by `key(peak)`."""
    return [
        {
            "name": peak.name,
            "precision": peak.precision,
            "gflops": peak.flop / times[key(peak)].seconds / 1e9,
            "gflop_per_cpu_s": peak.flop / times[key(peak)].cpu_seconds / 1e9,
            **times[key(peak)].to_json(),
        }
        for peak in peaks
    ]


def key(peak: Peak) -> str:
    return f"peak {peak.name} {peak.precision}"


def best(found: list[dict[str, Any]], precision: str, figure: str = "gflops") -> float:
    """Return the highest ceiling of a precision; 0.0 if none was measured."""
    return max((row[figure] for row in found if row["precision"] == precision), default=0.0)
