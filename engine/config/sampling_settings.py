"""How a set of pictures is drawn, decided without torch: what draws them and what plans or reports them agree on it."""

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
    """How a set is drawn. Everything here, with the weights, decides every pixel."""

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
        """The profile's defaults with what is not None in `changes`. Raises UserError for impossible ones."""
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
"""The keys of a job's args that are paths to write to, pictures first, with the options that give them."""

_IN_OUT = re.compile(r"\d{5,}\.png|sample\.json")
"""What a folder of pictures has in it."""


def check_outputs(args: Mapping[str, Any]) -> None:
    """Raise UsageError where two of a job's outputs would be one file, of which the last one written is left."""
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
            raise UsageError(f"{other} and {option} both write {path}", "give each a name of its own")
        places[path] = option
