"""Writing a run into a logger, whole and once, and following it while it trains."""

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from engine.base.errors import DamagedError, DdpmError, UserError
from engine.base.files import FileLock, is_locked, write_json
from engine.base.folders import RunFolder
from engine.base.records import read_json
from engine.base.typed import Count, typed
from engine.config.profile import Profile
from engine.config.store import to_toml
from engine.loggers.targets import LogTarget, Opening, Sink, first_line
from engine.runs.evaluations import read_evaluations
from engine.runs.metrics import RowsReader
from engine.runs.record import read_record
from engine.runs.sample_record import read_sample

LOOK_S = 2.0
"""Between looks at a run that trains."""

TRAIN = ("loss", "lr", "grad_norm", "images_per_s", "epoch")
EPOCH = ("train_loss", "val_loss", "eps_error")


@dataclass(frozen=True)
class Written:
    """logs/<key>.json of a run: the record of one target's contents. step: of the last line of the curves · things:
    names of previews, sample sets and evaluations."""

    target: str
    step: Count | None = None
    epoch_step: Count | None = None
    things: tuple[str, ...] = field(default=())


def log_run(
    run: RunFolder,
    target: LogTarget,
    follow: bool = True,
    say: Callable[[str], None] = lambda text: None,
    stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Write all of a run that `target` lacks, and with `follow` new entries as long as the run trains.

    Returns how many steps were written. Raises UserError if the target refuses or another process logs to it.
    """
    profile = read_record(run).profile
    folder = run.path / "logs"
    folder.mkdir(mode=0o700, exist_ok=True)
    key = hashlib.sha256(f"{run.name}\n{target}".encode()).hexdigest()[:12]
    lock = FileLock.try_acquire(folder / f"{key}.lock")
    if lock is None:
        raise UserError(f"run {run.name!r} is logged to {target} already by another process")
    with lock:
        state = _read_state(folder / f"{key}.json", target)
        opening = Opening(target.place, run.name, key, state.step, _flat(profile), to_toml(profile))
        sink = target.open(opening)
        try:
            return _Following(run, sink, folder / f"{key}.json", state, say).write(follow, stopping)
        except DdpmError:
            raise
        except Exception as error:  # each tool has errors of its own
            raise UserError(
                f"{target} cannot be written to: {first_line(error)}", "the same command goes on from there"
            ) from None
        finally:
            with contextlib.suppress(Exception):
                sink.close()


class _Following:
    def __init__(
        self, run: RunFolder, sink: Sink, record: Path, state: Written, say: Callable[[str], None]
    ) -> None:
        self._run, self._sink, self._record, self._state, self._say = run, sink, record, state, say
        self._rows = RowsReader(run.metrics)
        self._steps = 0

    def write(self, follow: bool, stopping: Callable[[], bool]) -> int:
        write_json(self._record, asdict(self._state), durable=False)
        while True:
            trains = is_locked(
                self._run.lock
            )  # asked first: entries after the last look belong to a run that trains
            self._look()
            if not (follow and trains) or stopping():
                return self._steps
            end = time.monotonic() + LOOK_S
            while time.monotonic() < end and not stopping():
                time.sleep(0.1)

    def _look(self) -> None:
        """Write new entries, then note that they were written."""
        before = self._state
        for row in self._rows.new():
            self._row(row)
        for name, write in self._things():
            if name not in self._state.things:
                try:
                    write()
                except DamagedError as error:
                    self._say(str(error))
                self._state = replace(self._state, things=(*self._state.things, name))
        if self._state != before:
            self._sink.flush()
            write_json(self._record, asdict(self._state), durable=False)

    def _row(self, row: dict[str, Any]) -> None:
        """Write a line of the curves, unless it was written already: a run that goes on from a checkpoint writes the
        lines after it once more, with the same numbers."""
        train = row["kind"] == "train"
        step, last = int(row["step"]), self._state.step if train else self._state.epoch_step
        if last is not None and step <= last:
            return
        prefix, names = ("train", TRAIN) if train else ("epoch", EPOCH)
        values = {f"{prefix}/{name}": row[name] for name in names if _is_number(row.get(name))}
        at = row.get("time")
        self._sink.scalars(step, values, float(at) if isinstance(at, int | float) else time.time())
        self._state = replace(self._state, step=step) if train else replace(self._state, epoch_step=step)
        self._steps += train

    def _things(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield previews, sample sets and evaluations that are whole: a unique name, and the function that writes
        it."""
        run, sink = self._run, self._sink
        for path in _files(run.previews, "*.png"):
            if path.stem.isdigit():
                step = int(path.stem)
                yield f"preview {step}", partial(sink.picture, step, "previews", path)
        for path in _files(run.samples, "*/sample.json"):
            folder, number = run.sample(path.parent.name), path.parent.name
            if not folder.grid.is_file():
                continue
            try:
                step = int(read_sample(folder).get("checkpoint") or 0)
            except DamagedError as error:
                self._say(str(error))
                continue
            yield f"sample {number}", partial(sink.picture, step, f"samples/{number}", folder.grid)
        for one in read_evaluations(run, complain=self._say):
            found = {name: score.value for name, score in one.scores.items() if _is_number(score.value)}
            values = {f"scores/{name}": value for name, value in found.items()}
            yield (
                f"evaluation {one.checkpoint} {one.id}",
                partial(sink.scalars, one.checkpoint, values, time.time()),
            )


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _read_state(path: Path, target: LogTarget) -> Written:
    if not path.exists():
        return Written(str(target))
    try:
        return typed(
            Written, read_json(path, "the note of what was logged"), "the note of what was logged", path
        )
    except DamagedError as error:
        raise DamagedError(error.what, "delete it, and what was logged, to log the run anew") from None


def _flat(profile: Profile) -> dict[str, Any]:
    """Return the profile as section.key → value."""
    found: dict[str, Any] = {}
    for section, values in profile.to_dict().items():
        if isinstance(values, dict):
            found |= {f"{section}.{key}": value for key, value in values.items()}
        else:
            found[section] = values
    return found
