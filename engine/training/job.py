"""The training job: train a run to an epoch, exactly once, even if it is requested several times."""

import os

from engine.base.errors import BusyError
from engine.base.files import FileLock
from engine.base.folders import RunFolder
from engine.jobs.context import Work
from engine.jobs.files import EXIT_DONE, EXIT_FAILED, EXIT_STOPPED, Result
from engine.loggers.launch import start_loggers
from engine.runs.branch import Beginning
from engine.runs.record import find_run
from engine.service.settings import read_log_targets
from engine.training.divergence import Diverged
from engine.training.loop import Trainer
from engine.training.session import open_session


def run_training(work: Work) -> Result:
    """Train `spec.run` to `args.to_epoch` epochs; `args.branch` creates the run first, if it does not exist yet.

    Returns how it ended; raises DdpmError for failures.
    """
    name = work.spec.run or ""
    to_epoch = int(work.spec.args["to_epoch"])
    if (beginning := Beginning.from_args(work.spec.args)) is not None:
        work.patiently(lambda: beginning.make(work.home, name))
    run = work.patiently(lambda: find_run(work.home, name))
    lock = work.patiently(lambda: FileLock.try_acquire(run.lock))
    if lock is None:
        raise BusyError(
            f"run {name!r} is being trained by another process",
            f"wait for it or pause it: ddpm-tui queue list, or see {run.log}",
        )
    with lock, work.patiently(lambda: open(run.log, "ab", buffering=0)) as log:
        lock.describe(_who_trains(work))

        def keep(line: str) -> None:
            log.write(f"{line}\n".encode("utf-8", "backslashreplace"))

        with work.also_saying(keep):
            return _train(work, run, to_epoch)


def _who_trains(work: Work) -> str:
    """Return the holder of the run, and how to release the run, for other processes. The queue does not know
    foreground jobs.
    """
    number, pid = int(work.spec.id), os.getpid()
    way = f"kill {pid}" if work.spec.foreground else f"ddpm-tui queue pause {number}"
    return f"job {number} (pid {pid}; `{way}` stops it at a checkpoint)"


def _train(work: Work, run: RunFolder, to_epoch: int) -> Result:
    start_loggers(work.home, run, read_log_targets(work.home.settings), work.say)
    trainer = work.patiently(lambda: Trainer(work, open_session(work, run)))
    try:
        ended = trainer.train(to_epoch)
    except Diverged as error:
        work.say(str(error))
        step = trainer.saved_step or 0
        epoch = trainer.timeline.epochs(step)
        return Result(
            "diverged", EXIT_FAILED, error.what, error.hint, run.name, step, epoch, trainer.saved_step
        )
    if ended.stopped:
        message = f"stopped by {ended.stopped} at step {ended.step:,}, epoch {ended.epoch:.2f} of {to_epoch}"
        hint = f"go on with: ddpm-tui train {run.name} --to-epoch {to_epoch}"
        outcome, code = "stopped", EXIT_STOPPED
    else:
        message, hint = f"run {run.name!r} is at epoch {ended.epoch:g}", None
        outcome, code = "done", EXIT_DONE
    work.say(message)
    return Result(outcome, code, message, hint, run.name, ended.step, ended.epoch, ended.checkpoint)
