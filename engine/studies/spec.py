"""The definition of a study: a TOML file with a base profile, variants as overrides, a budget, seeds and measures.

Knows nothing about runs and jobs. Overrides are checked when the study is read, each variant with its whole profile.
"""

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.base.errors import UserError, nearest, unknown
from engine.base.home import NAME, Home, given_path, is_file_name, shipped_profiles
from engine.base.records import loads_toml, read_text
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.config.store import load_profile
from engine.diffusion.names import Variance
from engine.diffusion.samplers import SamplerName
from engine.diffusion.spacing import Spacing
from engine.runs.measures import MEASURES

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Kind = Literal["train", "branch", "sample"]
STUDY_MEASURES = tuple(name for name, measure in MEASURES.items() if measure.extractor != "file")
"""The measures of a study; it gives no extractor of the user's."""


class SampleVariant(BaseModel):
    """The sampling settings of one variant of a sampling study."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sampler: SamplerName
    steps: Count
    spacing: Spacing | None = None
    eta: Annotated[float, Field(ge=0, le=1)] | None = None
    variance: Variance | None = None

    def drawing(self) -> dict[str, Any]:
        """Return these settings as arguments of a sampling job."""
        return self.model_dump(exclude_none=True)


class StudyPlan(BaseModel):
    """The settings of the full study, or the differences of its small version."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base: str
    set: tuple[str, ...] = ()
    epochs: Count
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1, max_length=1000)
    ] = (0, 1, 2)
    measures: tuple[str, ...] = ("sliced_wasserstein",)
    samples: Annotated[int, Field(ge=2, le=1_000_000)] = 2000
    sheet_epochs: tuple[Count, ...] = ()
    branch_epoch: Count | None = None


class Study(BaseModel):
    """A study file. `variants`: overrides of the profile, or for a sampling study the sampling settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    question: str = ""
    kind: Kind = "train"
    full: StudyPlan
    small: dict[str, Any] = Field(default_factory=dict)
    variants: Annotated[dict[str, tuple[str, ...]], Field(default_factory=dict)]
    samplers: Annotated[dict[str, SampleVariant], Field(default_factory=dict)]
    name: str = ""
    source: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "Study":
        given, other = ("samplers", "variants") if self.kind == "sample" else ("variants", "samplers")
        if len(getattr(self, given)) < 2:
            raise ValueError(f"a study of kind {self.kind!r} compares at least two [{given}]")
        if getattr(self, other):
            raise ValueError(f"a study of kind {self.kind!r} has [{given}], not [{other}]")
        if self.kind == "branch" and self.full.branch_epoch is None:
            raise ValueError("a study of kind 'branch' needs full.branch_epoch")
        for name in self.names:
            if not NAME.fullmatch(name):
                raise ValueError(f"variant {name!r}: letters, digits, dot, dash and underscore")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.samplers if self.kind == "sample" else self.variants)

    def plan(self, small: bool) -> StudyPlan:
        """Return the full study, or the small one: `full` with the changes of [small]."""
        return StudyPlan.model_validate({**self.full.model_dump(), **self.small}) if small else self.full

    def profile(self, home: Home, small: bool, variant: str | None = None, seed: int = 0) -> Profile:
        """Return the profile of one run: of a variant, or the base's. Raises ProfileError or UserError."""
        plan = self.plan(small)
        changes = self.variants.get(variant or "", ())
        budget = (f"training.epochs={plan.epochs}", f"training.seed={seed}")
        return load_profile(home, plan.base, [*plan.set, *budget, *changes])

    def drawing(self, home: Home, small: bool) -> dict[str, Settings]:
        """Return the sampling settings of each variant for scores, with no value left to a default that may change.

        Raises ProfileError or UserError, for example for more steps than the diffusion has.
        """
        found = {}
        for name in self.names:
            sampler = self.samplers[name].drawing() if self.kind == "sample" else {}
            try:
                found[name] = Settings.from_profile(self.profile(home, small, name), **sampler)
            except UserError as error:
                raise UserError(f"variant {name!r}: {error.what}", error.hint) from None
        return found

    def key(self, small: bool) -> str:
        """Return the name of its runs and its folder."""
        return f"{self.name}-small" if small else self.name


def study_paths(home: Home) -> dict[str, Path]:
    """Return every study by name; a user's in $DDPM_HOME/studies hides the included one of the same name."""
    found = {path.stem: path for path in (shipped_profiles() / "studies").glob("*.toml")}
    if home.studies.is_dir():
        found |= {path.stem: path for path in home.studies.glob("*.toml")}
    return dict(sorted(found.items()))


def load_study(home: Home, name: str) -> Study:
    """Read and check a study, given by name or .toml path. Raises UserError for any problem."""
    if is_file_name(name):
        path = given_path(name)
        if not path.is_file():
            raise UserError(f"no study at {path}", "give a name from `study list` or an existing .toml")
    else:
        paths = study_paths(home)
        if name not in paths:
            raise unknown("study", name, paths, "see `study list`")
        path = paths[name]
    try:
        data = loads_toml(read_text(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    try:
        study = Study.model_validate({**data, "name": path.stem, "source": str(path)})
        for small in (False, True):
            study.plan(small)
    except ValidationError as error:
        raise UserError(f"{path}: {_explained(error)}") from None
    _check_variants(home, study)
    return study


def _check_variants(home: Home, study: Study) -> None:
    for small in (False, True):
        try:
            for name in study.plan(small).measures:
                if name not in STUDY_MEASURES:
                    raise unknown("measure", name, STUDY_MEASURES)
            study.profile(home, small)
            made: dict[str, Any] = {
                name: study.samplers[name] if study.kind == "sample" else study.profile(home, small, name)
                for name in study.names
            }
            study.drawing(home, small)
        except UserError as error:
            raise UserError(f"{study.source}: {error}") from None
        for one, other in itertools.combinations(made, 2):
            if made[one] == made[other]:
                raise UserError(
                    f"{study.source}: variants {one!r} and {other!r} are equal", "remove one of them"
                )


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = [str(part) for part in first["loc"]]
    key = ".".join(where)
    if first["type"] == "extra_forbidden":
        known = {"full": StudyPlan.model_fields, "samplers": SampleVariant.model_fields}.get(where[0])
        close = nearest(where[-1], known or {**Study.model_fields, **StudyPlan.model_fields})
        return f"{key}: unknown key" + (f" (did you mean {close!r}?)" if close else "")
    message = str(first.get("ctx", {}).get("error", first["msg"]))
    return f"{key}: {message}" if key else message
