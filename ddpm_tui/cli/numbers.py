"""Numbers on the command line: each has a minimum and a maximum, NaN is refused, and errors shorten long values."""

import math
from typing import Any, Final

import click

from ddpm_tui.words import MOST as MOST

SHOWN: Final = 40
"""The most characters of a value that an error repeats."""


def shortened(value: object) -> str:
    """Return a value as an error repeats it."""
    text = str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


class Whole(click.IntRange):
    """A whole number from `least` to `most`."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        assert self.min is not None
        assert self.max is not None
        try:
            number = int(value)
        except ValueError:
            number = None
        if number is None or not self.min <= number <= self.max:
            self.fail(
                f"{shortened(value)} is not a whole number from {self.min:g} to {self.max}.", param, ctx
            )
        return number


class Real(click.FloatRange):
    """A number from `least` (exclusive with `above`) to `most`; NaN and infinity are refused."""

    def __init__(self, least: float, most: float, *, above: bool = False) -> None:
        super().__init__(least, most, min_open=above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        assert self.min is not None
        assert self.max is not None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        # Every comparison with NaN is false.
        fits = self.min < number <= self.max if self.min_open else self.min <= number <= self.max
        if not fits:
            least = f"above {self.min:g} and up" if self.min_open else f"from {self.min:g}"
            self.fail(f"{shortened(value)} is not a number {least} to {self.max:g}.", param, ctx)
        return number


EPOCH: Final = Whole(1, MOST)
CHUNKS: Final = Whole(1, 1_000_000)
PICTURES: Final = Whole(1, 1_000_000)
"""Pictures to draw or score."""
SEED: Final = Whole(0, 2**63 - 1)
STEPS: Final = Whole(1, 10_000)
LINES: Final = Whole(0, 1_000_000)
"""Lines of a log."""
SECONDS: Final = Real(0, 1e9)


def whole_numbers(
    _: click.Context, param: click.Parameter, value: str | None, most: int = 1000
) -> list[int] | None:
    """Parse the comma-separated whole numbers of an option. Raises click.BadParameter."""
    if value is None:
        return None
    parts = value.split(",", most)
    short = shortened(value)
    if len(parts) > most:
        raise click.BadParameter(f"{short!r} has more than {most:,} numbers")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        raise click.BadParameter(f"{short!r} is not a list of whole numbers such as 1,5,10") from None
    if any(abs(number) > MOST for number in numbers):
        raise click.BadParameter(f"{short!r} contains a number above {MOST}")
    return numbers
