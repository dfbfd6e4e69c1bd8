"""Which version of the program this is. Read from here at run time: what is installed may be replaced meanwhile."""

VERSION = "0.1.0"


def is_older(theirs: str, ours: str) -> bool:
    """Whether one dotted version comes before another; False if one of them is none, as of a program that says
    nothing."""
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
