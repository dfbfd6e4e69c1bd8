"""Runs and jobs from their folders, as cheaply as files allow: no pydantic, no NumPy, stamps before contents.

The service's word wins over these readings; an app without a service shows them.
"""

import contextlib
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ddpm_tui.tui.state.snapshot import RunView
from engine.base.errors import DamagedError, DdpmError, UserError
from engine.base.folders import RunFolder, is_number
from engine.base.home import NAME, Home, shipped_profiles
from engine.base.records import MissingError, loads_toml, read_object, read_text
from engine.jobs.files import JobSpec, list_job_folders, read_spec
from engine.runs.manifest import read_manifest
from engine.runs.stored import read_stored
from engine.service.states import Intent, Job, Priority, State

_JOB_FIELDS = {f.name for f in fields(Job)}


def job_from_wire(wire: dict[str, Any]) -> Job:
    """Return the job of a row as the service sends it (and leaves in queue.json). Raises ValueError, KeyError,
    TypeError."""
    values = {key: value for key, value in wire.items() if key in _JOB_FIELDS}
    values["state"] = State(values["state"])
    values["intent"] = Intent(values["intent"]) if values.get("intent") else None
    values["priority"] = Priority.parse(str(values.get("priority", "normal")))
    values["after"] = tuple(values.get("after") or ())
    values["args"] = values.get("args") or {}
    return Job(**values)


def jobs_on_disk(home: Home, newest: int = 200) -> tuple[Job, ...]:
    """Return the newest queued jobs by the notes in their folders, in the queue's order; foreground jobs are left
    out."""
    found = []
    for folder in list_job_folders(home)[-newest:]:
        try:
            what = f"the note of job {folder.id}"
            found.append(Job.from_wire(read_object(folder.queue_note, what), what))
        except DamagedError:
            try:
                spec: JobSpec = read_spec(folder)
            except DdpmError:
                continue
            if not spec.foreground:
                found.append(
                    Job(spec.id, spec.kind, spec.run, spec.device, args=spec.args, rank=float(spec.id))
                )
    return tuple(sorted(found, key=lambda job: (job.rank, job.id)))


class RunReader:
    """All runs, each read again only when its files' stamps changed."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._known: dict[str, tuple[tuple[int, ...], RunView]] = {}

    def read(self) -> tuple[RunView, ...]:
        """Return every run, oldest first by creation."""
        try:
            names = [e.name for e in os.scandir(self.home.runs) if NAME.fullmatch(e.name) and e.is_dir()]
        except OSError:
            names = []
        known, self._known = self._known, {}
        for name in names:
            folder = RunFolder(self.home.runs / name)
            now = stamp(folder.record, folder.checkpoints)
            before = known.get(name)
            self._known[name] = before if before and before[0] == now else (now, _read_run(folder))
        return tuple(
            view for _, view in sorted(self._known.values(), key=lambda e: (e[1].created, e[1].name))
        )


def stamp(*paths: Path) -> tuple[int, ...]:
    """Return a stamp that changes when one of these is replaced or a folder among them gains or loses a name.

    Zeros stand for missing files."""
    found = []
    for path in paths:
        try:
            status = path.stat()
            found += [status.st_mtime_ns, status.st_ino]
        except OSError:
            found += [0, 0]
    return tuple(found)


def _read_run(folder: RunFolder) -> RunView:
    name = folder.name
    steps = _steps(folder)
    latest, epoch = None, 0
    for step in reversed(steps):
        with contextlib.suppress(DamagedError, UserError):
            latest, epoch = step, read_manifest(folder.checkpoint(step)).epoch
            break
    try:
        found = read_stored(folder)
        lineage = found.lineage
        return RunView(
            name,
            found.profile_name,
            found.created,
            lineage.parent if lineage else None,
            lineage.step if lineage else None,
            lineage.changes if lineage else (),
            found.profile,
            found.frozen,
            len(steps),
            latest,
            epoch,
        )
    except MissingError:
        problem = f"{folder.record.name} is missing"
    except DamagedError as error:
        problem = f"{folder.record.name} cannot be read ({error.reason})"
    except UserError as error:
        problem = str(error)
    return RunView(name, checkpoints=len(steps), latest_step=latest, epoch=epoch, problem=problem)


def _steps(folder: RunFolder) -> list[int]:
    try:
        return sorted(int(e.name) for e in os.scandir(folder.checkpoints) if is_number(e.name))
    except OSError:
        return []


@dataclass(frozen=True)
class ProfileName:
    """A profile by name, unread but for its description. problem: why it cannot be used, if that shows at once."""

    name: str
    path: Path
    own: bool
    description: str = ""
    problem: str = ""


def profile_names(home: Home) -> list[ProfileName]:
    """Return shipped profiles and the user's, which hide shipped ones of the same name, by name."""
    found: dict[str, ProfileName] = {}
    for folder, own in ((shipped_profiles(), False), (home.profiles, True)):
        try:
            paths = sorted(folder.glob("*.toml"))
        except OSError:
            continue
        for path in paths:
            try:
                said = loads_toml(read_text(path)).get("description", "")
                found[path.stem] = ProfileName(path.stem, path, own, str(said))
            except (OSError, ValueError) as error:
                found[path.stem] = ProfileName(path.stem, path, own, problem=str(error))
    return [found[name] for name in sorted(found)]
