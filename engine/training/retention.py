"""The checkpoints that a training keeps: those of the profile's rules, of jobs, and of branches."""

from engine.base.errors import DdpmError
from engine.base.files import FileLock
from engine.jobs.context import Work
from engine.runs.checkpoints import list_checkpoints, prunable, remove, whole_tags
from engine.service.needed import Watched
from engine.training.session import Session


class Retention:
    """The retention of one training job."""

    def __init__(self, work: Work, session: Session) -> None:
        self._work, self._s = work, session
        self._watched = Watched(work.home, session.run.name)

    def is_awaited(self, epoch: int) -> bool:
        """Return whether an unfinished job needs the end of this epoch."""
        try:
            return epoch in self._watched.look().epochs
        except DdpmError:  # the queue cannot be read now
            return False

    def chunk(self, epoch: int) -> float:
        """Return the number of the chunk that ends with this epoch."""
        return epoch / self._s.profile.training.chunk_epochs

    def thin_out(self) -> None:
        """Remove the checkpoints that no rule keeps. If the rules cannot be evaluated, nothing is removed.

        A checkpoint ahead of the training is damaged, or training would continue from it: it stays, and is not
        counted.
        """
        run, training = self._s.run, self._s.profile.training
        lock = FileLock.try_acquire(run.tags_lock)
        if lock is None:  # another process tags or deletes; wait for the next checkpoint
            return
        with lock:
            try:
                whole_tags(run)
                found = [c for c in list_checkpoints(run) if c.step <= self._s.state.step]
                kept = self._watched.look().steps_of(found)
            except DdpmError as error:
                self._work.say(f"no checkpoint is removed: {error}")
                return
            lineage = self._s.record.lineage
            if lineage:
                kept |= {lineage.step}
            for old in prunable(found, training.keep_epochs, training.keep_last, kept, training.keep_chunks):
                remove(old.folder)
