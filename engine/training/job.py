"""A training job: run R to epoch E, exactly once, whoever asks."""

from engine.errors import BusyError
from engine.files import FileLock
from engine.jobs import EXIT_DONE, EXIT_FAILED, EXIT_STOPPED, Result
from engine.runs.record import find_run
from engine.training.loop import Diverged, Trainer
from engine.training.session import open_session
from engine.work import Work


def run_training(work: Work) -> Result:
    """Train `spec.run` to `args.to_epoch` whole epochs. Returns how it ended; raises DdpmError for the rest."""
    name = work.spec.run or ""
    to_epoch = int(work.spec.args["to_epoch"])
    run = find_run(work.home, name)
    lock = FileLock.try_acquire(run.lock)
    if lock is None:
        raise BusyError(
            f"run {name!r} is being trained by another process",
            f"wait for it or pause it: ddpm-tui queue list, or see {run.log}",
        )
    with lock, open(run.log, "a") as log:
        lock.describe(f"job {work.spec.id}")
        work.also_say_to(lambda line: print(line, file=log, flush=True))
        session = open_session(work, run)
        trainer = Trainer(work, session)
        try:
            ended = trainer.train(to_epoch)
        except Diverged as error:
            work.say(str(error))
            step = trainer.saved_step
            return Result(
                "diverged", EXIT_FAILED, error.what, error.hint, name,
                step=step, epoch=step / trainer.per_epoch if step else 0.0, checkpoint=step,
            )  # fmt: skip
    if ended.stopped:
        message = f"stopped by {ended.stopped} at step {ended.step:,}, epoch {ended.epoch:.2f} of {to_epoch}"
        work.say(message)
        hint = f"go on with: ddpm-tui train {name} --to-epoch {to_epoch}"
        return Result("stopped", EXIT_STOPPED, message, hint, name, ended.step, ended.epoch, ended.checkpoint)
    message = f"run {name!r} is at epoch {ended.epoch:g}"
    work.say(message)
    return Result("done", EXIT_DONE, message, None, name, ended.step, ended.epoch, ended.checkpoint)
