"""Which devices this machine has, without torch: the queue's slots where the settings name none."""

import importlib.util
import os
import re
from pathlib import Path


def device_slots() -> tuple[str, ...]:
    """("cuda:0", …, "cpu"). GPUs count only where the installed torch can use CUDA."""
    return (*(f"cuda:{index}" for index in range(_gpus())), "cpu")


def _gpus() -> int:
    if not _torch_has_cuda():
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no driver, no library, no permission: no GPU for us
        return 0
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except Exception:
        return 0
    finally:
        pynvml.nvmlShutdown()


def _torch_has_cuda() -> bool:
    """Read from torch's version file: importing torch would cost the service 200 MB."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return False
    try:
        text = (Path(spec.origin).parent / "version.py").read_text()
    except OSError:
        return False
    return re.search(r"^cuda\b[^=]*=\s*['\"]", text, re.MULTILINE) is not None
