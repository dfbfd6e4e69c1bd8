"""Choice of device, precision and all other settings that depend on the machine.

`gather` reads the facts; `decide` is a pure function of facts and profile, so every decision can be tested on any
machine. The decisions are frozen in the run, because they affect the bits of the result.
"""

import os
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import torch

from engine.base.errors import UserError
from engine.base.text import plural
from engine.base.typed import typed
from engine.config.names import Precision
from engine.config.profile import Profile
from engine.config.sections import TrainingSection

Layout = Literal["contiguous", "channels_last"]

COMPILE_STEPS: Final = 10_000
"""The minimum steps in a chunk for compiling. Compiling takes about a minute and may save a few milliseconds per
step; this is an estimate, not measured on a GPU.
"""

CUBLAS: Final = "CUBLAS_WORKSPACE_CONFIG"
REPEATABLE: Final = (":4096:8", ":16:8")
"""The values with which cuBLAS gives reproducible results."""

NO_FP16 = ("GTX 16", "GTX 1650", "GTX 1660")
"""GPUs whose half precision gives NaN in convolutions; they are sm_75 like the T4, so they are recognised by name."""


@dataclass(frozen=True)
class DeviceFacts:
    """Properties of a device. Memory in bytes; `architectures` are those that torch was compiled for (sm_70 …)."""

    device: str
    name: str
    memory: int
    cores: int = 1
    capability: tuple[int, int] | None = None
    architectures: tuple[str, ...] = ()
    cpu_flags: frozenset[str] = frozenset()

    @property
    def is_cuda(self) -> bool:
        return self.capability is not None

    @property
    def usable(self) -> bool:
        """Return whether this torch has machine code (or PTX that can be translated) for this GPU."""
        if self.capability is None or not self.architectures:
            return True
        major, minor = self.capability
        for architecture in self.architectures:
            kind, _, digits = architecture.partition("_")
            digits = digits.rstrip("af")
            if not digits.isdigit():
                continue
            have = (int(digits[:-1]), int(digits[-1]))
            if kind == "sm" and have[0] == major and have[1] <= minor:
                return True
            if kind == "compute" and have <= (major, minor):
                return True
        return False


@dataclass(frozen=True)
class DevicePlan:
    """All decisions for one run on one device, with the reasons. Stored in run.json."""

    device: str
    device_name: str
    precision: Precision
    layout: Layout
    compile: bool
    fused_optimizer: bool
    threads: int
    tf32: bool
    cudnn_benchmark: bool
    data_on_device: bool
    activation_checkpointing: bool
    reasons: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.device.partition(":")[0]

    @property
    def autocast_dtype(self) -> torch.dtype | None:
        return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "reasons": list(self.reasons)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "DevicePlan":
        """Return the plan from to_json's output; fields of a newer version are ignored. Raises DamagedError for
        anything else.
        """
        return typed(cls, data, "the plan in the run's record")

    def summary(self, called: str | None = None) -> str:
        """Return a summary. `called`: the queue's name for the device, if it differs from torch's."""
        parts = [
            f"{self.device_name} ({called or self.device})",
            self.precision,
            self.layout.replace("_", " "),
        ]
        if self.device == "cpu":
            parts.append(f"{self.threads} thread{'s' * (self.threads != 1)}")
        if self.compile:
            parts.append("compiled")
        if self.activation_checkpointing:
            parts.append("activation checkpointing")
        return ", ".join(parts)


