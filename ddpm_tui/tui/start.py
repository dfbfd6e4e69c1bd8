"""Opens the app on this terminal."""

import contextlib
import gc
import os
import sys
from pathlib import Path

from ddpm_tui.draw.terminal import here
from ddpm_tui.tui.app import DdpmApp
from ddpm_tui.tui.keymap import read_keymap
from engine.base.errors import UserError
from engine.base.home import Home


def run(home: Home | None = None, low_bandwidth: bool = False, mouse: bool = True) -> int:
    """Open the app; return the exit code. Raises UserError if there is no terminal to draw on."""
    gc.disable()  # until the first paint: garbage collection would take a tenth of that time and free nothing
    for variable in ("LINES", "COLUMNS"):
        os.environ.pop(
            variable, None
        )  # exported by a shell they would pin the size, which the terminal knows
    terminal = here()
    if not (sys.__stdin__ and sys.__stdin__.isatty() and terminal.tty):
        raise UserError("the app needs a terminal", "see `ddpm-tui --help` for the commands")
    home = (home or Home.find()).create()
    _log_to(home.app_log)
    from ddpm_tui.tui.driver import counting_driver
    from ddpm_tui.tui.state.store import LiveStore
    from engine.client.asynchronous import AsyncClient

    store = LiveStore(home, AsyncClient(home), period=4.0 if low_bandwidth else 1.0)
    app = DdpmApp(home, store, terminal=terminal, low_bandwidth=low_bandwidth)
    with_alt = any("alt+" in keys for keys in read_keymap(home.keymap)[0].values())
    app.driver_class = counting_driver(app.budget, with_alt)
    app.set_reactive(DdpmApp.snapshot, store.first())
    app.run(mouse=mouse)
    return app.return_code or 0


def _log_to(path: Path) -> None:
    """Log the app's own faults to a file: its terminal is taken."""
    import logging.handlers

    with contextlib.suppress(OSError):
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.basicConfig(handlers=[handler], level=logging.INFO)
