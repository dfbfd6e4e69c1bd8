"""The real program in a real pty: keys in, every byte counted, the screen kept by the small emulator."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.ddpm_tui.emulator import Terminal

PROGRAM = [sys.executable, "-m", "ddpm_tui.cli.main"]

UNFINISHED = re.compile(r"\x1b(\[[0-9;:?<>=!]*)?$")


PATIENCE_S = 240.0
"""How long something may take to appear: only a machine with other work needs it."""


class PtyApp:
    """One running app. Close it, or use it in a `with`."""

    def __init__(
        self,
        home: Path,
        *arguments: str,
        size: tuple[int, int] = (120, 40),
        encoding: str = "utf-8",
        **environment: str,
    ) -> None:
        self.encoding = encoding
        self.terminal = Terminal(*size)
        self.count = 0
        self.raw = b""
        self.ended = threading.Event()
        kept = {k: v for k, v in os.environ.items() if k not in ("COLORTERM", "NO_COLOR", "TMUX")}
        env = {**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "DDPM_HOME": str(home), **environment}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(PROGRAM[0], [*PROGRAM, *arguments], env)
        self.resize(*size)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, width: int, height: int) -> None:
        # The emulator first: the app draws everything anew as soon as it hears of the size.
        if (width, height) != (self.terminal.width, self.terminal.height):
            self.terminal = Terminal(width, height)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        kept = ""
        while True:
            try:
                if not select.select([self.fd], [], [], 0.2)[0]:
                    continue
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                self.ended.set()
                return
            self.count += len(data)
            self.raw = (self.raw + data)[-200_000:]
            # A read may end within a character or an escape sequence: that end waits for the next one.
            text = kept + decoder.decode(data)
            cut = UNFINISHED.search(text)
            kept = text[cut.start() :] if cut else ""
            self.terminal.feed(text[: len(text) - len(kept)])

    def press(self, *keys: str, pause: float = 0.3) -> None:
        """Each key as a terminal sends it; "\\t", "\\r", "\\x1b" for tab, enter, escape."""
        for key in keys:
            os.write(self.fd, key.encode())
            time.sleep(pause)

    @property
    def text(self) -> str:
        return self.terminal.text()

    def wait(self, *wanted: str | Callable[[str], bool], timeout: float = PATIENCE_S) -> str:
        """Until all of it is on the screen; its text. Fails with the screen as it is."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            text = self.text
            if all(w(text) if callable(w) else w in text for w in wanted):
                return text
            time.sleep(0.1)
        raise AssertionError(f"{wanted} did not come within {timeout:g} s:\n{self.text}")

    def settle(self, seconds: float) -> int:
        """Bytes written in that time."""
        before = self.count
        time.sleep(seconds)
        return self.count - before

    def quit(self, timeout: float = PATIENCE_S) -> int:
        """`q`, and the exit status."""
        self.press("q")
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        raise AssertionError(f"q did not end it:\n{self.text}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.pid:
            os.kill(self.pid, number)
            os.waitpid(self.pid, 0)
            self.pid = 0

    @property
    def screen_pid(self) -> int:
        """Of the process that draws: the only child of `pid`, its guard."""
        (screen,) = psutil.Process(self.pid).children()
        return int(screen.pid)

    def status(self) -> int:
        """The exit status, once it has ended."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        self.ended.wait(10)
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        self.kill()
        # The reader sees the end of the pty by itself; closing under it could hand its number to another file.
        self.ended.wait(5)
        os.close(self.fd)

    def __enter__(self) -> "PtyApp":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
