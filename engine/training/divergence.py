"""Whether a training still has finite numbers. Counted on the device, looked at now and then, never at each step of a
card."""

from typing import Final

import torch

from engine.base.errors import DdpmError
from engine.base.text import plural
from engine.training.batches import Batch
from engine.training.session import Session
from engine.training.state import evaluating
from engine.training.step import Stepper

LEAST, MOST = 10, 100
"""Steps of a card between looks: each waits for the device."""

ROW: Final = "row"
"""The sum that counts bad steps in a row."""


class Diverged(DdpmError):
    """Too many steps in a row had no finite loss."""


def look_every(kind: str, max_bad_steps: int) -> int:
    """Steps between looks on a device of this kind. A row that was too long stays counted until it is seen."""
    return 1 if kind == "cpu" else min(MOST, max(LEAST, max_bad_steps))


class Divergence:
    """Watches one training; `batch` is the one that was learned last."""

    def __init__(self, session: Session, stepper: Stepper) -> None:
        self._s, self._stepper = session, stepper
        self.batch: Batch | None = None
        self._every = look_every(session.plan.kind, session.profile.training.max_bad_steps)

    def due(self) -> bool:
        return self._s.state.step % self._every == 0

    def row(self) -> int:
        """Bad steps in a row up to now; waits for the device."""
        return int(self._s.state.sums.read()[ROW])

    def spoiled(self, row: float) -> bool:
        """Whether the state is not worth keeping after `row` bad steps in a row: the last step failed, or the weights
        give no finite loss on what they have just learned. Waits for the device.

        A loss scaler fails steps on purpose, to find its scale: then the weights alone count.
        """
        if row and self._s.state.scaler is None:
            return True
        if self.batch is None:
            return False
        with evaluating(self._s.state.model):
            loss = self._stepper.loss_of_weights(self.batch)
        return not bool(torch.isfinite(loss))

    def error(self, row: int, saved: int | None) -> Diverged:
        """What to say of it; `saved`: step of the newest checkpoint."""
        s = self._s
        where = f"checkpoint {saved}" if saved is not None else "its beginning"
        if row:
            what = f"{plural(row, 'step')} in a row up to step {s.state.step} had no finite loss"
        else:
            what = f"the weights of step {s.state.step} give no finite loss"
        return Diverged(
            f"run {s.run.name!r}: {what}; the run stays at {where}",
            "branch from a checkpoint with a lower optim.lr, or use training.precision = 'fp32'",
        )
