"""The app's questions to its terminal: asked once, after the first paint; nothing waits for the answers.

If there is no answer, a late one or an unknown one, the screen stays as it is. Knows no widgets.
"""

import time
from collections.abc import Callable, Mapping

from ddpm_tui.draw import asking
from ddpm_tui.draw.asking import Answers
from ddpm_tui.draw.terminal import Terminal

LATEST_S = 5.0
"""Answers that come later than this are about another time: a session that was suspended, a link that hung."""
HOME = "\x1b[1;1H"
"""Questions are asked from the first line, which is drawn anew afterwards: some terminals print unknown ones."""


class Conversation:
    """write: to the terminal · ended: called with all answers when the last one has come."""

    def __init__(
        self,
        write: Callable[[str], object],
        ended: Callable[[Answers], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._ended, self._clock = write, ended, clock
        self._rounds = 0
        self._since = 0.0
        self.answers = Answers()

    def begin(self, terminal: Terminal, environ: Mapping[str, str]) -> bool:
        """Ask if that does no harm on this terminal. Return whether it asked."""
        if not asking.may_be_asked(terminal, environ):
            return False
        self._ask(asking.first_round(terminal.multiplexer))
        return True

    def _ask(self, questions: str) -> None:
        self._rounds += 1
        self._since = self._clock()
        self._write(HOME + questions)

    def hear(self, sequence: str) -> None:
        """Take one whole answer."""
        if not self._rounds or self._clock() > self._since + LATEST_S:
            return
        before, self.answers = self.answers, asking.hear(self.answers, sequence)
        if self.answers.closed == before.closed or self.answers.closed < self._rounds:
            return
        more = asking.second_round(self.answers) if self._rounds == 1 else ""
        if more:
            self._ask(more)
        else:
            self._rounds = 0
            self._ended(self.answers)
