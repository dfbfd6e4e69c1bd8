"""The chart's one line of text: the legend, or the values at the inspect cursor. Says less if there is less room."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from ddpm_tui.draw.axis import short
from ddpm_tui.draw.palettes import Ink, blend, curve_style, text_style
from ddpm_tui.draw.series import Points, Series, nearest_index
from ddpm_tui.draw.terminal import Depth
from ddpm_tui.draw.view import Plot, View


@dataclass(frozen=True)
class Look:
    """How it may be drawn: colours and glyphs of the terminal, inks of the theme."""

    depth: Depth = Depth.TRUECOLOR
    braille: bool = True
    unicode: bool = True
    ink: Ink = field(default_factory=Ink)

    @property
    def lettered(self) -> bool:
        """Return whether there are no colours and no dots, so that each run is drawn in its letter."""
        return self.depth is Depth.NONE and not (self.braille and self.unicode)


Line = list[Segment]

_WORD = re.compile(r"@?(?:[^-._@]|(?<=\de)-(?=\d)|(?<=\d)\.(?=\d))+[-._]*|[-._@]+")
"""Of a run's name, with what ends it; "1e-3" and "0.5" are one word."""


def legend_line(plot: Plot, view: View, look: Look, width: int) -> Line:
    """Return the legend in `width` cells: the runs' colours, and the raw, smoothed and validation lines."""
    runs = plot.series
    if not runs:
        return _fitted([[Segment("no curves yet", text_style(look.ink.muted, look.depth))]], width)
    names = [s.name for s in runs]
    ways = [(names, 0), (names, 1), (names, 2), (apart(names), 1), (apart(names), 2)]
    if len(runs) == 1:
        # The kinds of the lines are named nowhere else; the runs are.
        ways += [([""], 1)]
    ways += [(names, 3), (apart(names), 3)]
    shortest = _length(_legend(runs, [""] * len(runs), view, look, 3))
    room = max(3, (width - shortest) // len(runs))
    ways.append(([middle_cut(name, room) for name in apart(names)], 3))
    return _fitted((_legend(runs, named, view, look, brief) for named, brief in ways), width)


def readout_line(plot: Plot, view: View, look: Look, width: int) -> Line:
    """Return the values at the cursor in `width` cells: step, epoch, then each run's raw, smoothed, last validation."""
    runs = plot.series
    names = [s.name for s in runs]
    ways = [(names, 0), (names, 1), (apart(names), 1), (names, 2), (apart(names), 2), (apart(names), 3)]
    if len(runs) > 1:
        # Every run keeps its value: it is the names that give way.
        bare = _length(_readout(plot, [""] * len(runs), view, look, 3))
        room = max(1, (width - bare) // len(runs))
        ways.append(([middle_cut(name, room) for name in apart(names)], 3))
    return _fitted((_readout(plot, named, view, look, brief) for named, brief in ways), width)


def letter_of(slot: int) -> str:
    """Return the letter that stands for a run if there are no colours."""
    return "abcdefghijklmnopqrstuvwxyz"[slot % 26]


def validation_style(slot: int, look: Look) -> Style:
    """Return a mix of the run's colour and the text colour: recognisably the run's, but not the training line's."""
    if look.depth is Depth.ANSI16:
        return text_style(look.ink.text, look.depth)
    return text_style(blend(look.ink.bright(slot), look.ink.text, 0.55), look.depth)


def apart(names: Sequence[str]) -> list[str]:
    """Return names without the words that all begin and end with: "size.small.s0" and "size.large.s0" are "…small…"
    and "…large…"."""
    words = [_WORD.findall(name) for name in names]
    least = min(map(len, words), default=0) - 1  # something is left of each
    if len(names) < 2 or least < 1:
        return list(names)
    start = next((n for n in range(least) if len({w[n] for w in words}) > 1), least)
    left = least - start
    end = next((n for n in range(left) if len({w[-1 - n] for w in words}) > 1), left)
    found = []
    for name, word in zip(names, words, strict=True):
        core = "".join(word[start : len(word) - end]).rstrip("-._")
        short = f"{'…' if start else ''}{core}{'…' if end else ''}"
        found.append(short if len(short) < len(name) else name)
    return found


def middle_cut(name: str, width: int) -> str:
    """Return a name in at most `width` cells, with "…" for its middle: both ends tell runs apart."""
    if len(name) <= width:
        return name
    tail = (width - 1) // 2
    return f"{name[: width - 1 - tail]}…{name[len(name) - tail :]}"


def _legend(runs: Sequence[Series], names: Sequence[str], view: View, look: Look, brief: int) -> Line:
    """Return the legend. `brief` 1 leaves the half-life out, 2 the explanations of many runs, 3 all but the runs'
    names."""
    many = len(runs) > 1
    slot = runs[0].slot
    line: Line = []
    for s, name in zip(runs, names, strict=True):
        letter = f"{letter_of(s.slot)} " if look.depth is Depth.NONE and (many or look.lettered) else ""
        if not name and not many and brief < 3:
            continue
        sign = "" if letter else f"{_sign(look, '━━', '--')} "
        line += [Segment(f"{sign}{letter}{name}", curve_style(look.ink, s.slot, look.depth)), Segment("  ")]
    if brief >= 3:
        return line
    if view.half_life <= 0:
        line += [Segment("raw, not smoothed", text_style(look.ink.muted, look.depth)), Segment("  ")]
    else:
        said = many and brief < 2 and not look.lettered
        if view.raw:
            raw = f"{'.' if look.lettered else _sign(look, '⠶⠶', '::')} {'dim: ' if said else ''}raw"
            line += [Segment(raw, curve_style(look.ink, slot, look.depth, dim=True)), Segment("  ")]
        sign = letter_of(slot) if look.lettered else _sign(look, "━━", "--")
        smoothed = f"{sign} {'bright: ' if said else ''}smoothed"
        line.append(Segment(smoothed, curve_style(look.ink, slot, look.depth)))
        if brief < 1:
            half_life = f" (half-life up to {short(view.half_life)} pictures)"
            line.append(Segment(half_life, text_style(look.ink.muted, look.depth)))
        line.append(Segment("  "))
    if any(len(s.validation) for s in runs):
        sign = letter_of(slot).upper() if look.lettered else _sign(look, "⠒ ⠒", "- -")
        line.append(Segment(f"{sign} validation", validation_style(slot, look)))
    return line


def _readout(plot: Plot, names: Sequence[str], view: View, look: Look, brief: int) -> Line:
    """Return the readout. `brief` 1 leaves the raw value out if several runs are shown, 2 the validation too, 3
    shortens the position."""
    muted = text_style(look.ink.muted, look.depth)
    plain = text_style(look.ink.text, look.depth)
    at = view.cursor if view.cursor is not None else 0.0
    line: Line = []
    runs = plot.series
    for s, name in zip(runs, names, strict=True):
        i = nearest_index(s.train.x(view.unit), at)
        if i is None or not _covers(s.train, view, at):
            continue
        if not line:
            step, epoch = s.train.x("steps")[i], s.train.x("epochs")[i]
            if brief < 3:
                line += [Segment("step ", muted), Segment(f"{step:,.0f}", plain), Segment("  ", muted)]
            line += [Segment("epoch " if brief < 3 else "e", muted), Segment(f"{epoch:.2f}", plain)]
        bright = curve_style(look.ink, s.slot, look.depth)
        line.append(Segment(f"  {name}" if len(runs) > 1 else "  train", bright))
        value = float(s.train.y[i])
        if brief < 1 or len(runs) == 1 or not np.isfinite(value):
            line += [
                Segment(" raw ", muted),
                Segment(short(value) if np.isfinite(value) else "not a number", plain),
            ]
        if view.half_life > 0:
            smoothed = short(float(s.train.smoothed(view.half_life)[i]))
            line += [Segment(" smoothed " if brief < 1 else " ", muted), Segment(smoothed, bright)]
        known = int(np.searchsorted(s.validation.x(view.unit), at, "right")) - 1
        if known >= 0 and brief < 2:
            validation = short(float(s.validation.y[known]))
            line += [Segment(" validation " if brief < 1 else " val ", muted)]
            line += [Segment(validation, validation_style(s.slot, look))]
    return line or [Segment("no value here", muted)]


def _sign(look: Look, dots: str, plain: str) -> str:
    return dots if look.braille and look.unicode else plain


def _covers(points: Points, view: View, at: float) -> bool:
    x = points.x(view.unit)
    slack = (x[-1] - x[0]) * 0.01
    return bool(x[0] - slack <= at <= x[-1] + slack)


def _length(line: Line) -> int:
    return sum(cell_len(segment.text) for segment in line)


def _fitted(lines: "Iterator[Line] | list[Line]", width: int) -> Line:
    """Return the first of the lines that fits, padded to exactly `width` cells; the last one cut if none does."""
    line: Line = []
    for line in lines:
        length = _length(line)
        if length <= width:
            return [*line, Segment(" " * (width - length))] if length < width else line
    return list(Segment.adjust_line_length(line, width))
