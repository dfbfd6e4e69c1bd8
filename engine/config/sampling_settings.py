"""The settings of a sample set, without torch, shared by the code that draws, plans and reports them."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from engine.base.errors import UsageError, UserError, unknown
from engine.config.asked import check_asked
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
    labels: tuple[str, ...] = ()
    """what is asked for, in groups: ("smiling=1,hat=-1", …); none is pictures of which nothing is asked"""
    guidance: float = 1.0
    """weight; 1 is off"""
    guide: str | None = None
    """the worse network, RUN@STEP or an exported folder; None is the same network without labels"""
    guide_weights: Weights | None = None
    """of the guide, if there is one"""
    guidance_interval: tuple[float, float] | None = None
    """log-SNR from … to; None is everywhere"""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as the arguments of a job store them: tuples as lists."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @property
    def guided(self) -> bool:
        return self.guidance != 1.0

    @property
    def terms(self) -> dict[str, Any]:
        """How samples were asked for and guided, as a score keeps it."""
        names = ("labels", "guidance", "guide", "guide_weights", "guidance_interval")
        return {name: value for name in names if (value := getattr(self, name)) not in (None, ())}

    @classmethod
    def from_profile(cls, profile: Profile, **changes: object) -> "Settings":
        """Return the profile's defaults, with the values in `changes` that are not None. Raises UserError for
        impossible ones.
        """
        section = profile.sampling
        given: dict[str, Any] = {k: v for k, v in changes.items() if v is not None}
        usual = {
            f.name: getattr(section, f.name) for f in dataclasses.fields(cls) if hasattr(section, f.name)
        }
        values = usual | given
        if values.get("guide") is not None:
            values.setdefault("guidance", GUIDE_WEIGHT)
            values.setdefault("guide_weights", "ema")
        if values["spacing"] == "auto":
            values["spacing"] = profile.spacing_for(values["sampler"])
        try:
            settings = TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            wrong = error.errors()[0]
            name = wrong["loc"][0]
            if wrong["type"] == "literal_error":
                hint = get_type_hints(cls)[str(name)]
                words = [get_args(part) or (part,) for part in get_args(hint)]  # of Weights | None too
                known = [word for part in words for word in part if isinstance(word, str)]
                raise unknown(f"--{name}", str(values[str(name)]), known) from None
            said = wrong["msg"][0].lower() + wrong["msg"][1:]
            raise UserError(f"--{name} {values[str(name)]} cannot be: {said}") from None
        if not 1 <= settings.steps <= profile.diffusion.steps:
            raise UserError(
                f"--steps {settings.steps} is not within 1…{profile.diffusion.steps}, the run's diffusion steps"
            )
        if not 0 <= settings.eta <= 1:
            raise UserError(f"--eta {settings.eta:g} is not within 0…1")
        _check_guidance(settings)
        taught = profile.labels
        asked = tuple(check_asked(text, taught.kind, taught.names) for text in settings.labels)
        return dataclasses.replace(settings, labels=asked)


def asked_words(settings: Settings) -> str:
    """ "smiling=1, guided by r@40 (ema) at 1.25, "; "" for what is neither asked for nor guided."""
    asked = "".join(f"{text or 'unlabelled'}, " for text in settings.labels)
    if not settings.guided:
        return asked
    by = f"by {settings.guide} ({settings.guide_weights}) " if settings.guide else ""
    interval = settings.guidance_interval
    within = f" within log-SNR {interval[0]:g} to {interval[1]:g}" if interval else ""
    return f"{asked}guided {by}at {settings.guidance:g}{within}, "


GUIDE_WEIGHT = 1.25
"""The weight if a guide is given without one; docs/guidance.md says why."""
MOST_GUIDANCE = 100.0


def _check_guidance(settings: Settings) -> None:
    if not 0 <= settings.guidance <= MOST_GUIDANCE:  # NaN is not within either
        raise UserError(f"--guidance {settings.guidance:g} is not within 0…{MOST_GUIDANCE:g}", "1 is off")
    interval = settings.guidance_interval
    if interval is not None and not interval[0] < interval[1]:
        raise UserError(
            f"--guidance-interval {interval[0]:g},{interval[1]:g} is empty", "give log-SNR as LOW,HIGH: -3,2"
        )
    if not settings.guided:
        for name in ("guide", "guidance_interval"):
            if getattr(settings, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise UserError(
                    f"{option} does nothing at --guidance 1", f"leave {option} out, or give a weight"
                )


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