def gather(device: str = "auto") -> DeviceFacts:
    """Return the facts about a device by name; 'auto' is the first usable GPU, or else the CPU.

    Raises UserError if the device does not exist or this torch cannot use it.
    """
    if device == "auto":
        if torch.cuda.is_available():
            facts = _cuda_facts(0)
            if facts.usable:
                return facts
        return _cpu_facts()
    if device == "cpu":
        return _cpu_facts()
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise UserError(f"there is no device {device!r}", "use auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available():
        raise UserError(
            f"no CUDA device for {device!r}: torch finds none", "see `ddpm-tui doctor`, or use --device cpu"
        )
    index = int(number or 0)
    if index >= torch.cuda.device_count():
        raise UserError(f"there is no {device}: {torch.cuda.device_count()} CUDA device(s) are visible")
    facts = _cuda_facts(index)
    if not facts.usable:
        raise UserError(
            f"this torch has no code for {facts.name} (sm_{facts.capability[0]}{facts.capability[1]})"  # type: ignore[index]
            f"; it has {', '.join(facts.architectures)}",
            "install a torch build for this GPU (see `ddpm-tui doctor`), or use --device cpu",
        )
    return facts


def _cuda_facts(index: int) -> DeviceFacts:
    properties = torch.cuda.get_device_properties(index)
    return DeviceFacts(
        device=f"cuda:{index}",
        name=properties.name,
        memory=properties.total_memory,
        cores=available_cores(),
        capability=(properties.major, properties.minor),
        architectures=tuple(torch.cuda.get_arch_list()),
    )


def _cpu_facts() -> DeviceFacts:
    import psutil

    flags: set[str] = set()
    name = "CPU"
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == "flags" and not flags:
                    flags = set(value.split())
                elif key.strip() == "model name":
                    name = value.strip()
    except OSError:
        pass
    return DeviceFacts(
        "cpu", name, psutil.virtual_memory().total, available_cores(), cpu_flags=frozenset(flags)
    )


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decide(
    facts: DeviceFacts, profile: Profile, data_bytes: int = 0, pictures: int | None = None
) -> DevicePlan:
    """Return the plan for a device and a profile. `pictures`: the number of training pictures, if known. Pure. Forced
    values take precedence and are checked.

    Raises UserError for a forced precision that the device does not support or that gives NaN on it.
    """
    training = profile.training
    reasons: list[str] = []
    return DevicePlan(
        device=facts.device,
        device_name=facts.name,
        precision=_precision(facts, training.precision, reasons),
        layout=_layout(facts, training.channels_last, profile.model.block, reasons),
        compile=_compile(facts, training, pictures, reasons),
        fused_optimizer=True,
        threads=facts.cores if training.threads == "auto" else training.threads,
        tf32=facts.is_cuda and (facts.capability or (0, 0)) >= (8, 0),
        # A search for the fastest kernel may choose differently next time, so resume would not be exact.
        cudnn_benchmark=False,
        data_on_device=facts.is_cuda and 0 < data_bytes <= facts.memory // 5,
        activation_checkpointing=training.activation_checkpointing,
        reasons=tuple(reasons),
    )


def _precision(facts: DeviceFacts, wanted: str, reasons: list[str]) -> Precision:
    spoiled = facts.is_cuda and any(name in facts.name for name in NO_FP16)
    if wanted == "fp16" and spoiled:
        raise UserError(
            f"training.precision = 'fp16' gives NaN on {facts.name}", "use fp32 (or auto) on a GTX 16xx"
        )
    if wanted in ("fp32", "bf16", "fp16"):
        reasons.append(f"{wanted}: the profile says so")
        return wanted  # type: ignore[return-value]
    if facts.is_cuda:
        capability = facts.capability or (0, 0)
        if capability >= (8, 0):
            reasons.append("bf16: native from compute capability 8.0")
            return "bf16"
        if capability >= (7, 0) and not spoiled:
            reasons.append("fp16 with loss scaling: tensor cores, no native bf16")
            return "fp16"
        why = "fp16 gives NaN on this GPU" if spoiled else "no fast half precision"
        reasons.append(f"fp32: {why}")
        return "fp32"
    if {"avx512_bf16", "amx_bf16"} & facts.cpu_flags:
        reasons.append("bf16: the CPU has bf16 instructions")
        return "bf16"
    reasons.append("fp32: the CPU has no bf16 instructions")
    return "fp32"


def _layout(facts: DeviceFacts, wanted: str | bool, block: str, reasons: list[str]) -> Layout:
    if wanted != "auto":
        return "channels_last" if wanted else "contiguous"
    if facts.is_cuda and (facts.capability or (0, 0)) >= (7, 0):
        reasons.append("channels last: tensor cores need it")
        return "channels_last"
    if not facts.is_cuda and block == "convnext":
        reasons.append("channels last: faster for depthwise convolutions on a CPU")
        return "channels_last"
    return "contiguous"


def _compile(facts: DeviceFacts, training: TrainingSection, pictures: int | None, reasons: list[str]) -> bool:
    if training.compile != "auto":
        return training.compile == "on"
    if facts.is_cuda and (facts.capability or (0, 0)) >= (7, 0):
        steps = None if pictures is None else training.chunk_epochs * (pictures // training.batch_size)
        if steps is not None and steps < COMPILE_STEPS:
            reasons.append(f"not compiled: a chunk of {plural(steps, 'step')} is too short to pay for it")
            return False
        reasons.append("compiled: a chunk is long enough to pay for it")
        return True
    reasons.append("not compiled: on a CPU it gains a tenth at most (compile = 'on' forces it)")
    return False


def apply(plan: DevicePlan) -> torch.device:
    """Set up the process as planned, and return the torch device."""
    torch.set_num_threads(plan.threads)
    torch.backends.cudnn.benchmark = plan.cudnn_benchmark
    torch.backends.cudnn.deterministic = True
    if plan.kind == "cuda":
        # With this, the backward pass of attention and compiled reductions are reproducible too, as exact resume
        # needs. The networks use no operation that lacks a deterministic form.
        if (
            os.environ.get(CUBLAS) not in REPEATABLE
        ):  # with any other value, torch then refuses matrix products
            os.environ[CUBLAS] = REPEATABLE[0]
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.backends.cuda.matmul.allow_tf32 = plan.tf32
        torch.backends.cudnn.allow_tf32 = plan.tf32
        torch.cuda.set_device(plan.device)
    return torch.device(plan.device)


def autocast(plan: DevicePlan) -> torch.autocast:
    """Return the context for a forward pass; it does nothing in fp32."""
    return torch.autocast(plan.kind, dtype=plan.autocast_dtype, enabled=plan.autocast_dtype is not None)
