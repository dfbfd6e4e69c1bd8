"""The devices of this machine: the queue's slots if the settings name none, and torch's facts about them.

Does not import torch: a separate process asks it.
"""

import importlib.util
import itertools
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.base.errors import UserError
from engine.base.records import loads_json
from engine.device.place import Place, visible_cards


def device_slots() -> tuple[str, ...]:
    """Return ("cuda:0", …, "cpu"). GPUs count only if the installed torch supports CUDA."""
    return (*(f"cuda:{index}" for index in range(_gpus())), "cpu")


def _gpus() -> int:
    if not _torch_has_cuda():
        return 0
    visible = visible_cards(os.environ)
    if visible is None:
        return _installed_gpus() or 0
    if visible and visible[0].isdecimal() and (installed := _installed_gpus()) is not None:
        return len(list(itertools.takewhile(lambda card: int(card) < installed, visible)))
    return len(visible)


def _installed_gpus() -> int | None:
    """Return the system's number of GPUs, whether they are visible to this process or not; None: no driver, no
    library or no permission.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        return None
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except Exception:
        return None
    finally:
        pynvml.nvmlShutdown()


def hidden(slots: Iterable[str]) -> list[str]:
    """Return the `slots` that CUDA_VISIBLE_DEVICES hides from all workers."""
    cards = visible_cards(os.environ)
    places = ((slot, Place.parse(slot)) for slot in slots)
    return [
        slot
        for slot, place in places
        if cards is not None and place is not None and place.kind == "cuda" and place.index >= len(cards)
    ]


def _torch_has_cuda() -> bool:
    """Read torch's version file, because importing torch would cost the service 200 MB."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return False
    try:
        text = (Path(spec.origin).parent / "version.py").read_text()
    except OSError:
        return False
    return re.search(r"^cuda\b[^=]*=\s*['\"]", text, re.MULTILINE) is not None


def torch_facts() -> dict[str, Any]:
    """Return torch's facts about this machine (`engine.device.facts`), from a separate process that takes seconds;
    {"error": why} if it fails."""
    from engine.service.launchers.local import worker_command
    from engine.service.spawn import python_path

    environment = {**os.environ, "PYTHONPATH": python_path()}
    try:
        done = subprocess.run(
            [*worker_command(), "facts"], env=environment, capture_output=True, text=True, timeout=120
        )
        return (
            dict(loads_json(done.stdout.encode()))
            if done.returncode == 0
            else {"error": done.stderr.strip()[-300:]}
        )
    except (OSError, ValueError, TypeError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}


def require_device(device: str) -> None:
    """Raise UserError if a device does not exist. torch is asked only about devices that the system does not show."""
    name = "cuda:0" if device == "cuda" else device
    if name == "auto" or name in device_slots():
        return
    facts = torch_facts()
    if "error" in facts:  # then no worker can run, and each reports why
        return
    there = [str(found["device"]) for found in facts["devices"]]
    if name not in there:
        raise UserError(
            f"there is no {name}: torch finds {', '.join(there) or 'no CUDA device'}",
            "see `ddpm-tui doctor`, or use --device cpu",
        )
