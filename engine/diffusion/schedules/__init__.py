"""The table of noise schedules: one line and one file each. Must not import torch or numpy.

To add one, write a file beside this one with a function of the form of `Betas`, and add its line to `SCHEDULES`.
Profiles, the command line, the forms and the docs read its name from here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.base.named import load, names_of, pick

MAX_BETA = 0.999
"""No scaled or cosine β is larger (Nichol & Dhariwal 2021, section 3.2): the last step would be singular."""


class Betas(Protocol):
    """The function of a schedule."""

    def __call__(self, steps: int, start: float, end: float) -> list[float]:
        """Return β_t for t = 0 … steps−1, each in (0, 1).

        steps: at least 1; with a single step β should be the end, because that step has to turn the picture into
        noise · start, end: 0 < start ≤ end < 1; a schedule that has no ends ignores them.
        """
        ...


@dataclass(frozen=True)
class NoiseSchedule:
    """A line of the table: the function as "module:function", and its description for people."""

    function: str
    words: str

    def betas(self, steps: int, start: float, end: float) -> list[float]:
        """Return β_t; see `Betas`."""
        function: Betas = load(self.function)
        return function(steps, start, end)


SCHEDULES = {
    "linear": NoiseSchedule(
        "engine.diffusion.schedules.linear:betas", "β linear from beta_start to beta_end"
    ),
    "cosine": NoiseSchedule(
        "engine.diffusion.schedules.cosine:betas", "ᾱ as a squared cosine; ignores beta_start and beta_end"
    ),
    "quadratic": NoiseSchedule(
        "engine.diffusion.schedules.quadratic:betas", "√β linear between those of beta_start and beta_end"
    ),
    "sigmoid": NoiseSchedule(
        "engine.diffusion.schedules.sigmoid:betas", "the logistic function from beta_start to beta_end"
    ),
}

if TYPE_CHECKING:
    ScheduleName = str
else:
    ScheduleName = names_of(SCHEDULES)


def schedule_named(name: str) -> NoiseSchedule:
    """Return the schedule of a name. Raises UserError, with the nearest name, for one that is not in the table."""
    return pick(SCHEDULES, "noise schedule", name)
