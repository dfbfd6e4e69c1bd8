"""Numbers and times as a person would say them: "1 h 12 min", "3 min ago", "131/s", "12.4 MB". Pure."""

import math
import time
from typing import Final

from engine.base.text import plural as plural

MOST: Final = 1_000_000_000
"""The largest count of pictures or epochs that may be asked for, as of a profile."""


def duration(seconds: float | None) -> str:
    """The two largest units: "48 s", "12 min", "3 h 05 min", "2 d 4 h"; "" where it is not known."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def left(seconds: float) -> str:
    """A time still to go, no finer than anybody plans by: "<1 min", "7 min", "3 h 05 min"."""
    if seconds < 60:
        return "<1 min"
    if seconds < 3600:
        return f"{-(-int(seconds) // 60)} min"
    return duration(60 * -(-int(seconds) // 60))


def ago(then: float | None, now: float) -> str:
    """ "just now", "3 min ago", "5 h ago", "2 d ago"; a clock that was set back makes it "just now"."""
    if not then:
        return ""
    seconds = now - then
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{int(seconds) // 10 * 10} s ago"
    if seconds < 3600:
        return f"{int(seconds) // 60} min ago"
    if seconds < 86400:
        return f"{int(seconds) // 3600} h ago"
    return f"{int(seconds) // 86400} d ago"


def clock(then: float | None) -> str:
    """The time of day, here."""
    return time.strftime("%H:%M", time.localtime(then)) if then else ""


def rate(images_per_s: float | None) -> str:
    """ "131 images/s"."""
    if images_per_s is None or not math.isfinite(images_per_s):
        return ""
    return f"{number(images_per_s)} images/s"


def number(value: float | None, digits: int = 3) -> str:
    """`digits` significant ones without an exponent where that is readable: 0.0613, 131, 12.4, 3e-06."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -4:
        return f"{value:.{digits - 1}g}".replace("e-0", "e-")
    if size >= digits:
        return f"{value:,.0f}"
    return f"{value:.{max(0, digits - 1 - size)}f}"


def learning_rate(value: float | None) -> str:
    """As people write it: "1e-3", "2.5e-4"."""
    if value is None or not math.isfinite(value):
        return ""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def size(count: float | None) -> str:
    """Bytes: "12.4 MB"."""
    if count is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{number(count) if unit != 'B' else int(count)} {unit}"
        count /= 1000
    return f"{number(count)} TB"
