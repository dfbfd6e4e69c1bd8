"""The loss chart: curves that zoom, pan, follow and can be inspected by key. Is handed its points; reads no files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from rich.segment import Segment
from textual import events
from textual.color import Color, ColorParseError
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer

from ddpm_tui.draw.caption import Look
from ddpm_tui.draw.palettes import OKABE_ITO, RGB, Ink, blend
from ddpm_tui.draw.plot import chart_rows, frame_of
from ddpm_tui.draw.series import UNITS, Mark, Series, Unit
from ddpm_tui.draw.terminal import Terminal
from ddpm_tui.draw.view import Plot, View
from ddpm_tui.tui import themes
from ddpm_tui.tui.keymap import bindings
from ddpm_tui.tui.widgets.lines import LinesWidget

_HALF_LIVES = tuple(m * 10.0**k for k in range(2, 7) for m in (1, 2, 5))


class LossChart(LinesWidget, can_focus=True):
    """Loss curves of one or several runs.

    Give it `Series` with `show`, append to their `Points`, and call `grew`; it paints at most `rate` times a second.
    """

    DEFAULT_CSS = """
    LossChart { height: 1fr; min-height: 4; }
    """

    BINDINGS = bindings("chart")

    class Inspected(Message):
        """The cursor stands at this step and epoch of the run on top; None: it was closed."""

        def __init__(self, step: float | None, epoch: float | None) -> None:
            super().__init__()
            self.step, self.epoch = step, epoch

    view: reactive[View] = reactive(View, layout=False, repaint=False)

    def __init__(
        self,
        *,
        terminal: Terminal | None = None,
        rate: float = 4.0,
        unit: Unit = "epochs",
        half_life: float = 5_000.0,
        log: bool = True,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Make an empty chart. `terminal`: its capabilities (all by default). `rate`: paintings a second at most,
        for new points."""
        super().__init__(name=name, id=id, classes=classes)
        self.plot = Plot()
        self.rate = rate
        self._terminal = terminal
        self._pending: Timer | None = None
        self._stale = False
        self.set_reactive(LossChart.view, View(unit=unit, half_life=half_life, log=log))

    # Data

    def show(self, series: Sequence[Series], marks: Sequence[Mark] = (), target: Mark | None = None) -> None:
        """Show other runs, marks or target, painted at once."""
        self.plot = Plot(tuple(series), tuple(marks), target)
        self.repaint()

    def grew(self) -> None:
        """Paint new points that were appended, now or as soon as `rate` allows."""
        if self._pending is not None:
            self._stale = True
            return
        self.repaint()
        if self.rate > 0 and self.is_mounted:
            self._pending = self.set_timer(1.0 / self.rate, self._rested)

    def _rested(self) -> None:
        self._pending = None
        if self._stale:
            self._stale = False
            self.grew()

    # Painting

    def build_rows(self, width: int, height: int) -> list[list[Segment]]:
        return chart_rows(self.plot, self.view, width, height, self.look())

    def look(self) -> Look:
        """Return colours from the app's theme, glyphs from the terminal."""
        terminal = self._terminal
        ink = theme_ink(self.app.theme, self.app.theme_variables, self.has_focus)
        if terminal is None:
            return Look(ink=ink)
        return Look(terminal.depth, terminal.braille, terminal.unicode, ink)

    def on_focus(self) -> None:
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_zoom(0.5)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_zoom(2.0)

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the click."""
        frame = frame_of(*self.size)
        if not 0 <= event.x - frame.x < frame.columns or not self.plot.series:
            return
        left, right = self.view.range(self.plot)
        at = left + (event.x - frame.x + 0.5) * (right - left) / frame.columns
        self.view = self.view.inspecting(self.plot, at)

    def terminal_is(self, terminal: Terminal) -> None:
        self._terminal = terminal
        super().terminal_is(terminal)

    def watch_view(self, before: View, now: View) -> None:
        self.repaint()
        if before.cursor != now.cursor:
            self.post_message(self.Inspected(self._at(now.cursor, "steps"), self._at(now.cursor, "epochs")))

    def _at(self, cursor: float | None, unit: Unit) -> float | None:
        points = self.plot.series[-1].train if self.plot.series else None
        if cursor is None or points is None or not len(points):
            return None
        return float(np.interp(cursor, points.x(self.view.unit), points.x(unit)))

    def inspect_step(self, step: float | None) -> None:
        """Put the cursor there, or away, without a message."""
        points = self.plot.series[-1].train if self.plot.series else None
        view = replace(self.view, cursor=None)
        if step is not None and points is not None and len(points):
            at = float(np.interp(step, points.x("steps"), points.x(self.view.unit)))
            view = self.view.inspecting(self.plot, at)
        if view != self.view:
            self.set_reactive(LossChart.view, view)
            self.repaint()

    # Keys

    def action_zoom(self, factor: float) -> None:
        self.view = self.view.zoomed(self.plot, factor)

    def action_move(self, columns: int) -> None:
        """Move the cursor while inspecting; else move the view, if it is zoomed."""
        if self.view.cursor is not None:
            self.view = self.view.stepped(self.plot, columns, self._columns())
        else:
            self.view = self.view.panned(self.plot, columns / 8)

    def action_first(self) -> None:
        if self.view.cursor is not None:
            self.view = self.view.inspecting(self.plot, self.view.range(self.plot)[0])
        else:
            self.view = self.view.panned(self.plot, -1e9)

    def action_follow(self) -> None:
        """Go to the newest point, and stay with it."""
        view = self.view.panned(self.plot, 1e9)
        self.view = replace(view, follow=True) if view.cursor is None else view.inspecting(self.plot)

    def action_fit(self) -> None:
        self.view = self.view.fitted()

    def action_inspect(self) -> None:
        """Show the values at a cursor, starting at the newest point; again puts it away."""
        inspecting = self.view.cursor is not None
        self.view = replace(self.view, cursor=None) if inspecting else self.view.inspecting(self.plot)

    def action_leave(self) -> None:
        self.view = replace(self.view, cursor=None)

    def action_toggle_log(self) -> None:
        self.view = replace(self.view, log=not self.view.log)

    def action_toggle_raw(self) -> None:
        self.view = replace(self.view, raw=not self.view.raw)

    def action_next_unit(self) -> None:
        self.view = self.view.in_unit(self.plot, UNITS[(UNITS.index(self.view.unit) + 1) % len(UNITS)])

    def action_smoother(self, steps: int) -> None:
        """Go to the next half-life up or down a 1-2-5 ladder; below its first rung smoothing is off."""
        ladder = (0.0, *_HALF_LIVES)
        at = min(range(len(ladder)), key=lambda i: abs(ladder[i] - self.view.half_life))
        self.view = replace(self.view, half_life=ladder[min(len(ladder) - 1, max(0, at + steps))])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Escape is the screen's unless there is a cursor to close.
        return self.view.cursor is not None if action == "leave" else True

    def _columns(self) -> int:
        return frame_of(*self.size).columns


def theme_ink(theme: str, variables: Mapping[str, str], focused: bool = False) -> Ink:
    """Return the chart's colours: those of our themes as they are; for Textual's own, Okabe-Ito on the theme's
    ground.

    focused: the axes have the colour of the focus.
    """

    def rgb(name: str, otherwise: str) -> RGB:
        try:
            colour = Color.parse(variables.get(name, otherwise))
        except ColorParseError:
            colour = Color.parse(otherwise)
        # The "ansi" themes name the terminal's colours, which are unknown here.
        colour = Color.parse(otherwise) if colour.ansi is not None else colour
        return colour.r, colour.g, colour.b

    ground, text = rgb("background", "#121212"), rgb("foreground", "#e0e0e0")
    if theme not in themes.PALETTES:
        return Ink(OKABE_ITO, ground, text, text if focused else blend(text, ground, 0.6))
    ours = themes.palette(theme)
    return Ink(
        tuple(rgb("", colour) for colour in ours.series),
        ground,
        text,
        rgb("", ours.accent if focused else ours.dim),
    )
