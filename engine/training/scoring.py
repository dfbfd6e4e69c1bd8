"""The score at a chunk's end: sliced Wasserstein of a few hundred samples, within a limit of time.

The score is stored where `evaluate` stores its own, and not in the metrics: the number of samples depends on the
machine's speed, while the metrics of a run do not depend on interruptions.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext

import torch

from engine.base.errors import DamagedError, UserError
from engine.config.sampling_settings import Settings
from engine.device.out_of_memory import is_out_of_memory
from engine.device.plan import autocast
from engine.evaluation.measuring import Wanted
from engine.evaluation.reference import choose
from engine.evaluation.score import score
from engine.jobs.context import Work
from engine.runs.evaluations import PARTS, evaluation_file, write_evaluation
from engine.sampling.drawing import NotFiniteError, batch_that_fits
from engine.sampling.load import Loaded
from engine.training.session import Session
from engine.training.state import evaluating

SHARE = 0.05
"""The largest share of a job's time."""
FEWEST = 64
"""The fewest samples; a distance of fewer is not meaningful."""
DRAWING = 0.8
"""The share of the available time for drawing; the rest is for the distance."""
MEASURE = "sliced_wasserstein"
EVALUATION = "training"
SEED = 0


LATER = "`evaluate` computes it at any time"


class _GivenUp(Exception):
    """The score is left out, for the given reason: the job must stop, or measuring takes too long."""


class ChunkScorer:
    """Scores one training job. `share`: the largest share of the job's time; `clock` returns seconds."""

    def __init__(
        self,
        work: Work,
        session: Session,
        share: float = SHARE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.work, self.s, self.share, self.clock = work, session, share, clock
        self._began, self._spent = clock(), 0.0

    def score(self, report: Callable[[], None]) -> None:
        """Score the current state if there is time for it; the caller has published its checkpoint.

        If a score cannot be computed, the reason is reported and training continues. `report` is called before
        anything that takes long. Raises DiskFullError.
        """
        wanted = self.s.profile.training.scores
        before = self.clock()
        left = self.share * (before - self._began) - self._spent
        if not wanted or left <= 0 or self.work.stopping or self._stored():
            return
        settings = Settings.from_profile(self.s.profile, seed=SEED)
        state = self.s.state
        report()
        try:
            with (
                evaluating(state.model),
                state.ema.swapped_in() if settings.weights == "ema" else nullcontext(),
            ):
                # Check for missing requirements before drawing samples.
                choose(self.s.packed, PARTS[0], 2)
                each = self._seconds_a_picture(settings)
                count = affordable(wanted, DRAWING * left / each)
                if not count:
                    least = affordable(wanted, float("inf"), fewest=True)
                    raise _GivenUp(
                        f"drawing {least} samples takes {least * each:.1f} s, but only "
                        f"{DRAWING * left:.1f} s of the {self.share:.0%} for scores are left ({LATER})"
                    )
                self._score(count, settings, before + left)
        except (_GivenUp, UserError, DamagedError, NotFiniteError) as error:
            self.work.say(f"no {MEASURE} of this chunk: {error}")
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self.work.say(f"no {MEASURE} of this chunk: out of memory")
        finally:
            self._spent += self.clock() - before

    def _stored(self) -> bool:
        return evaluation_file(self.s.run, self.s.state.step, EVALUATION).exists()

    def _score(self, count: int, settings: Settings, until: float) -> None:
        s = self.s
        loaded = Loaded(s.state.model, s.schedule, s.profile, s.plan, s.device)

        def report(measure: str, done: int, total: int, unit: str) -> None:
            if self.work.stopping:
                raise _GivenUp(f"stopping ({LATER})")
            if self.clock() > until:
                raise _GivenUp(f"it takes longer than {self.share:.0%} of the job's time ({LATER})")

        found = score(loaded, s.packed, Wanted((MEASURE,), count, settings), report).scores
        epoch = s.timeline.epochs(s.state.step)
        write_evaluation(s.run, s.state.step, epoch, settings.weights, found, EVALUATION)
        self.work.say(f"{MEASURE}: {found[MEASURE].line()}")

    def _seconds_a_picture(self, settings: Settings) -> float:
        """Return the seconds per picture for drawing, from one call of the network on a batch after a warm-up call."""
        s, size = self.s, self.s.profile.data.size
        batch = min(FEWEST, batch_that_fits(s.profile, s.plan, 1 << 30))
        x_t = torch.zeros(batch, 3, size, size, device=s.device)
        t = torch.zeros(batch, dtype=torch.int64, device=s.device)
        took = 0.0
        for _ in range(2):
            before = self.clock()
            with torch.no_grad(), autocast(s.plan):
                s.state.model(x_t, t).sum().item()  # .item() waits for the device
            took = self.clock() - before
        return max(1e-6, took) * settings.steps / batch


def affordable(wanted: int, most: float, fewest: bool = False) -> int:
    """Return `wanted`, or a half, a quarter … of it: the largest within `most` and not below FEWEST; else 0.

    Halving makes it likely that consecutive chunks use equally many samples. `fewest`: return the smallest of these
    instead.
    """
    counts = [wanted]
    while counts[-1] // 2 >= FEWEST:
        counts.append(counts[-1] // 2)
    fitting = [count for count in counts if count <= most]
    return (fitting[-1] if fewest else fitting[0]) if fitting else 0
