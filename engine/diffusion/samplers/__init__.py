"""The table of samplers: one line and one file each. Must not import torch or numpy.

To add one, write a file beside this one with a class that takes a `step.SamplerOptions` and is called like
`step.SamplerStep`, and add its line to `SAMPLERS`. Profiles, the command line, the forms, the benchmark and the docs
read its name from here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.base.named import names_of, pick
from engine.diffusion.spacing import Spacing

SamplerOption = Literal["eta", "variance"]


@dataclass(frozen=True)
class Sampler:
    """A line of the table.

    step: the class as "module:class" · words: its description for people · takes: the options that change its
    pictures · spacing: of its timesteps by default.
    """

    step: str
    words: str
    takes: tuple[SamplerOption, ...] = ()
    spacing: Spacing = "trailing"


SAMPLERS = {
    "ddpm": Sampler(
        "engine.diffusion.samplers.ddpm:Ddpm",
        "ancestral sampling, with noise at every step (Ho et al. 2020)",
        takes=("variance",),
    ),
    "ddim": Sampler(
        "engine.diffusion.samplers.ddim:Ddim",
        "without noise, or with a share of it by eta (Song et al. 2021)",
        takes=("eta",),
    ),
    # Few of its steps lose the fine detail unless they are even in log-SNR, in which they are exact (Lu et al. 2022a,
    # section 3.4).
    "dpmpp": Sampler(
        "engine.diffusion.samplers.dpmpp:Dpmpp",
        "DPM-Solver++(2M), without noise, for few steps (Lu et al. 2022)",
        spacing="logsnr",
    ),
}

if TYPE_CHECKING:
    SamplerName = str
else:
    SamplerName = names_of(SAMPLERS)


def sampler_named(name: str) -> Sampler:
    """Return the sampler of a name. Raises UserError, with the nearest name, for one that is not in the table."""
    return pick(SAMPLERS, "sampler", name)


def samplers_that_take(option: SamplerOption) -> tuple[str, ...]:
    """Return the names of the samplers that an option changes anything for."""
    return tuple(name for name, sampler in SAMPLERS.items() if option in sampler.takes)
