"""Names of devices, from the queue's slot to the process that uses the device.

A worker that is given a GPU sees no other: its CUDA_VISIBLE_DEVICES names only that one, so torch calls it cuda:0 in
the worker, whatever the queue calls it. A worker on the CPU sees no GPU. Standard library only: the service, the
command line and the worker share it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from engine.base.errors import UserError

Kind = Literal["cpu", "cuda"]

VISIBLE = "CUDA_VISIBLE_DEVICES"
PLACE = "DDPM_DEVICE"
"""The environment variable that tells a worker the name of its device."""

KINDS: dict[Kind, str] = {"cpu": "the CPU", "cuda": "a GPU"}


@dataclass(frozen=True)
class Place:
    """A device for a worker: "cpu", or the GPU `index` among those visible to the program that starts it."""

    kind: Kind
    index: int = 0

    @classmethod
    def parse(cls, name: str) -> "Place | None":
        """Parse "cpu", "cuda" or "cuda:1"; None for "auto" and anything else, which name no device."""
        kind, colon, number = name.partition(":")
        if name == "cpu":
            return cls("cpu")
        if kind == "cuda" and (not colon or (number.isascii() and number.isdecimal())):
            return cls("cuda", int(number or 0))
        return None

    @classmethod
    def given(cls, environment: Mapping[str, str]) -> "Place | None":
        """Return the device that this process was given, if any."""
        return cls.parse(environment.get(PLACE, ""))

    @property
    def name(self) -> str:
        """Return the name that the queue and users see."""
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"

    def inside(self, environment: Mapping[str, str]) -> str:
        """Return torch's name for it in a process with `environment`: the only visible GPU is cuda:0."""
        cards = visible_cards(environment)
        return "cuda:0" if self.kind == "cuda" and cards is not None and len(cards) == 1 else self.name

    def environment(self, surroundings: Mapping[str, str]) -> dict[str, str]:
        """Return `surroundings` for a process that may see only this device. Raises UserError if they hide it."""
        return {**surroundings, VISIBLE: self._card(surroundings), PLACE: self.name}

    def _card(self, surroundings: Mapping[str, str]) -> str:
        if self.kind == "cpu":
            return ""
        cards = visible_cards(surroundings)
        if cards is None:
            return str(self.index)
        if self.index >= len(cards):
            count = f"{len(cards)} card{'s' * (len(cards) != 1)}" if cards else "no card"
            raise UserError(f"there is no {self.name}: {VISIBLE}={surroundings[VISIBLE]} shows {count}")
        return cards[self.index]


def visible_cards(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the GPUs that CUDA_VISIBLE_DEVICES makes visible, as it names them (numbers, GPU-… or MIG-…); None: all.

    As in CUDA, the first entry decides the kind, an entry of another kind or below zero ends the list, and a repeated
    entry empties it.
    """
    text = environment.get(VISIBLE)
    if text is None:
        return None
    prefix = next((prefix for prefix in ("GPU-", "MIG-") if text.strip().startswith(prefix)), None)
    cards: list[str] = []
    for entry in text.split(","):
        card = entry.strip() if prefix else _leading_digits(entry)
        if not card.startswith(prefix or "") or not card:
            break
        if card in cards:
            return ()
        cards.append(card)
    return tuple(cards)


def _leading_digits(entry: str) -> str:
    """Return the leading digits: "1" for "1gpu", as in strtoul; "" if it begins with no digit."""
    text = entry.strip().removeprefix("+")
    count = next((i for i, sign in enumerate(text) if sign not in "0123456789"), len(text))
    return str(int(text[:count])) if count else ""


def began_on(frozen: Mapping[str, Any]) -> Kind | None:
    """Return the kind of device on which a run began, from the frozen part of run.json; None: it has not begun.

    In runs of earlier versions it is in the plan's device.
    """
    plan = frozen.get("plan")
    device = plan.get("device") if isinstance(plan, dict) else None
    for kind in (frozen.get("device_kind"), device.partition(":")[0] if isinstance(device, str) else None):
        if kind in KINDS:
            return cast(Kind, kind)
    return None
