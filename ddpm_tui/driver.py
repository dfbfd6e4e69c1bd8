"""The terminal driver, with every byte counted and a stalled link survived. Knows no screens."""

import time

from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

from ddpm_tui.state.budget import Budget


def counting_driver(budget: Budget) -> type[Driver]:
    """A driver class that tells `budget` what is written."""

    class CountingDriver(LinuxDriver):
        def write(self, data: str) -> None:
            budget.spend(len(data.encode(errors="replace")), time.monotonic())
            super().write(data)

    return CountingDriver
