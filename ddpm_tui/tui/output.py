"""Output to the terminal and its answers: cells that changed, its colours and images."""

import os
from typing import TYPE_CHECKING

from rich.color import ColorSystem
from textual.filter import Monochrome
from textual.geometry import Region

from ddpm_tui.draw.asking import Answers, better, images
from ddpm_tui.draw.glyphs import NoControl
from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui import themes
from ddpm_tui.tui.conversation import Conversation
from ddpm_tui.tui.frame import Frame, WrittenUpdate
from ddpm_tui.tui.textual_private import CompositorUpdate, LayoutUpdate, OpenApp, TerminalAnswer, Update
from ddpm_tui.tui.widgets.lines import LinesWidget
from engine.base.home import Home

if TYPE_CHECKING:
    from ddpm_tui.draw.placeholders import PlaceholderImages

_SYSTEMS = {
    Depth.ANSI16: ColorSystem.STANDARD,
    Depth.ANSI256: ColorSystem.EIGHT_BIT,
    Depth.TRUECOLOR: ColorSystem.TRUECOLOR,
}


class TerminalApp(OpenApp):
    """An app whose terminal may answer more about itself while it runs."""

    terminal: Terminal
    home: Home
    low_bandwidth: bool

    def set_up_output(self, terminal: Terminal) -> None:
        """Set up the output once, when the app is made."""
        self.terminal = terminal
        self.conversation = Conversation(self.write_raw, self._learned)
        self.placeholders: PlaceholderImages | None = None
        """Shows real images, on a terminal that has them."""
        # The colours this terminal was judged to show: fewer than Rich thinks in GNU screen.
        system = _SYSTEMS.get(self.terminal.depth)
        ours = themes.PALETTES.values()
        self._frame = Frame(system, frozenset(p.cursor for p in ours), frozenset(p.resting for p in ours))
        if system is None:
            # The frame leaves colours out; Textual would first turn the cursor's into another grey.
            self.line_filters[:] = [f for f in self.line_filters if not isinstance(f, Monochrome)]
        self.line_filters.insert(0, NoControl())

    # The screen's bytes.

    def to_terminal(self, update: Update) -> CompositorUpdate | None:
        """Return an update of only the cells that differ from those shown already."""
        self._frame.resize(*self.size)
        if isinstance(update, LayoutUpdate):
            for y, strips in enumerate(update.strips, update.region.y):
                x = update.region.x
                for strip in strips:
                    self._frame.update(x, y, strip)
                    x += strip.cell_length
        else:
            for y, start, end in update.spans:
                for stop, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                    if chop is not None and x < end and stop > start:
                        self._frame.update(x, y, chop, stop)
        text = self._frame.flush()
        return WrittenUpdate(text) if text else None

    def on_resize(self) -> None:
        self._frame.forget()

    def action_redraw(self) -> None:
        """Write everything again, as something else wrote on the terminal."""
        self._frame.forget()
        self.screen.refresh(layout=True)

    # The terminal's answers.

    def on_terminal_answer(self, answer: TerminalAnswer) -> None:
        self.conversation.hear(answer.sequence)

    def _learned(self, answers: Answers) -> None:
        """Use this terminal's colours, ground and images, now that all is answered."""
        if not answers.name:  # it may have printed a question
            self._frame.forget_rows(0, 1)
            self.screen.refresh(Region(0, 0, self.size.width, 1))
        known = better(self.terminal, answers, os.environ)
        kind = images(known, answers)
        if known != self.terminal or kind == "placeholders":
            self.terminal = known
            if kind == "placeholders" and not self.low_bandwidth:
                from ddpm_tui.draw.placeholders import PlaceholderImages

                self.placeholders = PlaceholderImages(self.write_raw, known.multiplexer)
            self._frame.colours(_SYSTEMS.get(known.depth))
            for screen in self.all_screens:
                for widget in screen.query(LinesWidget):
                    widget.terminal_is(known)
            self.screen.refresh(layout=True)
        if answers.light and not self.home.theme.exists():
            self.theme = themes.LIGHT
