"""Leaving pictures out by their names: `--exclude PATTERN`. Knows names only."""

import re
from collections.abc import Sequence
from fnmatch import translate
from typing import Final

from engine.base.errors import UsageError

MOST: Final = 100
"""Patterns of one data set."""
LONGEST: Final = 1000
"""Characters of one of them."""


class Exclude:
    """Patterns of file and folder names that are left out.

    A pattern without a '/' is compared with every part of a name (`test`, `*_mask.png`), one with a '/' with the
    name from its beginning (`train/masks`, `*/masks/*.png`). Naming a folder leaves out all below it. `*`, `?` and
    `[…]` are as in a shell, but `*` goes across '/'. Upper and lower case differ.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        if len(patterns) > MOST:
            raise UsageError(
                f"{len(patterns):,} patterns to leave pictures out by", f"at most {MOST} are taken"
            )
        self.patterns = tuple(check_pattern(pattern) for pattern in patterns)
        # A folder that is called 'faces [1]' is meant by its name too, not only as a pattern.
        self._compiled = [
            (p, "/" in p, re.compile(f"{re.escape(p)}\\Z|{translate(p)}")) for p in self.patterns
        ]

    def match(self, name: str) -> str | None:
        """The first pattern that leaves `name` out (relative, '/' between the parts), if one does."""
        if not self._compiled:
            return None
        parts = name.split("/")
        whole = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        for pattern, from_the_beginning, compiled in self._compiled:
            if any(map(compiled.match, whole if from_the_beginning else parts)):
                return pattern
        return None


def check_pattern(pattern: str) -> str:
    """A pattern without './' in front and '/' at its end. Raises UsageError if it can match no name, or all."""
    plain = pattern.strip()
    while plain.startswith("./"):
        plain = plain[2:]
    plain = plain.rstrip("/")
    if not plain or len(plain) > LONGEST:
        raise UsageError(
            f"{pattern[:40]!r} is no pattern of names", "for example --exclude test or --exclude '*_mask.png'"
        )
    if plain.startswith("/"):
        raise UsageError(
            f"the pattern {pattern[:40]!r} begins with '/'",
            "patterns are relative to the folder that is added",
        )
    return plain
