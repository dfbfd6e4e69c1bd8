"""The settings of a run: a typed, validated profile, read from and written to TOML.

A profile is frozen; overrides make a new one. Does not import torch: facts that validation needs (such as the last ᾱ
of a schedule) come from the torch-free tables. `engine.config.store` reads and lists profile files.
"""

from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from engine.base.errors import UsageError
from engine.config.asked import check_asked, label_key, split_asked
from engine.config.names import AttentionKind
from engine.config.sections import (
    IDLE_RATE,
    MOST_CHANNELS,
    DataSection,
    DiffusionSection,
    LabelsSection,
    ModelSection,
    ObjectiveSection,
    OptimSection,
    SamplingSection,
    Section,
    TrainingSection,
)
from engine.diffusion.samplers import SamplerName, sampler_named
from engine.diffusion.spacing import Spacing
from engine.diffusion.tables import terminal_alpha_bar


class Profile(Section):
    """All settings of a run."""

    description: str = Field("", max_length=10_000)
    data: DataSection = DataSection()
    labels: LabelsSection = LabelsSection()
    model: ModelSection = ModelSection()
    diffusion: DiffusionSection = DiffusionSection()
    objective: ObjectiveSection = ObjectiveSection()
    optim: OptimSection = OptimSection()
    training: TrainingSection = TrainingSection()
    sampling: SamplingSection = SamplingSection()

    @property
    def horizon_epochs(self) -> int:
        return self.optim.horizon_epochs or self.training.epochs

    @property
    def attention(self) -> tuple[AttentionKind, ...]:
        return self.model.attention_per_level(self.data.size)

    @property
    def micro_batch(self) -> int | None:
        """Return the pictures per forward pass, if the profile sets them."""
        return None if self.training.micro_batch == "auto" else self.training.micro_batch

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        model, data = self.model, self.data
        self._check_labels()
        levels = len(model.multipliers)
        if not levels:
            raise _at("model.multipliers", "needs at least one level")
        down = 2 ** (levels - 1)
        if data.size % down:
            raise _at(
                "data.size",
                f"{data.size} does not divide by {down}, which {levels} levels need",
                f"use {max(8, round(data.size / down) * down)} or change model.multipliers",
            )
        if model.attention != "auto" and len(model.attention) != levels:
            raise _at(
                "model.attention", f"has {len(model.attention)} entries for {levels} levels", "one a level"
            )
        for multiplier, attention in zip(model.multipliers, self.attention, strict=True):
            channels = model.width * multiplier
            if channels > MOST_CHANNELS:
                raise _at(
                    "model.width",
                    f"{channels:,} channels ({model.width} × {multiplier}) are more than {MOST_CHANNELS:,}",
                )
            if channels % model.groups:
                raise _at(
                    "model.groups",
                    f"{channels} channels (width × {multiplier}) do not divide by {model.groups}",
                )
            if attention != "none" and channels % model.head_dim:
                raise _at(
                    "model.head_dim", f"{channels} channels do not divide into heads of {model.head_dim}"
                )
        if model.attention_middle != "none" and model.width * model.multipliers[-1] % model.head_dim:
            raise _at("model.head_dim", f"the middle's channels do not divide into heads of {model.head_dim}")
        if self.diffusion.zero_terminal_snr and self.objective.prediction == "eps":
            raise _at(
                "diffusion.zero_terminal_snr",
                "cannot go with prediction = 'eps' (division by zero)",
                "use 'v'",
            )
        if self.diffusion.beta_start > self.diffusion.beta_end:
            raise _at("diffusion.beta_start", "is above beta_end")
        if self.sampling.steps > self.diffusion.steps:
            raise _at(
                "sampling.steps",
                f"{self.sampling.steps} is more than diffusion.steps = {self.diffusion.steps}",
            )
        if self.training.scores == 1:
            raise _at("training.scores", "scoring needs at least 2 samples; 0 = none")
        micro = self.micro_batch
        if micro and self.training.batch_size % micro:
            raise _at(
                "training.micro_batch", f"{micro} does not divide batch_size = {self.training.batch_size}"
            )
        steps = self.optim.lr_steps
        if self.optim.schedule == "step" and not steps:
            raise _at("optim.lr_steps", "is empty, and schedule = 'step' needs it")
        if steps and self.optim.schedule != "step":
            raise _at("optim.lr_steps", f"is used only with schedule = 'step', not {self.optim.schedule!r}")
        if [s.epoch for s in steps] != sorted({s.epoch for s in steps}):
            raise _at("optim.lr_steps", "must rise in epoch")
        return self

    def _check_labels(self) -> None:
        labels = self.labels
        if labels.kind == "none" and (labels.names or labels.previews):
            key = "names" if labels.names else "previews"
            raise _at(
                f"labels.{key}", "is given and labels.kind is 'none'", "set kind to 'attributes' or 'class'"
            )
        keys = [label_key(name) for name in labels.names]
        if (twice := next((key for key in keys if keys.count(key) > 1), None)) is not None:
            raise _at("labels.names", f"names {twice} twice")
        for key, asked in (("labels.previews", labels.previews), ("data.where", (self.data.where,))):
            for text in asked:
                try:
                    if text is not None:
                        split_asked(text)
                        if key == "labels.previews" and labels.names:
                            check_asked(text, labels.kind, labels.names)
                except UsageError as error:
                    raise _at(key, error.what, error.hint or "") from None

    def warnings(self) -> list[str]:
        """Return warnings about settings that work but are probably not intended."""
        d = self.diffusion
        found = []
        terminal = terminal_alpha_bar(
            d.schedule, d.steps, d.beta_scaling, d.beta_start, d.beta_end, d.zero_terminal_snr
        )
        if terminal > 0.01:
            found.append(
                f"diffusion: the last x_t still holds the picture (ᾱ_T = {terminal:.2g}) while sampling starts "
                "from pure noise; beta_scaling = 'steps' mends it"
            )
        if d.zero_terminal_snr and self.objective.min_snr_gamma is not None:
            found.append(
                "objective.min_snr_gamma: with zero_terminal_snr the last timestep, where sampling starts, has "
                "weight 0 and is never learned; use only one of the two"
            )
        horizon, o = self.horizon_epochs, self.optim
        if o.schedule == "cosine" and o.final_lr < IDLE_RATE and horizon < self.training.epochs:
            found.append(
                f"optim.horizon_epochs: the learning rate is {o.final_lr:g} from epoch {horizon} on, and no weight "
                f"changes up to training.epochs = {self.training.epochs}; set final_lr to {IDLE_RATE:g} or more, or "
                "leave horizon_epochs out"
            )
        if o.lr < IDLE_RATE and o.schedule != "step":
            found.append(f"optim.lr: {o.lr:g} is too low to change a weight; use {IDLE_RATE:g} or more")
        if self.training.precision == "fp16" and self.training.device == "cpu":
            found.append("training.precision: fp16 on a CPU is slow and loses range; bf16 or fp32 is better")
        return found

    def spacing_for(self, sampler: SamplerName) -> Spacing:
        """Return the profile's spacing of a sampler's timesteps; the sampler's own if the profile says "auto".

        Raises UserError for an unknown sampler.
        """
        if self.sampling.spacing == "auto":
            return sampler_named(sampler).spacing
        return self.sampling.spacing

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data with every key except those without a value."""
        return self.model_dump(mode="json", exclude_none=True)


class _at(ValueError):  # noqa: N801 - reads as `raise _at(key, what, hint)`
    """An impossible combination, reported at one key."""

    def __init__(self, key: str, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.key = key
        self.hint = hint


SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Profile.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
