"""Asks the terminal of a command, here and now: for `doctor`. The screen asks in its own way, as it reads keys too."""

import contextlib
import os
import re
import select
import sys
import termios
import time
import tty

from ddpm_tui.draw import asking
from ddpm_tui.draw.asking import Answers
from ddpm_tui.draw.terminal import Terminal

PATIENCE_S = 0.5
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[P\]_][^\x07\x1b]*(?:\x07|\x1b\\))")


def ask(terminal: Terminal, patience: float = PATIENCE_S) -> Answers | None:
    """What the terminal says of itself; None if it must not be asked, or if another program has it.

    Keys that are typed meanwhile are lost.
    """
    if not asking.may_be_asked(terminal, os.environ) or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    descriptor = sys.stdin.fileno()
    try:
        if os.tcgetpgrp(descriptor) != os.getpgrp():  # in the background: to read would stop us
            return None
        before = termios.tcgetattr(descriptor)
    except (OSError, termios.error):
        return None
    try:
        tty.setcbreak(descriptor, termios.TCSANOW)
        answers = _round(descriptor, asking.first_round(terminal.multiplexer), Answers(), 1, patience)
        if more := asking.second_round(answers):
            answers = _round(descriptor, more, answers, 2, patience)
        return answers
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _round(descriptor: int, questions: str, answers: Answers, fence: int, patience: float) -> Answers:
    """Ask, and listen until the last answer is there or `patience` seconds are over."""
    sys.stdout.write(questions)
    sys.stdout.flush()
    end, text = time.monotonic() + patience, ""
    while answers.closed < fence and (left := end - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            break
        text += os.read(descriptor, 4096).decode("latin-1")
        for match in _SEQUENCE.finditer(text):
            answers = asking.hear(answers, match.group())
            text = text[text.index(match.group()) + len(match.group()) :]
    return answers
