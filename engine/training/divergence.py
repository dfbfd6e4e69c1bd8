"""Detecting losses and weights that are not finite. Counted on the device and checked from time to time, because each
check waits for a GPU.
"""

from typing import Final

import torch
from torch import Tensor

from engine.base.errors import DdpmError
from engine.base.text import plural
from engine.training.batches import Batch
from engine.training.session import Session
from engine.training.state import evaluating
from engine.training.step import Stepper

LEAST, MOST = 10, 100
"""The limits of the steps between checks on a GPU, each of which waits for the device."""

ROW: Final = "row"
"""The sum that counts consecutive bad steps."""


class Diverged(DdpmError):
    """Too many consecutive steps without a finite loss."""


def look_every(kind: str, max_bad_steps: int) -> int:
    """Return the steps between checks on a device of this kind. A series that was too long stays counted until it is
    checked.
    """
    return 1 if kind == "cpu" else min(MOST, max(LEAST, max_bad_steps))


class Divergence:
    """Watches one training; `batch` is the last one that was learned."""

    def __init__(self, session: Session, stepper: Stepper) -> None:
        self._s, self._stepper = session, stepper
        self.batch: Batch | None = None
        self._every = look_every(session.plan.kind, session.profile.training.max_bad_steps)

    def due(self) -> bool:
        return self._s.state.step % self._every == 0

    def row(self) -> int:
        """Return the number of consecutive bad steps until now; waits for the device."""
        return int(self._s.state.sums.read()[ROW])

    def spoiled(self, row: float) -> bool:
        """Return whether the state should not be saved after `row` consecutive bad steps: the last step failed, or
        the weights give no finite loss on the last learned batch. Waits for the device.

        A loss scaler fails steps on purpose, to find its scale; then only the weights count.
        """
        if row and self._s.state.scaler is None:
            return True
        if self.batch is None:
            return False
        with evaluating(self._s.state.model):
            loss = self._stepper.loss_of_weights(self.batch)
        return not bool(torch.isfinite(loss))

    def lost(self) -> str | None:
        """The part of the state that is not finite although the loss is, if any: the average or the optimizer's
        moments. No later step mends either. Waits for the device.
        """
        state = self._s.state
        moments = [
            m for kept in state.optimizer.state.values() for m in kept.values() if m.is_floating_point()
        ]
        if not _all_finite(state.ema.values):
            return "averaged weights"
        return "optimizer's moments" if not _all_finite(moments) else None

    def error(self, row: int, saved: int | None, lost: str | None = None) -> Diverged:
        """Return the error with a message; `saved`: step of the newest checkpoint."""
        s = self._s
        where = f"checkpoint {saved}" if saved is not None else "its beginning"
        if lost:
            what = f"the {lost} of step {s.state.step} are not finite"
        elif row:
            what = f"{plural(row, 'step')} in a row up to step {s.state.step} had no finite loss"
        else:
            what = f"the weights of step {s.state.step} give no finite loss"
        return Diverged(
            f"run {s.run.name!r}: {what}; the run stays at {where}",
            "branch from a checkpoint with a lower optim.lr, or use training.precision = 'fp32'",
        )


def _all_finite(tensors: list[Tensor]) -> bool:
    """Return whether all values of all tensors are finite, with one pass and one wait for the device."""
    if not tensors:
        return True
    largest = torch._foreach_norm(tensors, float("inf"))
    return bool(torch.isfinite(torch.stack([value.to(largest[0].device) for value in largest])).all())
