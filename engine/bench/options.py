"""The measurements of a bench and their time limits. Never imports torch."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any, Final

from engine.base.errors import UsageError, nearest

PARTS: Final[dict[str, str]] = {
    "peaks": "matrix product and convolution, each precision",
    "step": "one optimizer step of each profile: speed, share of peak",
    "memory": "what a step keeps and what it takes at its peak",
    "epoch": "a real epoch against its forward and backward passes",
    "packing": "pictures packed against pictures decoded",
    "sampling": "samplers and step counts, pictures a second",
    "startup": "the command line, the screen, a worker's first step",
    "scale": "cost with many pictures, metric lines, checkpoints, jobs",
    "peers": "the same step through diffusers and denoising-diffusion-pytorch",
    "quality": "time to quality: variants trained for the same time",
}

ASKED_FOR: Final = ("peers", "quality")
"""Parts that take long or need packages of their own: they run only when they are named."""
DEFAULT: Final = tuple(name for name in PARTS if name not in ASKED_FOR)


TIMED: Final = "celeba32"
"""The profile of the parts that look at one."""


def timed(names: Iterable[str]) -> str:
    """Return the profile to time, of the named ones; no names stand for all shipped ones."""
    found = tuple(names) or (TIMED,)
    return TIMED if TIMED in found else found[0]


PEERS: Final = {"diffusers": "diffusers", "denoising_diffusion_pytorch": "denoising-diffusion-pytorch"}
INSTALL_PEERS: Final = "pip install 'ddpm-tui[bench]'"


def missing_peers() -> list[str]:
    """Return the names of the peers' packages that are not installed."""
    return [name for module, name in PEERS.items() if find_spec(module) is None]


@dataclass(frozen=True)
class Options:
    """parts: names from PARTS, in that order · profiles: names, or all that are shipped · quick: less of everything.

    Of step and quality: variants, each overrides separated by spaces. Of quality: seconds and seeds of each.
    """

    parts: tuple[str, ...] = DEFAULT
    profiles: tuple[str, ...] = ()
    quick: bool = False
    variants: tuple[str, ...] = ()
    seconds: float = 240.0
    seeds: int = 1

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), **{k: list(getattr(self, k)) for k in ("parts", "profiles", "variants")}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Options":
        lists = {k: tuple(data[k]) for k in ("parts", "profiles", "variants")}
        return cls(**{**data, **lists})

    @property
    def rounds(self) -> int:
        """Return how often each of several compared things is timed."""
        return 3 if self.quick else 7

    @property
    def gflop(self) -> float:
        """Return the billions of floating-point operations in one timed step: enough pictures to reach it are taken."""
        return 30.0 if self.quick else 120.0


def chosen_parts(only: str | None) -> tuple[str, ...]:
    """Return the parts meant by `--only a,b`, in the order of PARTS. Raises UsageError for unknown ones."""
    names = [name.strip() for name in only.split(",") if name.strip()] if only is not None else list(DEFAULT)
    for name in names:
        if name not in PARTS:
            close = nearest(name, PARTS)
            known = f"did you mean {close!r}?" if close else f"known: {', '.join(PARTS)}"
            raise UsageError(f"the bench has no part {name!r}", known)
    if not names:
        raise UsageError("--only names no part", ", ".join(PARTS))
    return tuple(name for name in PARTS if name in names)
