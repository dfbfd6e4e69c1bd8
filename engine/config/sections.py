"""The sections of a profile: every setting with its type, range, default and description.

Each section is checked on its own; `engine.config.profile` puts them together and checks them against each other. Does
not import torch.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.config.names import (
    AttentionKind,
    BlockKind,
    LabelKind,
    Precision,
    RateSchedule,
    SpacingName,
    Weights,
)
from engine.config.optimizers import OptimizerName
from engine.config.recipes import RecipeName
from engine.diffusion.names import LossKind, Prediction, Variance
from engine.diffusion.samplers import SamplerName
from engine.diffusion.schedules import ScheduleName
from engine.diffusion.tables import BetaScaling

# Every number has a minimum and a maximum: far outside the values that train, but inside the range of the arithmetic.
MOST = 1_000_000_000
"""The largest count of pictures, steps or epochs."""
MOST_CHANNELS = 8192
"""The most channels of a feature map, a head or a group norm."""
MOST_LEVELS = 10
MOST_ENTRIES = 10_000
"""The most entries of a list of epochs or of learning rates."""

Positive = Annotated[int, Field(gt=0, le=MOST)]
Count = Annotated[int, Field(ge=0, le=MOST)]
Channels = Annotated[int, Field(gt=0, le=MOST_CHANNELS)]
Pictures = Annotated[int, Field(gt=0, le=1_000_000)]
"""Numbers of pictures that are computed at once or in one step."""
Rate = Annotated[float, Field(ge=1e-12, le=10)]
IDLE_RATE = 1e-8
"""The learning rate below which practically no weight changes: a step of Adam moves a weight by about the rate, and
next to weights of 0.2 and more, float32 cannot represent such a change.
"""
Beta = Annotated[float, Field(ge=1e-12, lt=1)]

AUTO_ATTENTION_PIXELS = 16
"""With "auto", attention is used on feature maps of at most this many pixels per side."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataSection(Section):
    """The pictures and their size."""

    dataset: str = Field(
        "faces", min_length=1, max_length=80, description="name from `data list`; 'faces' is built in"
    )
    size: Annotated[int, Field(ge=8, le=512)] = Field(32, description="pixels a side")
    recipe: RecipeName = Field(
        "center178", description="name of the crop; stored with the data and with every score"
    )
    flip: bool = Field(True, description="mirror pictures at random while training")
    limit: Positive | None = Field(
        None, description="use only this many pictures (built-in: draw this many); absent = all"
    )
    where: Annotated[str, Field(min_length=1, max_length=4000)] | None = Field(
        None,
        description="use only the pictures with these labels: 'smiling=1,hat=-1' or 'class=cat'; absent = all",
    )


class LabelsSection(Section):
    """What the network is told of each picture, so that it can be asked for later."""

    kind: LabelKind = Field("none", description="none, class or attributes; see `data labels list`")
    names: tuple[Annotated[str, Field(min_length=1, max_length=80)], ...] = Field(
        (), max_length=4096, description="which of them; empty = all that the data set has when a run is made"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="share of pictures whose labels are all hidden while training"
    )
    dropout_each: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of the other pictures' attributes that are hidden, each for itself"
    )
    previews: tuple[Annotated[str, Field(min_length=1, max_length=4000)], ...] = Field(
        (),
        max_length=64,
        description="a row of previews for each: 'smiling=1,hat=-1'; empty = unlabelled ones",
    )


class ModelSection(Section):
    """The UNet. Its width is set here, not by the picture size."""

    block: BlockKind = "resnet"
    width: Channels = Field(32, description="channels at full resolution")
    multipliers: tuple[Annotated[int, Field(gt=0, le=256)], ...] = Field(
        (1, 2, 4), max_length=MOST_LEVELS, description="channels per level, in widths"
    )
    blocks_per_level: Annotated[int, Field(gt=0, le=64)] = 2
    attention: Literal["auto"] | Annotated[tuple[AttentionKind, ...], Field(max_length=MOST_LEVELS)] = Field(
        "auto", description="per level: none, softmax or linear; auto = softmax at 16 px and below"
    )
    attention_middle: AttentionKind = "softmax"
    head_dim: Channels = 32
    groups: Channels = Field(8, description="groups of each group norm")
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    narrow_up: bool = Field(
        False,
        description="a level on the way up already narrows to the next one's channels, as the notebook's",
    )
    embedding_dim: Annotated[int, Field(gt=0, le=4 * MOST_CHANNELS)] | None = Field(
        None, description="width of the time embedding; absent = 4 × width"
    )

    def attention_per_level(self, size: int) -> tuple[AttentionKind, ...]:
        """Return one entry per level, for pictures of `size` pixels per side."""
        if self.attention != "auto":
            return self.attention
        return tuple(
            "softmax" if size >> level <= AUTO_ATTENTION_PIXELS else "none"
            for level in range(len(self.multipliers))
        )


