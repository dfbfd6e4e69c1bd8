"""Leaving pictures out by name: `--exclude PATTERN`. Uses names only."""

import re
from collections.abc import Sequence
from fnmatch import translate
from typing import Final

from engine.base.errors import UsageError

MOST: Final = 100
"""The most patterns of one data set."""
LONGEST: Final = 1000
"""The most characters of one pattern."""


class Exclude:
    """Patterns of file and folder names to leave out.

    A pattern without a '/' is compared with every part of a path (`test`, `*_mask.png`), one with a '/' with the
    whole path (`train/masks`, `*/masks/*.png`). A matching folder is left out with everything below it. `*`, `?` and
    `[…]` are as in a shell, but `*` also matches '/'. Upper and lower case differ.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        if len(patterns) > MOST:
            raise UsageError(
                f"{len(patterns):,} patterns to leave pictures out by", f"at most {MOST} are allowed"
            )
        self.patterns = tuple(check_pattern(pattern) for pattern in patterns)
        # A folder called 'faces [1]' also matches its literal name.
        self._compiled = [
            (p, "/" in p, re.compile(f"{re.escape(p)}\\Z|{translate(p)}")) for p in self.patterns
        ]

    def match(self, name: str) -> str | None:
        """Return the first pattern that matches `name` (relative, '/' between the parts), if any."""
        if not self._compiled:
            return None
        parts = name.split("/")
        whole = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        for pattern, from_the_beginning, compiled in self._compiled:
            if any(map(compiled.match, whole if from_the_beginning else parts)):
                return pattern
        return None


def check_pattern(pattern: str) -> str:
    """Return a pattern without a leading './' and a final '/'. Raises UsageError if it matches no name, or all."""
    plain = pattern.strip()
    while plain.startswith("./"):
        plain = plain[2:]
    plain = plain.rstrip("/")
    if not plain or len(plain) > LONGEST:
        raise UsageError(
            f"{pattern[:40]!r} is not a pattern of names",
            "for example --exclude test or --exclude '*_mask.png'",
        )
    if plain.startswith("/"):
        raise UsageError(
            f"the pattern {pattern[:40]!r} begins with '/'",
            "patterns are relative to the folder that is added",
        )
    return plain
