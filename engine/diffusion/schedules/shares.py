"""How far along a schedule each of its steps is."""


def shares(steps: int) -> list[float]:
    """Return values spaced evenly from 0 at the first of `steps` (at least 2) to 1 at the last."""
    return [step / (steps - 1) for step in range(steps)]