class DiffusionSection(Section):
    """The forward process."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(200, description="T")
    schedule: ScheduleName = "cosine"
    beta_scaling: BetaScaling = Field(
        "steps", description="'steps' multiplies both β ends by 1000/T; 'none' is as in the paper"
    )
    beta_start: Beta = 1e-4
    beta_end: Beta = 0.02
    zero_terminal_snr: bool = False


class ObjectiveSection(Section):
    """The prediction of the network and the loss."""

    prediction: Prediction = "v"
    loss: LossKind = "l2"
    min_snr_gamma: Annotated[float, Field(ge=1e-6, le=1e6)] | None = Field(
        None, description="min-SNR-γ weighting; absent = none"
    )


class LrStep(Section):
    """From the start of `epoch` (1 = the first), the learning rate is `lr`."""

    epoch: Positive
    lr: Rate


class OptimSection(Section):
    """The optimizer and its learning rates."""

    optimizer: OptimizerName = Field(
        "adamw", description="muon = orthogonalised momentum for inner weights, AdamW for the rest"
    )
    lr: Rate = 1e-3
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.99)
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    eps: Annotated[float, Field(ge=1e-30, le=1)] = 1e-8
    schedule: RateSchedule = "cosine"
    warmup_steps: Count = 200
    horizon_epochs: Positive | None = Field(
        None,
        description="where cosine reaches final_lr; frozen when the run starts; absent = training.epochs, or the "
        "run's first target if that is further",
    )
    final_lr: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0,
        description="where cosine decays to; training past the plan rises to lr again and decays once more",
    )
    lr_steps: tuple[LrStep, ...] = Field((), max_length=MOST_ENTRIES, description="for schedule = 'step'")
    clip_norm: Annotated[float, Field(ge=0, le=1e9)] = Field(
        1.0, description="largest gradient norm; 0 = off"
    )


class TrainingSection(Section):
    """Length of the training, batch sizes, and retention."""

    epochs: Positive = Field(150, description="length of a run by default")
    chunk_epochs: Positive = Field(25, description="epochs of one training chunk")
    batch_size: Pictures = Field(64, description="pictures per optimizer step")
    micro_batch: Literal["auto"] | Pictures = Field("auto", description="pictures per forward pass")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    ema_halflife: Annotated[int, Field(gt=0, le=1000 * MOST)] = Field(
        44_000, description="in pictures; 44,000 is about 0.999 at batch 64"
    )
    ema_warmup: Annotated[float, Field(ge=1e-9, le=1)] = Field(
        0.05, description="half-life is at most this fraction of the pictures seen"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$")
    precision: Literal["auto", Precision] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    threads: Literal["auto"] | Annotated[int, Field(gt=0, le=4096)] = Field(
        "auto", description="CPU threads of the worker"
    )
    channels_last: Literal["auto"] | bool = "auto"
    activation_checkpointing: bool = Field(False, description="recompute activations: less memory, slower")
    checkpoint_minutes: Annotated[float, Field(ge=1e-9, le=1e6)] = Field(
        5.0, description="between rolling checkpoints"
    )
    keep_epochs: tuple[Positive, ...] = Field(
        (1, 5, 7, 10, 15),
        max_length=MOST_ENTRIES,
        description="epochs whose checkpoint is kept besides chunk ends, best and tagged",
    )
    keep_last: Positive = Field(2, description="rolling checkpoints that are kept")
    keep_chunks: Positive = Field(
        20,
        description="newest chunk ends that are kept; of the older ones every 2nd, 4th, …, at most as many",
    )
    log_every: Positive = Field(10, description="steps per line of metrics")
    preview_every: Count = Field(1, description="epochs between previews; 0 = none")
    preview_count: Annotated[int, Field(ge=1, le=256)] = 16
    validation_pictures: Count = Field(512, description="held-out pictures evaluated each epoch; 0 = none")
    scores: Count = Field(
        256,
        description="samples scored by sliced Wasserstein at a chunk's end, in 5 % of the time; 0 = none",
    )
    max_bad_steps: Positive = Field(20, description="NaN or infinite steps in a row that stop the run")


class SamplingSection(Section):
    """Defaults for previews and sampling jobs."""

    sampler: SamplerName = "dpmpp"
    steps: Positive = 20
    spacing: SpacingName = Field(
        "auto", description="spacing of the timesteps; auto = logsnr for dpmpp, trailing for the others"
    )
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    variance: Variance = "fixed_small"
    clip: bool = Field(True, description="clip the predicted x_0 to [−1, 1]")
    weights: Weights = "ema"
