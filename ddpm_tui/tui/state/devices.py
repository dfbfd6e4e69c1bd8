"""The devices' utilisation: by NVML if there is one, by psutil for the machine itself. Reads; starts nothing."""

import logging
import shutil
from pathlib import Path
from typing import Any

from ddpm_tui.tui.state.snapshot import Device, Meters

log = logging.getLogger(__name__)


class MeterReader:
    """Reads all meters; unreadable ones are None. A driver that goes away loses its meters."""

    def __init__(self, folder: Path, nvml: Any = None) -> None:
        """Make a reader. folder: the one whose free disk space matters. nvml: pynvml, or one like it for tests;
        absent: the real one."""
        self._folder = folder
        self._nvml = _open_nvml() if nvml is None else nvml

    def read(self) -> Meters:
        return Meters(self._gpus(), _machine(), _disk_free(self._folder))

    def _gpus(self) -> tuple[Device, ...]:
        if self._nvml is None:
            return ()
        try:
            count = self._nvml.nvmlDeviceGetCount()
            return tuple(self._gpu(self._nvml.nvmlDeviceGetHandleByIndex(i)) for i in range(count))
        except Exception as error:  # NVML's errors derive from Exception only
            log.warning("the GPUs cannot be read any more: %s", error)
            self._nvml = None
            return ()

    def _gpu(self, handle: Any) -> Device:
        nvml = self._nvml
        name = nvml.nvmlDeviceGetName(handle)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        return Device(
            name=(name.decode() if isinstance(name, bytes) else str(name)).removeprefix("NVIDIA "),
            busy=_maybe(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            memory_used=int(memory.used),
            memory_total=int(memory.total),
            temperature=_maybe(lambda: float(nvml.nvmlDeviceGetTemperature(handle, 0))),
            power=_maybe(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
            power_limit=_maybe(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000),
            processes=_maybe(lambda: len(nvml.nvmlDeviceGetComputeRunningProcesses(handle))),
        )


def _open_nvml() -> Any:
    """Return pynvml, initialised, or None if this machine has no NVIDIA driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, no permission: no GPU to show
        return None
    return pynvml


def _maybe(read: Any) -> Any:
    """Read one value; return None if the card does not have it."""
    try:
        return read()
    except Exception:
        return None


def _machine() -> Device | None:
    import psutil

    try:
        memory = psutil.virtual_memory()
        cores = psutil.cpu_count() or 1
        return Device(
            name=f"{cores} CPU core{'s' * (cores > 1)}",
            busy=psutil.cpu_percent(None) / 100,
            memory_used=int(memory.total - memory.available),
            memory_total=int(memory.total),
        )
    except (OSError, psutil.Error):
        return None


def _disk_free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder if folder.exists() else folder.parent).free
    except OSError:
        return None
