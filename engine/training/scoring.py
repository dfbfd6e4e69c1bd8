"""What training measures of itself at a chunk's end: sliced Wasserstein of a few hundred samples, and never for long.

The figure goes where `evaluate` puts its own, and not into the metrics: how many samples there is time for depends
on the machine, and the metrics of a run are the same wherever it was interrupted.
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
"""Of a job's time, at most."""
FEWEST = 64
"""Samples; a distance of fewer says little."""
DRAWING = 0.8
"""What drawing may take of what there is; the distance itself has the rest."""
MEASURE = "sliced_wasserstein"
EVALUATION = "training"
SEED = 0


LATER = "`evaluate` takes it at any time"


class _GivenUp(Exception):
    """The score is left out, for the reason said: the job is to stop, or measuring takes longer than it may."""


class ChunkScorer:
    """Scores of one training job. `share`: of the job's time, at most; `clock` gives seconds."""

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
        """Score the state as it is, if there is time for it; the caller has published its checkpoint.

        A figure that cannot be had is said and training goes on. `report` is called before anything that takes
        long. Raises DiskFullError.
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
                # What cannot be had is found out before anything is drawn for it.
                choose(self.s.packed, PARTS[0], 2)
                each = self._seconds_a_picture(settings)
                count = affordable(wanted, DRAWING * left / each)
                if not count:
                    least = affordable(wanted, float("inf"), fewest=True)
                    raise _GivenUp(
                        f"drawing {least} samples takes {least * each:.1f} s, and there are "
                        f"{DRAWING * left:.1f} s for it of the {self.share:.0%} that scores may take ({LATER})"
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
        """Of drawing, from one call of the network on a batch after one that warms up."""
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
    """`wanted` or a half, a quarter … of it, whichever is the largest within `most` and not below FEWEST; else 0.

    Halves, so that the figures of one chunk and the next are of equally many samples more often than not.
    `fewest`: the smallest of them instead.
    """
    counts = [wanted]
    while counts[-1] // 2 >= FEWEST:
        counts.append(counts[-1] // 2)
    fitting = [count for count in counts if count <= most]
    return (fitting[-1] if fewest else fitting[0]) if fitting else 0
