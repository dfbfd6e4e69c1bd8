"""The settings of a sample set, without torch, shared by the code that draws, plans and reports them."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from engine.base.errors import UsageError, UserError, unknown
from engine.config.names import Weights
from engine.config.profile import Profile
from engine.diffusion.names import Variance
from engine.diffusion.samplers import SamplerName
from engine.diffusion.spacing import Spacing


@dataclass(frozen=True)
class Settings:
    """The settings of a sample set. Together with the weights, they determine every pixel."""

    sampler: SamplerName
    steps: int
    spacing: Spacing
    eta: float
    variance: Variance
    clip: bool
    weights: Weights
    seed: int = 0

    @classmethod
    def from_profile(cls, profile: Profile, **changes: object) -> "Settings":
        """Return the profile's defaults, with the values in `changes` that are not None. Raises UserError for
        impossible ones.
        """
        section = profile.sampling
        given: dict[str, Any] = {k: v for k, v in changes.items() if v is not None}
        values = {
            f.name: getattr(section, f.name) for f in dataclasses.fields(cls) if f.name != "seed"
        } | given
        if values["spacing"] == "auto":
            values["spacing"] = profile.spacing_for(values["sampler"])
        try:
            settings = TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            wrong = error.errors()[0]
            name = wrong["loc"][0]
            if wrong["type"] == "literal_error":
                known = get_args(get_type_hints(cls)[str(name)])
                raise unknown(f"--{name}", str(values[str(name)]), known) from None
            said = wrong["msg"][0].lower() + wrong["msg"][1:]
            raise UserError(f"--{name} {values[str(name)]} cannot be: {said}") from None
        if not 1 <= settings.steps <= profile.diffusion.steps:
            raise UserError(
                f"--steps {settings.steps} is not within 1…{profile.diffusion.steps}, the run's diffusion steps"
            )
        if not 0 <= settings.eta <= 1:
            raise UserError(f"--eta {settings.eta:g} is not within 0…1")
        return settings


OUTPUTS = {"out": "--out", "npy": "--npy", "grid": "--grid", "trajectory_file": "--trajectory"}
"""The keys of a job's arguments that are output paths, pictures first, with the options that set them."""

_IN_OUT = re.compile(r"\d{5,}\.png|sample\.json")
"""The names inside an output folder of pictures."""


def check_outputs(args: Mapping[str, Any]) -> None:
    """Raise UsageError if two of a job's outputs would be the same file, because the last would overwrite the first."""
    places: dict[Path, str] = {}
    for key, option in OUTPUTS.items():
        if not args.get(key):
            continue
        path = Path(args[key]).resolve()
        out = Path(args["out"]).resolve() if args.get("out") and key != "out" else None
        other = places.get(path)
        if other is None and path.parent == out and _IN_OUT.fullmatch(path.name):
            other = OUTPUTS["out"]
        if other is not None:
            raise UsageError(f"{other} and {option} both write {path}", "give each another name")
        places[path] = option
