"""The terminal driver: every byte counted, whole sequences only, no report of a mouse that merely moves."""

import os
import selectors
import time
from typing import Any

from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

from ddpm_tui.tui.keyboard import Keyboard
from ddpm_tui.tui.state.budget import Budget

MOUSE = (1000, 1002, 1006)
"""Buttons and the wheel, moves while a button is down, positions beyond column 223. Not 1003: every move of the mouse
would be sent, over ssh, for nothing."""
READ = 1 << 16
LOOK_S = 0.03


def counting_driver(budget: Budget, alt: bool = False) -> type[Driver]:
    """Return a driver class that tells `budget` how many bytes are written. alt: see Keyboard."""

    class CountingDriver(LinuxDriver):
        def write(self, data: str) -> None:
            budget.spend(len(data.encode(errors="replace")), time.monotonic())
            super().write(data)

        def _enable_mouse_support(self) -> None:
            self._mouse_modes("h")

        def _disable_mouse_support(self) -> None:
            self._mouse_modes("l")

        def _mouse_modes(self, switch: str) -> None:
            if self._mouse:
                self.write("".join(f"\x1b[?{mode}{switch}" for mode in MOUSE))
                self.flush()

        def run_input_thread(self) -> None:
            read_keys(self, Keyboard(alt))

    return CountingDriver


def read_keys(driver: Any, keyboard: Keyboard) -> None:
    """Read input in its thread until `driver.exit_event` is set, or the terminal is gone."""
    with selectors.SelectSelector() as selector:
        selector.register(driver.fileno, selectors.EVENT_READ)
        while not driver.exit_event.is_set():
            ready = selector.select(LOOK_S if keyboard.waiting else 0.1)
            if ready:
                data = os.read(driver.fileno, READ)
                if not data:
                    return
                for message in keyboard.feed(data):
                    driver.process_message(message)
            for message in keyboard.tick():
                driver.process_message(message)
