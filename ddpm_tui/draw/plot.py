"""The loss chart as rows of Segments: curves, axes, marks, caption. A pure function of its arguments."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.segment import Segment
from rich.style import Style

from ddpm_tui.draw.axis import Tick, linear_ticks, log_ticks
from ddpm_tui.draw.braille import BrailleCanvas
from ddpm_tui.draw.caption import Look, legend_line, letter_of, readout_line, validation_style
from ddpm_tui.draw.palettes import blend, curve_style, text_style
from ddpm_tui.draw.series import Points, Reals, Series, columns
from ddpm_tui.draw.terminal import Depth
from ddpm_tui.draw.view import Plot, View, y_range

# Inks of the canvas: three a curve slot, then the fixed ones.
_RAW, _SMOOTH, _VALIDATION, _PER_SLOT = 0, 1, 2, 3
_MARK, _CURSOR, _LABEL = 1000, 1001, 1002
_ROW_OF_TICKS, _COLUMN_OF_TICKS = 3, 12  # about so many cells a tick


@dataclass(frozen=True)
class PlotArea:
    """The place of the plot area in the widget, in cells: for the inspect cursor and the mouse."""

    x: int
    y: int
    columns: int
    rows: int


def frame_of(width: int, height: int, label_width: int = 6) -> PlotArea:
    """Return the plot area of a chart that size: legend above, labels left and below, each only if there is room."""
    left = label_width + 1 if width >= 18 else 0
    top = 1 if height >= 4 else 0
    bottom = 1 if height >= 6 else 0
    return PlotArea(left, top, max(1, width - left), max(1, height - top - bottom))


def chart_rows(
    plot: Plot, view: View, width: int, height: int, look: Look | None = None
) -> list[list[Segment]]:
    """Return the chart as `height` rows of Segments, each `width` cells."""
    look = look or Look()
    left, right = view.range(plot)
    frame = frame_of(width, height)
    canvas = BrailleCanvas(frame.columns, frame.rows, look.braille and look.unicode)
    curves = _curves(plot, view, left, right, canvas.width)
    bottom, top = y_range([c.low for c in curves if c.scales], [c.high for c in curves if c.scales], view.log)
    scale = _Scale(bottom, top, view.log, canvas.height)
    for curve in curves:
        glyph = _plain_glyph(curve, look)
        canvas.spans(
            scale.rows(curve.high), scale.rows(curve.low), curve.ink, glyph, 2 if curve.dashed else 0
        )
    for curve in curves:
        if curve.points is not None:
            _dots(canvas, curve, curve.points, view, left, right, scale)
    _marks(canvas, plot, view, left, right, look)
    if view.cursor is not None and left <= view.cursor <= right:
        canvas.tint(_column(view.cursor, left, right, frame.columns), _CURSOR, "│" if look.unicode else "|")
    if look.depth is Depth.NONE and not look.lettered:
        _end_letters(canvas, curves, scale)
    ticks = _y_ticks(bottom, top, view.log, frame.rows)
    body = _with_y_labels(canvas.segments(_styles(look)), ticks, scale, frame, look)
    rows = body
    if frame.y:
        line = legend_line if view.cursor is None else readout_line
        rows = [line(plot, view, look, width), *rows]
    if frame.y + frame.rows < height:
        rows.append(_x_labels(left, right, view, frame, width, look))
    return rows[:height]


@dataclass(frozen=True)
class _Curve:
    """One line as column spans. `points`: draw its values as dots too. `scales`: the y axis makes room for it."""

    series: Series
    kind: int
    low: Reals
    high: Reals
    points: Points | None = None
    scales: bool = True

    @property
    def ink(self) -> int:
        return self.series.slot * _PER_SLOT + self.kind

    @property
    def dashed(self) -> bool:
        return self.kind == _VALIDATION


def _curves(plot: Plot, view: View, left: float, right: float, count: int) -> list[_Curve]:
    """Return the curves, back to front: all raw lines, then validation, then the smoothed ones."""
    runs = plot.series
    out = []
    smoothing = view.half_life > 0
    if view.raw or not smoothing:
        for s in runs:
            low, high = columns(s.train.x(view.unit), s.train.y, left, right, count)
            out.append(_Curve(s, _RAW if smoothing else _SMOOTH, low, high))
    for s in runs:
        low, high = columns(s.validation.x(view.unit), s.validation.y, left, right, count)
        out.append(_Curve(s, _VALIDATION, low, high, s.validation))
    if smoothing:
        for s in runs:
            low, high = columns(s.train.x(view.unit), s.train.smoothed(view.half_life), left, right, count)
            out.append(_Curve(s, _SMOOTH, low, high))
    return out


@dataclass(frozen=True)
class _Scale:
    """From values to dot rows, 0 at the top."""

    bottom: float
    top: float
    log: bool
    height: int

    def rows(self, y: Reals) -> Reals:
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.log:
                part = np.log(y / self.bottom) / np.log(self.top / self.bottom)
            else:
                part = (y - self.bottom) / (self.top - self.bottom)
        out: Reals = np.where(np.isnan(part), np.nan, np.clip(1.0 - part, 0.0, 1.0) * (self.height - 1))
        return out


def _dots(
    canvas: BrailleCanvas, curve: _Curve, points: Points, view: View, left: float, right: float, scale: _Scale
) -> None:
    """Draw a point of two dots for each value, if the values are few enough to be told apart."""
    x, y = points.x(view.unit), points.y
    seen = (x >= left) & (x <= right) & np.isfinite(y)
    if not seen.any() or seen.sum() > canvas.columns // 3:
        return
    mask = np.zeros((canvas.height, canvas.width), dtype=np.bool_)
    across = np.clip(((x[seen] - left) / (right - left) * canvas.width).astype(np.int64), 0, canvas.width - 1)
    down = scale.rows(y[seen])
    drawn = np.isfinite(down)
    row = np.rint(down[drawn]).astype(np.int64)
    column = across[drawn] // canvas.dots_x * canvas.dots_x
    for dx in range(canvas.dots_x):
        mask[row, column + dx] = True
        if canvas.braille:
            mask[np.clip(row ^ 1, 0, canvas.height - 1), column + dx] = True
    canvas.dots(mask, curve.ink)


def _marks(canvas: BrailleCanvas, plot: Plot, view: View, left: float, right: float, look: Look) -> None:
    places = []
    for mark in sorted(plot.marks, key=lambda m: m.x(view.unit)):
        x = mark.x(view.unit)
        if left < x <= right:
            column = _column(x, left, right, canvas.columns)
            canvas.tint(column, _MARK, "┊" if look.unicode else ":")
            places.append((column, mark.text))
    for column, text in places:
        after = column + 1 + len(text) <= canvas.columns
        start = column + 1 if after else column - len(text)
        apart = 0 if after else 1  # from the label of the mark before
        # The lowest row is the one that falling curves leave free longest; a label in a curve's way gives way.
        for row in (0, canvas.rows - 1):
            if canvas.is_blank(start - apart, row, len(text) + apart):
                canvas.text(start, row, text, _LABEL)
                break


def _end_letters(canvas: BrailleCanvas, curves: list[_Curve], scale: _Scale) -> None:
    """Without colours, write each run's letter at the end of its line."""
    for curve in curves:
        drawn = np.flatnonzero(np.isfinite(curve.low))
        if len(drawn) and curve.kind == _SMOOTH:
            row = int(scale.rows(curve.low[drawn[-1:]])[0] // canvas.dots_y)
            column = min(canvas.columns - 1, int(drawn[-1]) // canvas.dots_x + 1)
            canvas.text(column, row, letter_of(curve.series.slot), _LABEL)


def _column(x: float, left: float, right: float, count: int) -> int:
    return min(count - 1, max(0, int((x - left) / (right - left) * count)))


def _y_ticks(bottom: float, top: float, log: bool, rows: int) -> list[Tick]:
    most = max(2, rows // _ROW_OF_TICKS)
    return log_ticks(bottom, top, most) if log else linear_ticks(bottom, top, most)


def _with_y_labels(
    body: list[list[Segment]], ticks: list[Tick], scale: _Scale, frame: PlotArea, look: Look
) -> list[list[Segment]]:
    if not frame.x:
        return body
    style = text_style(look.ink.muted, look.depth)
    labels: dict[int, str] = {}
    for tick in ticks:
        row = int(scale.rows(np.array([tick.at]))[0] // (scale.height / frame.rows))
        if row not in labels:
            labels[row] = tick.label
    ruler, mark = ("│", "┤") if look.unicode else ("|", "+")
    wide = frame.x - 1
    return [
        [Segment(labels.get(y, "")[:wide].rjust(wide) + (mark if y in labels else ruler), style), *row]
        for y, row in enumerate(body)
    ]


def _x_labels(
    left: float, right: float, view: View, frame: PlotArea, width: int, look: Look
) -> list[Segment]:
    most = max(1, frame.columns // _COLUMN_OF_TICKS)
    whole = view.unit != "epochs" or right - left >= 4
    ticks = linear_ticks(left, right, most, whole)
    if len(ticks) < 2:  # one label alone tells no scale
        ticks = linear_ticks(left, right, 2 * most, whole)
    line = [" "] * width
    free_from = 0
    unit = view.unit if width >= 40 else ""
    end = width - len(unit) - (1 if unit else 0)
    for tick in ticks:
        at = frame.x + _column(tick.at, left, right, frame.columns)
        start = min(max(0, at - len(tick.label) // 2), max(0, width - len(tick.label)))
        if start >= free_from and start + len(tick.label) <= end:
            line[start : start + len(tick.label)] = tick.label
            free_from = start + len(tick.label) + 2
    if unit:
        line[-len(unit) :] = unit
    else:
        _between(line, view.unit)
    return [Segment("".join(line), text_style(look.ink.muted, look.depth))]


def _between(line: list[str], unit: str) -> None:
    """Put the unit into the widest gap between two ticks, clear of both."""
    gaps = [(gap.end() - gap.start(), gap.start()) for gap in re.finditer(r"(?<=\S) +(?=\S)", "".join(line))]
    wide, at = max(gaps, default=(0, 0))
    if wide >= len(unit) + 4:
        start = at + (wide - len(unit)) // 2
        line[start : start + len(unit)] = unit


def _styles(look: Look) -> Callable[[int], Style]:
    fixed = {
        _MARK: text_style(blend(look.ink.muted, look.ink.ground, 0.4), look.depth, dim=True),
        _CURSOR: text_style(look.ink.text, look.depth, bold=True),
        _LABEL: text_style(look.ink.muted, look.depth),
    }

    def style_of(ink: int) -> Style:
        if ink in fixed:
            return fixed[ink]
        slot, kind = divmod(ink, _PER_SLOT)
        if kind == _VALIDATION:
            fixed[ink] = validation_style(slot, look)
        else:
            fixed[ink] = curve_style(look.ink, slot, look.depth, dim=kind == _RAW)
        return fixed[ink]

    return style_of


def _plain_glyph(curve: _Curve, look: Look) -> str | None:
    """Return the glyph without colours and dots: the run's letter in capitals for validation and a point for raw
    values."""
    if not look.lettered:
        return None
    letter = letter_of(curve.series.slot)
    return {_RAW: ".", _SMOOTH: letter, _VALIDATION: letter.upper()}[curve.kind]
