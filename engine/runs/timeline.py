"""Conversion between a run's optimizer steps and its epochs and pictures.

Steps alone are not enough: a branch may use another batch size, or other pictures. Never imports torch.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Origin:
    """The state in which a run began: zero, or for a branch that of its checkpoint.

    step: optimizer steps · epochs: with the fraction · images: pictures seen.
    """

    step: int = 0
    epochs: float = 0.0
    images: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, given: Any) -> Self:
        """Return the origin from JSON data. Raises ValueError for anything but three counts."""
        match given:
            case {"step": int(step), "epochs": int() | float() as epochs, "images": int(images)} if (
                step >= 0 and 0 <= epochs < float("inf") and images >= 0
            ):
                return cls(step, float(epochs), images)
        raise ValueError(f"{given!r} is no beginning of a run")


@dataclass(frozen=True)
class Timeline:
    """Steps of `batch_size` pictures, `steps_per_epoch` of them an epoch, from `origin` on.

    A place is a count of such steps since epoch 0. It is the step itself in a run that began with nothing, and in a
    branch that goes on as its parent did. In a branch that begins inside an epoch, the rest of this epoch is rounded
    to whole batches, and to one at least.
    """

    origin: Origin
    steps_per_epoch: int
    batch_size: int

    @property
    def _whole(self) -> int:
        """Return the complete epochs at the beginning. An epoch that is short only by rounding counts as complete."""
        return int(self.origin.epochs + 1e-9)

    @property
    def _first(self) -> int:
        """Return the place of the origin."""
        begun = max(0.0, self.origin.epochs - self._whole)
        per_epoch = self.steps_per_epoch
        return self._whole * per_epoch + min(per_epoch - 1, round(begun * per_epoch))

    def place(self, step: int) -> int:
        return step - self.origin.step + self._first

    def place_of_any(self, step: int) -> float:
        """The place of a step that may be one before the origin: those were of another size, alike among themselves."""
        return step * self._first / self.origin.step if step < self.origin.step else self.place(step)

    def at_place(self, place: int) -> int:
        """Return the step at a place."""
        return place - self._first + self.origin.step

    def end_of(self, epoch: int) -> int:
        """Return the step at which that many epochs are done; one before the origin if the origin has more epochs."""
        return self.at_place(epoch * self.steps_per_epoch)

    def epoch(self, step: int) -> int:
        """Return the number of complete epochs."""
        return self.place(step) // self.steps_per_epoch

    def epochs(self, step: int) -> float:
        """Return the epochs done, with the fraction: never fewer than at the origin."""
        seen = self.place(step) / self.steps_per_epoch
        if seen >= self._whole + 1:
            return seen
        rest = (self._whole + 1) * self.steps_per_epoch - self._first
        drift = self.origin.epochs - self._first / self.steps_per_epoch
        if abs(drift) < 1e-9:
            return seen
        return seen + drift * (1 - (step - self.origin.step) / rest)

    def is_epoch_end(self, step: int) -> bool:
        return self.place(step) % self.steps_per_epoch == 0

    def images(self, step: int) -> int:
        """Return the pictures seen."""
        return self.origin.images + (step - self.origin.step) * self.batch_size

    def position(self, step: int) -> int:
        """Return the pictures of the unfinished epoch."""
        return self.place(step) % self.steps_per_epoch * self.batch_size
