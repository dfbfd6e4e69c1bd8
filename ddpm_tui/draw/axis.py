"""Ticks and labels that a person would choose: 1-2-5 steps, decades, SI prefixes. Plain numbers in, text out."""

import math
from dataclasses import dataclass

_PREFIXES = {0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_LADDER = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


def nice_step(span: float, most: int) -> float:
    """Return the smallest of 1, 2, 5 · 10^k that puts at most `most` steps into `span` (> 0)."""
    rough = span / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough * (1 - 1e-9))


def linear_ticks(low: float, high: float, most: int, whole: bool = False) -> list[Tick]:
    """Return round values in [low, high], at most about `most` of them; with `whole`, integers only."""
    if not high > low or most < 1:
        return []
    step = nice_step(high - low, most)
    if whole:
        step = max(1.0, step)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    values = [k * step for k in range(first, last + 1)]
    largest = max((abs(v) for v in values), default=0.0)
    return [Tick(v, label_for(v, step, largest)) for v in values]


def log_ticks(low: float, high: float, most: int) -> list[Tick]:
    """Return values for a log axis over [low, high], both > 0: decades, with 2 and 5 between them if there is room.

    Over less than a good half decade a log axis is labelled like a linear one.
    """
    if not 0 < low < high or most < 1:
        return []
    if math.log10(high / low) < 0.7:
        return linear_ticks(low, high, most)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    inside: list[float] = []
    for mantissas in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        values = [m * 10.0**k for k in range(first, last + 1) for m in mantissas]
        inside = [v for v in values if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
        if len(inside) <= most:
            break
    every = max(1, math.ceil(len(inside) / most))
    return [Tick(v, label_for(v, 10.0 ** math.floor(math.log10(v) + 1e-9), v)) for v in inside[::every]]


def label_for(value: float, step: float, largest: float) -> str:
    """Return a tick's label with just the digits that tell it from its neighbours: 0.05, 12k, 1.5M, 1e-5.

    `step` is the distance to the next tick and `largest` the axis's largest value, so that one axis keeps one form.
    """
    if abs(value) < step * 1e-6:
        return "0"
    if largest < 1e-3:
        exponent = math.floor(math.log10(abs(value)) + 1e-9)
        digits = max(0, exponent - math.floor(math.log10(step) + 1e-9))
        return f"{value:.{digits}e}".replace("e-0", "e-")
    if abs(value) < 1000 or step < 1:
        return _fixed(value, _decimals(step))
    exponent = min(12, 3 * math.floor(math.log10(abs(value)) / 3 + 1e-12))
    digits = _decimals(step / 10.0**exponent)
    if digits > 3:  # 12,345.678k: full digits read better
        return _fixed(value, 0)
    scaled = _fixed(value / 10.0**exponent, digits)
    return (scaled.rstrip("0").rstrip(".") if digits else scaled) + _PREFIXES[exponent]


def short(value: float, digits: int = 3) -> str:
    """Return a value in `digits` digits for a readout: 0.0312, 12.3k, 1.5M, 2.10e-5; "–" if there is none."""
    if not math.isfinite(value):
        return "–"
    value = float(f"{value:.{digits - 1}e}")
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3:
        return f"{value:.{digits - 1}e}".replace("e-0", "e-")
    if size < 1000:
        return _fixed(value, max(0, digits - 1 - math.floor(math.log10(size) + 1e-9)))
    exponent = min(12, 3 * math.floor(math.log10(size) / 3 + 1e-12))
    return f"{value / 10.0**exponent:.{max(digits, 3)}g}{_PREFIXES[exponent]}"


def snug(low: float, high: float, log: bool) -> tuple[float, float]:
    """Widen the range to round ends, so that it stays the same while a curve creeps: redrawing it all is expensive."""
    if log:
        return _ladder_down(low), _ladder_up(high)
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        return low - pad, high + pad
    step = nice_step(high - low, 10)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def _ladder_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next((m * power for m in _LADDER if m * power >= value * (1 + 1e-9)), 15.0 * power)


def _ladder_down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next((m * power for m in reversed(_LADDER) if m * power <= value * (1 - 1e-9)), 0.8 * power)


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _fixed(value: float, decimals: int) -> str:
    return f"{value:.{min(12, decimals)}f}"
