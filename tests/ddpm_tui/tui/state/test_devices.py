"""Meters from a driver that is handed in: what is read, what a card lacks, and a driver that goes away."""

from types import SimpleNamespace

from ddpm_tui.tui.state.devices import MeterReader


class Nvml:
    """A driver with one card; `broken` makes it fail as a whole, `lacking` names calls that this card refuses."""

    def __init__(self, lacking=()):
        self.broken = False
        self.lacking = lacking

    def nvmlDeviceGetCount(self):  # noqa: N802  (the driver's name)
        if self.broken:
            raise RuntimeError("driver gone")
        return 1

    def __getattr__(self, name):
        if name in self.lacking:
            raise RuntimeError("not supported")
        return {
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetName": lambda handle: b"NVIDIA GTX 1060",
            "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(used=4_000, total=6_000),
            "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=93),
            "nvmlDeviceGetTemperature": lambda handle, kind: 71,
            "nvmlDeviceGetPowerUsage": lambda handle: 112_000,
            "nvmlDeviceGetEnforcedPowerLimit": lambda handle: 120_000,
            "nvmlDeviceGetComputeRunningProcesses": lambda handle: [1, 2],
        }[name]


def test_a_card_is_read_in_fractions_degrees_and_watts(tmp_path):
    (gpu,) = MeterReader(tmp_path, Nvml()).read().gpus
    assert (gpu.name, gpu.busy, gpu.memory_used, gpu.memory_total) == ("GTX 1060", 0.93, 4_000, 6_000)
    assert (gpu.temperature, gpu.power, gpu.power_limit, gpu.processes) == (71.0, 112.0, 120.0, 2)


def test_what_a_card_lacks_is_not_known_and_the_rest_stays(tmp_path):
    lacking = ("nvmlDeviceGetPowerUsage", "nvmlDeviceGetTemperature")
    (gpu,) = MeterReader(tmp_path, Nvml(lacking)).read().gpus
    assert gpu.power is None
    assert gpu.temperature is None
    assert gpu.busy == 0.93


def test_a_driver_that_goes_away_takes_only_its_meters(tmp_path):
    nvml = Nvml()
    reader = MeterReader(tmp_path, nvml)
    assert reader.read().gpus
    nvml.broken = True
    after = reader.read()
    assert after.gpus == ()
    assert after.machine is not None
    assert 0 < after.machine.memory_used < after.machine.memory_total
    nvml.broken = False
    assert reader.read().gpus == (), "a driver that failed is not asked again"


def test_free_space_is_of_the_folder_or_where_it_will_be(tmp_path):
    assert MeterReader(tmp_path / "not-yet", Nvml()).read().disk_free
