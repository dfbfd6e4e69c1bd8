"""The screen's parent: a small process that waits, and gives the terminal back when the screen is killed.

A screen that ends by itself leaves the terminal as it was; one that a signal ends cannot. Nothing of Textual's is
imported here.
"""

import contextlib
import os
import signal
import termios
from collections.abc import Callable

from engine.base.errors import DdpmError

ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends the screen because somebody wanted it to: there is nothing to say about it."""

LEAVE = (
    "\x18"  # the sequence it was writing is incomplete
    "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l"
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1015l\x1b[?1016l\x1b[?1006l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l\x1b[0m"
)
"""Undoes all that textual.drivers.linux_driver may have switched on, in the order in which it does so itself."""


class KilledError(DdpmError):
    """A signal ended the screen. The exit code is a shell's: 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"the screen was stopped by {signal.Signals(number).name}",
            "the engine and its jobs continue; `ddpm-tui` opens the screen again",
        )
        self.exit_code = 128 + number


def guarded(screen: Callable[[], int]) -> int:
    """Run `screen` in a child of our process group, which gets the terminal's signals; return its exit code.

    Signals sent to us alone are passed on. Raises KilledError, with the terminal given back, if a signal
    ended it.
    """
    found = termios.tcgetattr(0)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        return screen()

    def pass_on(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
            if number == signal.SIGHUP:
                os.kill(child, signal.SIGCONT)  # a session leader gets both; a stopped child must end, too

    for number in (*ASKED, signal.SIGTSTP):
        signal.signal(number, pass_on)
    while os.WIFSTOPPED(status := os.waitpid(child, os.WUNTRACED)[1]):
        os.kill(os.getpid(), signal.SIGSTOP)  # the shell looks at us; its SIGCONT goes to both
    for number in (*ASKED, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    _give_back(found)
    if -code in ASKED:
        return 128 - code
    raise KilledError(-code)


def _give_back(found: list[object]) -> None:
    with contextlib.suppress(OSError, termios.error):  # a closed terminal needs no restoring
        termios.tcsetattr(0, termios.TCSANOW, found)  # type: ignore[arg-type]
        termios.tcflush(0, termios.TCIFLUSH)  # reports of the mouse are not for the shell
        os.write(2, LEAVE.encode())
