"""The flat schedule."""


def betas(steps: int, start: float, end: float) -> list[float]:
    """The end at every step; see `engine.diffusion.schedules.Betas`."""
    return [end] * steps
