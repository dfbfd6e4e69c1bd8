"""Whether a worker still says where it is: the one rule for the screens and for `queue list`. Pure."""

from ddpm_tui.words import duration
from engine.jobs.files import Progress

SHORTEST_S = 30.0
"""A busy machine may keep a worker waiting for as long as that."""
STEPS = 20
"""Of training steps, as many as may pass unsaid: a GPU is sent some ahead of the one that it works at."""
LONGEST_S = 600.0
"""Compiling, validating and scoring may say nothing before they are through, on a slow device for minutes."""


def silence(progress: Progress | None, now: float) -> str:
    """ "no sign of life for 45 s" of a live worker that should have said something by now; else "".

    now: wall clock, seconds. The speed and the time left that such a worker told last are no longer true.
    """
    if progress is None or not progress.time:
        return ""
    age = now - progress.time
    return f"no sign of life for {duration(age)}" if age > _patience(progress) else ""


def _patience(progress: Progress) -> float:
    """Seconds that a worker in this phase may say nothing: in training it reports every step."""
    steps_left = progress.total - progress.done
    if progress.phase != "training" or not progress.eta_s or steps_left <= 0:
        return LONGEST_S
    return max(SHORTEST_S, STEPS * progress.eta_s / steps_left)
