"""The linear schedule (Ho et al. 2020, section 4)."""

from engine.diffusion.schedules.shares import shares


def betas(steps: int, start: float, end: float) -> list[float]:
    """Return β_t evenly from `start` to `end`; see `engine.diffusion.schedules.Betas`."""
    if steps == 1:
        return [end]
    return [start + share * (end - start) for share in shares(steps)]
