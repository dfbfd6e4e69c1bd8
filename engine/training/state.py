"""Everything that one training step changes, and how it becomes files and comes back to the bit."""

import contextlib
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.base.folders import CheckpointFolder
from engine.config.profile import Profile
from engine.config.sections import OptimSection
from engine.device.plan import DevicePlan
from engine.models.build import check_fits, read_weights, unet_config
from engine.models.ema import Ema
from engine.models.unet import UNet
from engine.training.optim import make_optimizer
from engine.training.optim.muon import MOMENTUM_KEY, Muon, inner_weights

LABELS = "labels."
"""What the names of the weights for labels begin with."""


@dataclass
class Sums:
    """Running sums on the device, float64, so that logging is the only time anything waits for it.

    window_*: since the last line of metrics; epoch_*: since the epoch began; bad: steps without a finite
    gradient, in all and in a row. A row of `limit` stays counted, also where good steps follow: it is looked at
    later.
    """

    values: Tensor
    limit: float = float("inf")
    NAMES = (
        "window_loss",
        "window_norm",
        "window_steps",
        "window_bad",
        "epoch_loss",
        "epoch_steps",
        "bad",
        "row",
    )

    @classmethod
    def zero(cls, device: torch.device, limit: float = float("inf")) -> "Sums":
        # MPS and some others lack float64; only CPU and CUDA are run here.
        return cls(torch.zeros(len(cls.NAMES), dtype=torch.float64, device=device), limit)

    def add(self, loss: Tensor, norm: Tensor, good: Tensor) -> None:
        """loss, norm: scalars of one step; good: 1.0 where both are finite, else 0.0."""
        good = good.double()
        bad = 1.0 - good
        loss = torch.where(good > 0, loss.double(), 0.0)
        norm = torch.where(good > 0, norm.double(), 0.0)
        self.values += torch.stack([loss, norm, good, bad, loss, good, bad, bad])
        self.values[7] *= torch.maximum(bad, (self.values[7] >= self.limit).double())

    def read(self) -> dict[str, float]:
        """All of them as numbers: this waits for the device."""
        return dict(zip(self.NAMES, self.values.tolist(), strict=True))

    def clear(self, prefix: str) -> None:
        for index, name in enumerate(self.NAMES):
            if name.startswith(prefix):
                self.values[index] = 0.0

    def load(self, values: dict[str, float]) -> None:
        self.values.copy_(torch.tensor([values[name] for name in self.NAMES], dtype=torch.float64))


@dataclass
class TrainState:
    """Model, average, optimizer and counters of a run on a device. `step` counts optimizer steps done;
    `micro_batches` has [first step, pictures per forward pass], one entry more each time memory ran out."""

    model: nn.Module
    ema: Ema
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None
    sums: Sums
    step: int = 0
    micro_batches: list[list[int]] = field(default_factory=list)

    @property
    def micro_batch(self) -> int:
        """Pictures per forward pass at this step: steps that are done again are done as they were."""
        return next(micro for first, micro in reversed(self.micro_batches) if first <= self.step)

    @classmethod
    def create(cls, profile: Profile, plan: DevicePlan, device: torch.device) -> "TrainState":
        """A fresh state; the initial weights are a function of the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(profile.training.seed)
            model = UNet(unet_config(profile))
        layout = torch.channels_last if plan.layout == "channels_last" else torch.contiguous_format
        model = model.to(device).to(memory_format=layout).train()
        model.activation_checkpointing = plan.activation_checkpointing
        scaler = torch.amp.GradScaler(plan.kind) if plan.precision == "fp16" else None
        sums = Sums.zero(device, profile.training.max_bad_steps)
        return cls(model, Ema(model), optimizer_of(model, profile.optim, plan), scaler, sums)

    def save(self, folder: CheckpointFolder) -> None:
        """Write the three weight files into `folder`."""
        save_file(_on_cpu({name: p.detach() for name, p in self.model.named_parameters()}), folder.model)
        save_file(_on_cpu(self.ema.state()), folder.ema)
        save_file(_on_cpu(self._optimizer_tensors()), folder.optimizer)

    def counters(self) -> dict[str, Any]:
        """What is not a tensor of weights: for the manifest."""
        return {"sums": self.sums.read(), "scaler": self.scaler.state_dict() if self.scaler else None}

    def load(
        self, folder: CheckpointFolder, step: int, counters: dict[str, Any], without_labels: bool = False
    ) -> None:
        """Load everything from a verified checkpoint; one `without_labels` keeps the initial weights of the labels.
        Raises UserError if it has another architecture."""
        parameters = dict(self.model.named_parameters())
        model, ema = read_weights(folder.model), read_weights(folder.ema)
        if without_labels:
            for known, mine in ((model, parameters), (ema, self.ema.state())):
                known.update(
                    {name: value.detach() for name, value in mine.items() if name.startswith(LABELS)}
                )
        check_fits(parameters, model, folder.model)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(model[name])
        self.ema.load(ema)
        self._load_optimizer(read_weights(folder.optimizer))
        if counters.get("sums"):
            self.sums.load(counters["sums"])
        if self.scaler and counters.get("scaler"):
            self.scaler.load_state_dict(counters["scaler"])
        self.step = step

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        tensors = {}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{key}.{name}"] = value
        return tensors

    def _load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        parameters = dict(self.model.named_parameters())
        inner = set(map(id, inner_weights(self.model))) if isinstance(self.optimizer, Muon) else set()
        for key_name, value in tensors.items():
            key, _, name = key_name.partition(".")
            parameter = parameters[name]
            if (key == MOMENTUM_KEY) is not (id(parameter) in inner):
                continue  # a branch changed the optimizer, which begins anew with this weight
            if key == "step":
                value = value.to(parameter.device if self.optimizer.defaults.get("fused") else "cpu")
            else:
                value = torch.empty_like(parameter).copy_(value)
            self.optimizer.state[parameter][key] = value


def optimizer_of(model: nn.Module, optim: OptimSection, plan: DevicePlan) -> torch.optim.Optimizer:
    """Each of them can skip a step on the device when told to, as torch's fused kernels do."""
    optimizer = make_optimizer(
        optim.optimizer, model, lr=optim.lr, betas=optim.betas, eps=optim.eps,
        weight_decay=optim.weight_decay, fused=plan.fused_optimizer,
    )  # fmt: skip
    if plan.kind == "cuda":
        # On the device, where the kernels read it; only now, because a constructor reads it too and would wait.
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(optim.lr, device=plan.device)
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.detach().to("cpu", memory_format=torch.contiguous_format).clone() if t.device.type != "cpu"
            else t.detach().contiguous() for name, t in tensors.items()}  # fmt: skip


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Any:
    """Dropout off and no gradients inside; training mode back after it."""
    was = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was)
