"""Devices by name, on their way from the queue's slot to the process that computes there.

A worker that is given a card sees no other: its CUDA_VISIBLE_DEVICES names exactly that one, so torch in it calls it
cuda:0 whatever the queue calls it; one that is given the CPU sees no card. Standard library only: the service, the
command line and the worker share it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from engine.base.errors import UserError

Kind = Literal["cpu", "cuda"]

VISIBLE = "CUDA_VISIBLE_DEVICES"
PLACE = "DDPM_DEVICE"
"""Tells a worker the name of the device that it was given."""

KINDS: dict[Kind, str] = {"cpu": "the CPU", "cuda": "a GPU"}


@dataclass(frozen=True)
class Place:
    """A device that a worker is given: "cpu", or the card `index` of those that the program which starts it sees."""

    kind: Kind
    index: int = 0

    @classmethod
    def parse(cls, name: str) -> "Place | None":
        """From "cpu", "cuda" or "cuda:1"; None for "auto" and everything else, which give nobody a device."""
        kind, colon, number = name.partition(":")
        if name == "cpu":
            return cls("cpu")
        if kind == "cuda" and (not colon or (number.isascii() and number.isdecimal())):
            return cls("cuda", int(number or 0))
        return None

    @classmethod
    def given(cls, environment: Mapping[str, str]) -> "Place | None":
        """The device that this process was given, if it was given one."""
        return cls.parse(environment.get(PLACE, ""))

    @property
    def name(self) -> str:
        """As the queue and people call it."""
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"

    def inside(self, environment: Mapping[str, str]) -> str:
        """As torch calls it in a process with `environment`: the only card that is visible is cuda:0."""
        cards = visible_cards(environment)
        return "cuda:0" if self.kind == "cuda" and cards is not None and len(cards) == 1 else self.name

    def environment(self, surroundings: Mapping[str, str]) -> dict[str, str]:
        """`surroundings` for a process that is to see this device and no other. Raises UserError if they hide it."""
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
    """The cards that CUDA_VISIBLE_DEVICES lets a process see, as it names them (numbers, GPU-… or MIG-…); None: all.

    As CUDA reads it: the first entry says of which kind they are, one of another kind or below zero ends the list,
    and one that comes twice empties it.
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
    """ "1", also of "1gpu", as strtoul reads it; "" if it begins with no digit."""
    text = entry.strip().removeprefix("+")
    count = next((i for i, sign in enumerate(text) if sign not in "0123456789"), len(text))
    return str(int(text[:count])) if count else ""


def began_on(frozen: Mapping[str, Any]) -> Kind | None:
    """The kind of device that a run began on, from what run.json has frozen; None: it has not begun.

    Runs of earlier versions have it in their plan's device.
    """
    plan = frozen.get("plan")
    device = plan.get("device") if isinstance(plan, dict) else None
    for kind in (frozen.get("device_kind"), device.partition(":")[0] if isinstance(device, str) else None):
        if kind in KINDS:
            return cast(Kind, kind)
    return None
