"""The version of this program, read when it starts, because the installation may be replaced while it runs."""

VERSION = "0.1.0"


def is_older(theirs: str, ours: str) -> bool:
    """Return whether one dotted version is before another; False if one of them is not a version."""
    a, b = _numbers(theirs), _numbers(ours)
    return a is not None and b is not None and a < b


def _numbers(version: str) -> tuple[int, ...] | None:
    parts = version.split(".")
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        return None
    numbers = [int(part) for part in parts]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
