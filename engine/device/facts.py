"""Torch's facts about this machine, as plain data for `doctor`."""

import platform
from typing import Any

import torch

from engine.device.plan import available_cores, gather


def machine_facts() -> dict[str, Any]:
    """Return versions, cores, and every device with its properties."""
    devices = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(index)
        devices.append(
            {
                "device": f"cuda:{index}",
                "name": properties.name,
                "memory": properties.total_memory,
                "capability": [properties.major, properties.minor],
            }
        )
    cpu = gather("cpu")
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cuda_built": torch.version.cuda,
        "cuda_available": torch.cuda.is_available(),
        "architectures": torch.cuda.get_arch_list() if torch.cuda.is_available() else [],
        "cores": available_cores(),
        "cpu": cpu.name,
        "cpu_bf16": bool({"avx512_bf16", "amx_bf16"} & cpu.cpu_flags),
        "memory": cpu.memory,
        "devices": devices,
    }
